"""What a battle costs: whole battles, N at once, through a real server in front of a mock upstream.

The server, the upstream and the client are a process each; where there are two cores or more, the server has
one to itself. A row of the table is one N:

- *first text*: until both sides' first words are here, over the upstream's own delay (50 ms);
- *total*: until the stream says that both answers are done, over the upstream's own time (4.05 s);
- *CPU*: user and system time of the server and its children, from the prompt to the page with the names;
- *KB*: what a visitor receives, uncompressed: the page, the stream, all else (the posts, the last page);
- *peak*: the highest resident memory of the server and its children while this N ran;
- *late*: how late the upstream itself was with its tokens, mean and worst;
- *cores*: what upstream and client used, and what processes that are none of ours used meanwhile. Where the
  second is not near zero, measure again.

When all is over the server is killed (-9) and every acknowledged vote must be in the database.

    python -m benchmarks.battles --battles 1,10,50,100,250
"""

import argparse
import contextlib
import http.client
import math
import os
import resource
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from benchmarks.client import Battle, Report
from benchmarks.upstream import OPENINGS, Pace, Stats

NAMES = ("Amber-7", "Basalt-7", "Cobalt-7", "Damask-7")
SERVER = f"{shlex.quote(sys.executable)} -m arena serve --config {{config}} --port {{port}}"
TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True)
class Cores:
    """The server's cores, and those that upstream and client share. None leaves it to the system."""

    server: frozenset[int] | None = None
    harness: frozenset[int] | None = None

    @classmethod
    def apart(cls) -> "Cores":
        """The first core for the server, all others for the rest."""
        first, *rest = sorted(os.sched_getaffinity(0))
        return cls(frozenset([first]), frozenset(rest)) if rest else cls()


class Process:
    """A process we started, and all that it started: what they use, read from /proc."""

    def __init__(self, command: Sequence[str], cores: frozenset[int] | None, log: Path | None = None) -> None:
        self._log = log
        with contextlib.ExitStack() as stack:
            errors = stack.enter_context(log.open("wb")) if log else None
            self._popen = subprocess.Popen(
                command,
                stdout=errors or subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_over(self) -> bool:
        return self._popen.poll() is not None

    def line(self) -> bytes:
        """The next line it prints."""
        assert self._popen.stdout is not None
        return self._popen.stdout.readline()

    def output(self) -> bytes:
        """All that it prints until it ends. Raises `Failed`."""
        printed, _ = self._popen.communicate()
        if self._popen.returncode:
            raise Failed(f"{self._popen.args!r} ended with status {self._popen.returncode}")
        return printed

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-20:]) if self._log else ""

    def kill(self) -> None:
        """Kill -9, children included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def cpu_seconds(self) -> float:
        """User and system time so far. A child that has ended counts with its parent."""
        return sum(sum(map(int, fields[11:15])) for fields in self._stats()) / TICK

    def memory_mb(self, line: str = "VmHWM") -> float:
        """Resident memory: the most since the last `forget_peak`, or with VmRSS what it is now."""
        kilobytes = 0
        for pid in self._tree():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text().splitlines()
                kilobytes += sum(int(row.split()[1]) for row in status if row.startswith(f"{line}:"))
        return kilobytes / 1024

    def forget_peak(self) -> None:
        for pid in self._tree():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def _tree(self) -> Iterator[int]:
        """Every process of the session that was made for this one."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == self.pid:
                    yield int(entry.name)

    def _stats(self) -> Iterator[list[str]]:
        for pid in self._tree():
            with contextlib.suppress(OSError):
                yield Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@dataclass(frozen=True)
class Usage:
    """CPU seconds since some moment in the past, and what time it is."""

    clock: float
    server: float
    client: float
    machine: float

    @classmethod
    def now(cls, server: Process | None) -> "Usage":
        ours = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _idle, _wait, irq, softirq = map(int, fields[:7])
        return cls(
            clock=time.perf_counter(),
            server=server.cpu_seconds() if server else 0.0,
            client=sum(use.ru_utime + use.ru_stime for use in ours),
            machine=(user + nice + system + irq + softirq) / TICK,
        )

    def __sub__(self, before: "Usage") -> "Usage":
        return Usage(
            self.clock - before.clock,
            self.server - before.server,
            self.client - before.client,
            self.machine - before.machine,
        )


@dataclass(frozen=True)
class Row:
    """What was measured at one N, over all its rounds."""

    at_once: int
    battles: list[Battle]
    used: Usage
    upstream: Stats
    peak_mb: float

    @property
    def failures(self) -> list[str]:
        return [battle.error for battle in self.battles if battle.error]

    @property
    def votes(self) -> int:
        return sum(battle.voted for battle in self.battles)

    def cells(self, pace: Pace) -> list[str]:
        whole = [battle for battle in self.battles if not battle.error]
        first = [battle.both_ms - pace.delay * 1000 for battle in whole if battle.both_ms is not None]
        total = [(battle.total_s - pace.seconds) * 1000 for battle in whole if battle.total_s is not None]
        sizes = [battle.sizes for battle in whole]
        count = len(self.battles)
        parts = [_kilobytes([getattr(size, part) for size in sizes]) for part in ("page", "events", "other")]
        harness = self.used.client + self.upstream.cpu_seconds
        foreign = self.used.machine - self.used.server - harness
        return [
            str(self.at_once),
            f"{len(self.failures)}/{count}",
            _spread(first),
            _spread(total),
            f"{self.used.server * 1000 / count:.1f}" if self.used.server else "-",
            f"{sum(parts):.1f} ({' + '.join(f'{part:.1f}' for part in parts)})",
            f"{self.peak_mb:.0f}",
            f"{self.upstream.late_ms_mean:.1f} / {self.upstream.late_ms_max:.0f}",
            f"{harness / self.used.clock:.2f} + {max(foreign, 0) / self.used.clock:.2f}",
        ]


HEADINGS = [
    "N",
    "failed",
    "first text, + ms p50 / p95",
    "total, + ms p50 / p95",
    "CPU ms/battle",
    "KB/battle (page + events + other)",
    "peak MB",
    "upstream late ms, mean / max",
    "cores, harness + foreign",
]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)] if values else math.nan


def _spread(values: list[float]) -> str:
    return f"{percentile(values, 0.5):.0f} / {percentile(values, 0.95):.0f}"


def _kilobytes(sizes: list[int]) -> float:
    return sum(sizes) / 1000 / max(len(sizes), 1)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Bench:
    """All that is running, and how it is driven. `server` is None where the upstream is measured alone."""

    upstream: Process
    upstream_port: int
    server: Process | None
    server_port: int
    pace: Pace
    cores: Cores
    timeout: float
    profile: Path | None

    def row(self, at_once: int, rounds: int) -> Row:
        if self.server:
            self.server.forget_peak()
        self._upstream_stats()
        before = Usage.now(self.server)
        with self._profiled(at_once):
            battles = [battle for _ in range(rounds) for battle in self._drive(at_once).battles]
        used = Usage.now(self.server) - before
        peak = self.server.memory_mb() if self.server else self.upstream.memory_mb()
        return Row(at_once, battles, used, self._upstream_stats(), peak)

    def _drive(self, at_once: int) -> Report:
        command = [
            sys.executable,
            "-m",
            "benchmarks.client",
            f"--battles={at_once}",
            f"--timeout={self.timeout}",
        ]
        if self.server:
            command += [f"--url=http://127.0.0.1:{self.server_port}", *(f"--name={name}" for name in NAMES)]
        else:
            command += [f"--url=http://127.0.0.1:{self.upstream_port}"]
            command += [f"--direct={replace(self.pace, voice=voice).model}" for voice in (0, 1)]
        client = Process(command, self.cores.harness)
        try:
            return msgspec.json.decode(client.output(), type=Report)
        finally:
            client.kill()

    def _upstream_stats(self) -> Stats:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.upstream_port)) as connection:
            connection.request("POST", "/stats")
            return msgspec.json.decode(connection.getresponse().read(), type=Stats)

    @contextlib.contextmanager
    def _profiled(self, at_once: int) -> Iterator[None]:
        """With --profile, a flame graph of the server during the block."""
        if not (self.profile and self.server):
            yield
            return
        target = self.profile / f"battles-{at_once}.svg"
        command = ["py-spy", "record", "--pid", str(self.server.pid), "--output", str(target)]
        recorder = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.wait()


def config(folder: Path, upstream_port: int, pace: Pace, settings: str) -> str:
    """A config.toml of one provider and a model for each voice of the upstream."""
    text = f"""
{settings}
[database]
url = "sqlite+aiosqlite:///{folder / "arena.db"}"

[[providers]]
format = "openai"
name = "upstream"
base_url = "http://127.0.0.1:{upstream_port}/v1"
model = "{pace.model}"
"""
    for voice, name in enumerate(NAMES[: len(OPENINGS)]):
        text += f"""
[[models]]
name = "{name}"
backends = ["upstream"]
model_id = "{replace(pace, voice=voice).model}"
"""
    return text


@contextlib.contextmanager
def running(command: Sequence[str], cores: frozenset[int] | None, log: Path | None = None) -> Iterator[Process]:
    process = Process(command, cores, log)
    try:
        yield process
    finally:
        process.kill()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def wait_until_ready(server: Process, port: int, seconds: float = 60.0) -> float:
    """Seconds until /readyz says that a battle can be drawn. Raises `Failed`."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        if server.is_over:
            raise Failed(f"the server ended before it was ready:\n{server.last_words()}")
        if _is_ready(port):
            return time.perf_counter() - began
        time.sleep(0.02)
    raise Failed(f"the server was not ready after {seconds:g} s:\n{server.last_words()}")


def _is_ready(port: int) -> bool:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def votes_kept(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM votes").fetchone()
        return int(count)


def measure(bench: Bench, counts: Sequence[int], rounds: int | None) -> list[Row]:
    """A row for each N, printed as it is measured."""
    print(_line(HEADINGS), _line(["---:"] * len(HEADINGS)), sep="\n", flush=True)
    rows = []
    for at_once in counts:
        row = bench.row(at_once, rounds or {1: 5, 10: 2}.get(at_once, 1))
        print(_line(row.cells(bench.pace)), flush=True)
        rows.append(row)
    print()
    for row in rows:
        for error, times in Counter(row.failures).most_common():
            print(f"N = {row.at_once}: {times} failed: {error}")
    return rows


def through_server(options: "Options", upstream: Process, port: int, folder: Path) -> bool:
    """Measure the server. True if every battle was whole and every vote kept."""
    settings = options.settings.read_text("utf-8") if options.settings else ""
    (folder / "config.toml").write_text(config(folder, port, options.pace, settings), "utf-8")
    at = free_port()
    command = options.server.format(config=shlex.quote(str(folder / "config.toml")), port=at)
    with running(shlex.split(command), options.cores.server, folder / "server.log") as server:
        seconds = wait_until_ready(server, at)
        bench = Bench(upstream, port, server, at, options.pace, options.cores, options.timeout, options.profile)
        started = server.memory_mb("VmRSS")
        warm = bench.row(1, 1)
        print(f"Ready after {seconds:.2f} s with {started:.0f} MB, {server.memory_mb('VmRSS'):.0f} MB", end=" ")
        print("after a first battle, which is not counted.\n")
        rows = [warm, *measure(bench, options.battles, options.rounds)]
        words = server.last_words()
        if words and any(row.failures for row in rows):
            print(f"\nThe end of the server's log:\n{words}\n")
    cast = sum(row.votes for row in rows)
    kept = votes_kept(folder / "arena.db")
    print(f"Votes acknowledged: {cast}; in the database after the server was killed: {kept}.")
    return kept == cast and not any(row.failures for row in rows)


def upstream_only(options: "Options", upstream: Process, port: int) -> bool:
    """Measure the harness itself: the client straight at the upstream, two streams a battle."""
    bench = Bench(upstream, port, None, 0, options.pace, options.cores, options.timeout, None)
    print("No server: the client straight at the upstream; peak MB is the upstream's.\n")
    return not any(row.failures for row in measure(bench, options.battles, options.rounds))


@dataclass(frozen=True)
class Options:
    """The command line."""

    battles: list[int]
    rounds: int | None
    server: str
    cores: Cores
    only_upstream: bool
    pace: Pace
    settings: Path | None
    timeout: float
    profile: Path | None

    @classmethod
    def read(cls) -> "Options":
        parser = argparse.ArgumentParser(prog="python -m benchmarks.battles", description="What a battle costs.")
        parser.add_argument("--battles", default="1,10,50,100,250", help="how many at once, in turn: %(default)s")
        parser.add_argument("--rounds", type=int, help="how often each N runs (5 for N = 1, 2 for 10, else 1)")
        parser.add_argument("--server", default=SERVER, help="what to start, with {config} and {port}")
        parser.add_argument(
            "--pin",
            action=argparse.BooleanOptionalAction,
            default=len(os.sched_getaffinity(0)) > 1,
            help="a core for the server alone (where there are two)",
        )
        parser.add_argument("--only-upstream", action="store_true", help="measure the harness without a server")
        parser.add_argument("--tokens", type=int, default=Pace.tokens, help="an answer's length: %(default)s")
        parser.add_argument("--tps", type=float, default=Pace.tps, help="tokens a second: %(default)s")
        parser.add_argument("--delay", type=float, default=Pace.delay, help="seconds to the first: %(default)s")
        parser.add_argument("--settings", type=Path, help="a TOML file put before the generated config.toml")
        parser.add_argument("--timeout", type=float, default=120.0, help="seconds a battle may take: %(default)s")
        parser.add_argument("--profile", type=Path, help="a folder for flame graphs of the server (needs py-spy)")
        given = parser.parse_args()
        if given.profile and not shutil.which("py-spy"):
            parser.error("--profile needs py-spy: pip install py-spy")
        return cls(
            battles=[int(count) for count in given.battles.split(",")],
            rounds=given.rounds,
            server=given.server,
            cores=Cores.apart() if given.pin else Cores(),
            only_upstream=given.only_upstream,
            pace=Pace(given.tokens, given.tps, given.delay),
            settings=given.settings,
            timeout=given.timeout,
            profile=given.profile,
        )


def main() -> None:
    options = Options.read()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    upstream_command = [sys.executable, "-m", "benchmarks.upstream", "--port=0"]
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            running(upstream_command, options.cores.harness) as upstream,
        ):
            port = int(upstream.line())
            if options.only_upstream:
                is_well = upstream_only(options, upstream, port)
            else:
                is_well = through_server(options, upstream, port, Path(folder))
    except Failed as exc:
        sys.exit(str(exc))
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()

"""What a board costs: synthetic votes in a real database, cold processes, and other packages beside them.

    python -m benchmarks.leaderboard [--votes 10000,100000,1000000] [--models 20,100,300] [--peers]

Each figure is the best of `--repeats` processes of their own, so imports and the operating system's caches are the
same for all. Votes: strengths spread by 0.55 log-odds, models of unlike popularity, 35 % ties of both kinds.
"""

import argparse
import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import venv
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena import config as configuration
from arena.appraisal import Appraiser
from arena.board import Boards, View, board_of
from arena.config import Config
from arena.conversation import CHOICES, SIDES, Conversation, Pair
from arena.store import Store, open_store
from arena.store.casting import OUTCOMES

CATEGORIES = (("language:en", "prompt:short", "turns:one"), ("code", "language:de", "prompt:long", "turns:many"))
VOTERS = 20  # votes for each voter
TOGETHER = 2**16  # ballots in memory at once, in one pass
SEED = 7


# The votes


@dataclass(frozen=True)
class Votes:
    """N synthetic votes among M models."""

    models: int
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    outcome: NDArray[np.int64]
    voter: NDArray[np.int64]

    @classmethod
    def drawn(cls, votes: int, models: int) -> "Votes":
        rng = np.random.default_rng(SEED)
        strengths = rng.normal(0, 0.55, models)
        popular = rng.gamma(0.7, 1, models) + 0.02
        a, b = (rng.choice(models, votes, p=popular / popular.sum()) for _ in range(2))
        b = np.where(a == b, (b + 1 + rng.integers(0, models - 1, votes)) % models, b)
        win = rng.random(votes) < 1 / (1 + np.exp(strengths[b] - strengths[a]))
        tie = rng.random(votes)
        outcome = np.where(tie < 0.18, 2, np.where(tie < 0.35, 3, np.where(win, 0, 1)))
        known = rng.integers(0, 2**62, max(1, votes // VOTERS))
        return cls(models, a, b, outcome, known[rng.integers(0, len(known), votes)])


async def make(folder: Path, votes: Votes) -> None:
    """A database of the arena that holds these votes as ballots and counts, packed as a server does it."""
    url = f"sqlite+aiosqlite:///{folder}/arena.db"
    await (await open_store(url)).close()
    with sqlite3.connect(folder / "arena.db") as db:
        db.execute("PRAGMA synchronous=OFF")
        names = [(number + 1, f"model-{number:03}") for number in range(votes.models)]
        db.executemany("INSERT INTO entrants VALUES (?, ?)", names)
        db.executemany(
            "INSERT INTO category_sets VALUES (?, ?)", [(i, json.dumps(c)) for i, c in enumerate(CATEGORIES, 1)]
        )
        db.executemany("INSERT INTO ballots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _ballots(votes))
        outcomes = ", ".join(f"sum(outcome = {number})" for number in range(len(OUTCOMES)))
        more = ", ".join(f"{name} = {name} + excluded.{name}" for name in OUTCOMES)
        for number, categories in enumerate(CATEGORIES, 1):
            for category in ("all", *categories):
                db.execute(
                    f"INSERT INTO counts SELECT a, b, ?, {outcomes} FROM ballots "
                    "WHERE is_leak = 0 AND category_set = ? GROUP BY a, b "
                    f"ON CONFLICT DO UPDATE SET {more}",
                    (category, number),
                )
    db.close()
    store = await open_store(url)
    await store.box.pack()
    await store.close()


def _ballots(votes: Votes) -> Iterator[tuple[Any, ...]]:
    columns = (votes.a + 1, votes.b + 1, votes.outcome, votes.voter)
    looks = _looks(len(votes.a))
    for number, row in enumerate(zip(*(column.tolist() for column in columns), strict=True), 1):
        known = (20_000 + number // 3000, 1 + (number % 5 == 0), int(number % 100 == 0), 0.01)
        yield (number, *row, *known, next(looks))


def _looks(votes: int) -> Iterator[str]:
    rng = np.random.default_rng(SEED)
    for number in range(1, votes + 1, 100_000):
        rows = rng.poisson(20, (min(100_000, votes + 1 - number), 10)).tolist()
        yield from (" ".join(map(str, row)) for row in rows)


# The boards, each in a process of its own


async def _of(view: View, config: Config, store: Store) -> None:
    await board_of(config, store, view)


async def _warm(config: Config, store: Store) -> float:
    """The time of a second look, with one new ballot."""
    boards = Boards(config, store)
    await boards.board()
    async with store.box.write() as db:
        await db.exec_driver_sql(
            "INSERT INTO ballots (a, b, outcome, voter, day, category_set, is_leak, probability) "
            "VALUES (1, 2, 0, 1, 20000, 1, 0, 0.01)"
        )
    boards.forget()
    start = perf_counter()
    await boards.board()
    return perf_counter() - start


async def _odd(config: Config, store: Store) -> None:
    await Boards(config, store).odd_voters()


async def _bootstrap(config: Config, store: Store) -> None:
    from arena.rating import Tally, bootstrap, fit

    tally = Tally.of((await store.box.tally()).votes)
    bootstrap(tally, fit(tally), 100, 1)


async def _intervals(config: Config, store: Store) -> None:
    from arena.rating import Tally, fit, sandwich

    tally = Tally.of((await store.box.tally()).votes)
    sandwich(tally, fit(tally))


async def _pass(config: Config, store: Store) -> None:
    """Counts, fit and intervals from the ballots themselves."""
    from arena.rating import Tally, fit, sandwich

    newest, size = (await store.box.roll()).newest, max((await store.box.names()).entrants) + 1
    sums = np.zeros(size * size * 4, np.int64)
    for first in range(0, newest, TOGETHER):
        _names, ballots = await store.box.ballots(first, min(first + TOGETHER, newest))
        cell = (ballots.a.astype(np.int64) * size + ballots.b) * 4 + ballots.outcome
        sums += np.bincount(cell[~ballots.is_leak], minlength=len(sums))
    counts = sums.reshape(size, size, 4)
    tally = Tally.of(counts[1:, 1:])
    sandwich(tally, fit(tally))


Task = Callable[[Config, Store], Awaitable[float | None]]
TASKS: dict[str, Task] = {
    "counts: fit and intervals": _intervals,
    "one pass: fit and intervals": _pass,
    "counts and 100 bootstraps": _bootstrap,
    "board from counts": lambda c, s: _of(View(clusters="votes"), c, s),
    "board, intervals by voter": lambda c, s: _of(View(), c, s),
    "board of a category": lambda c, s: _of(View("code"), c, s),
    "board without style": lambda c, s: _of(View(is_style_controlled=True), c, s),
    "board, weighted": lambda c, s: _of(View(is_weighted=True), c, s),
    "warm server, one new vote": _warm,
    "odd voters, all anew": _odd,
}


async def _measure(folder: Path, name: str) -> float:
    """The seconds of one task in this process."""
    import arena.board.making
    import arena.board.poll  # what a running server has imported  # noqa: F401

    config = configuration.read(folder / "config.toml")
    store = await open_store(config.database_url)
    start = perf_counter()
    took = await TASKS[name](config, store)
    seconds = took if took is not None else perf_counter() - start
    await store.close()
    return seconds


def _peak() -> float:
    """The most memory that this process has held, in MB."""
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else 0.0


def limit(folder: Path) -> float:
    """The least that one pass can take: SQLite adds up three columns."""
    with sqlite3.connect(folder / "arena.db") as db:
        times = []
        for _ in range(3):
            start = perf_counter()
            db.execute("SELECT sum(a), sum(b), sum(outcome) FROM ballots").fetchone()
            times.append(perf_counter() - start)
    return min(times)


# A vote's own write

PAIR = Pair("x", "y", 1.0)
PROMPT = "Why is the sky blue on a clear day, and why does it turn red in the evening?"
ANSWER = "Air scatters **short waves** more than long ones.\n\n- one\n- two\n\n" * 12


async def writes(config: Config, folder: Path, votes: int = 1000) -> dict[str, float]:
    """Median milliseconds of a vote's write: without ballot and counts, with them, and right after a restart."""
    kinds = {"without counts": None, "with counts": Appraiser(config), "unforeseen": Appraiser(config)}
    stores = {
        name: await open_store(f"sqlite+aiosqlite:///{folder}/{number}.db", appraiser)
        for number, (name, appraiser) in enumerate(kinds.items())
    }
    took: dict[str, list[float]] = {name: [] for name in stores}
    for number in range(votes):
        battles = {name: await _answered(store, f"voter-{number % 40}") for name, store in stores.items()}
        for name in ("without counts", "with counts"):
            stores[name].booth.foresee(battles[name])  # as a server does when the answers end
        for name, battle in sorted(battles.items(), reverse=bool(number % 2)):
            start = perf_counter()
            await stores[name].cast_vote(battle.id, battle.voter_id, CHOICES[number % 4])
            took[name].append(perf_counter() - start)
    for store in stores.values():
        await store.close()
    return {name: 1000 * median(times) for name, times in took.items()}


async def _answered(store: Store, voter: str) -> Conversation:
    """A battle whose answers are complete."""
    battle = await store.open_conversation(voter, PROMPT, PAIR)
    answers = [replace(battle.last.answers[side], state="done", text=ANSWER) for side in SIDES]
    kept = {answer.side: await store.finish_answer(battle.id, 1, answer) for answer in answers}
    return replace(battle, turns=(replace(battle.last, answers=kept),))


# Other packages

PEERS = {
    "arena-rank": """
from arena_rank.utils.data_utils import PairDataset
from arena_rank.models.bradley_terry import BradleyTerry
frame["winner"] = frame.outcome.map({0: "model_a", 1: "model_b", 2: "tie", 3: "both_bad"})
data = PairDataset.from_pandas(frame)
BradleyTerry(n_competitors=len(data.competitors)).compute_ratings_and_cis(data, significance_level=0.05)
""",
    "evalica": """
import evalica
kinds = (evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw, evalica.Winner.Draw)
winners = [kinds[outcome] for outcome in frame.outcome]
evalica.bradley_terry(frame.model_a.tolist(), frame.model_b.tolist(), winners)
""",
    "choix": """
import choix, numpy
size = frame.a.max() + 1
won = numpy.zeros((size, size))
half = numpy.where(frame.outcome >= 2, 0.5, 1.0)
is_b = frame.outcome == 1
numpy.add.at(won, (numpy.where(is_b, frame.b, frame.a), numpy.where(is_b, frame.a, frame.b)), half)
even = frame.outcome >= 2
numpy.add.at(won, (frame.b[even], frame.a[even]), 0.5)
choix.ilsr_pairwise_dense(won + 1e-9)
""",
}
READ = """
import sqlite3, sys, time, json
import pandas
start = time.perf_counter()
frame = pandas.read_sql_query(
    "SELECT one.name AS model_a, other.name AS model_b, a - 1 AS a, b - 1 AS b, outcome FROM ballots "
    "JOIN entrants one ON one.id = a JOIN entrants other ON other.id = b WHERE is_leak = 0",
    sqlite3.connect(sys.argv[1]))
{}
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(json.dumps([time.perf_counter() - start, int(peak) / 1024]))
"""


def install(folder: Path) -> dict[str, Path]:
    """A virtual environment for each peer; those that cannot be had are said and left out."""
    pythons = {}
    for name in PEERS:
        venv.create(folder / name, with_pip=True)
        python = folder / name / "bin" / "python"
        ran = subprocess.run(
            [python, "-m", "pip", "install", "-q", name, "pandas"], capture_output=True, text=True
        )
        if ran.returncode:
            print(f"{name} could not be installed: {ran.stderr.strip().splitlines()[-1:]}")
        else:
            pythons[name] = python
    return pythons


# The table


def best(command: list[Any], repeats: int) -> tuple[float, float] | None:
    """The shortest time and the largest memory of so many processes."""
    found = []
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as the arena sets it
    for _ in range(repeats):
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=600, env=one_thread)
        except subprocess.TimeoutExpired:
            return None
        if ran.returncode:
            print(ran.stderr[-600:], file=sys.stderr)
            return None
        found.append(json.loads(ran.stdout.splitlines()[-1]))
    return min(seconds for seconds, _ in found), max(memory for _, memory in found)


def told(found: tuple[float, float] | None) -> str:
    return "-" if found is None else f"{found[0]:.3f} / {found[1]:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", default="10000,100000,1000000")
    parser.add_argument("--models", default="20,100,300")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="tasks whose names have this in them")
    parser.add_argument("--peers", action="store_true", help="install and measure other packages")
    parser.add_argument("--task", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        print(json.dumps([asyncio.run(_measure(Path(chosen.task[0]), chosen.task[1])), _peak()]))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "writes"
        written = asyncio.run(writes(_configure(folder), folder))
        print("A vote's write:", ", ".join(f"{kind} {ms:.2f} ms" for kind, ms in written.items()), flush=True)
        pythons = install(Path(place)) if chosen.peers else {}
        boards = [(int(n), int(m)) for n in chosen.votes.split(",") for m in chosen.models.split(",")]
        for votes, models in boards:
            _report(Path(place) / f"{votes}-{models}", votes, models, pythons, chosen)


def _configure(folder: Path) -> Config:
    """An arena of two models in a folder that is made for it."""
    folder.mkdir()
    (folder / "config.toml").write_text(
        'providers = [{name = "p", format = "script"}]\n'
        'models = [{name = "x", backends = ["p"]}, {name = "y", backends = ["p"]}]\n'
    )
    return configuration.read(folder / "config.toml")


def _report(folder: Path, votes: int, models: int, pythons: dict[str, Path], chosen: argparse.Namespace) -> None:
    _configure(folder)
    asyncio.run(make(folder, Votes.drawn(votes, models)))
    print(f"\n{votes:,} votes, {models} models: seconds / peak MB. Adding up three columns: {limit(folder):.3f} s")
    for task in TASKS:
        if chosen.only in task:
            command = [sys.executable, "-m", "benchmarks.leaderboard", "--task", folder, task]
            print(f"  {task:32} {told(best(command, chosen.repeats))}", flush=True)
    for name, python in pythons.items():
        command = [python, "-c", READ.format(PEERS[name]), folder / "arena.db"]
        print(f"  {name:32} {told(best(command, chosen.repeats))}", flush=True)
    (folder / "arena.db").unlink()


if __name__ == "__main__":
    main()

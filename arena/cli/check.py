"""`arena check`: every backend of every model is really asked, all side by side."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec

from arena import engines
from arena.backend import Backend, Message, Prompt, Sampling
from arena.cli.asking import Timing, open_backends
from arena.cli.options import config_option, configured, endpoints_option
from arena.config import Config, Engine, Limits, Model
from arena.errors import BackendError, BackendTimeout
from arena.matchmaker import can_draw, contenders

QUESTION = Message("user", "Count from one to twenty, in words.")
MOST_TOKENS = 100
SILENCE_SECONDS = 60.0  # the longest within it
ASKED_AT_ONCE = 8  # of one backend, where it has no max_concurrency
LOOK_AGAIN_SECONDS = 0.25

COLUMNS = ("", "model", "backend", "first token", "tokens/s", "verdict", "mend")

NOTHING = "-"

MENDS = {
    "unreachable": "Is the service up, and its base_url right? Is a proxy in between (HTTPS_PROXY, NO_PROXY)?",
    "busy": "It is over its limit for now. requests_per_minute and max_concurrency keep the arena below it.",
    "timeout": "Is it loading, or overloaded? first_token_seconds of the model says how long to wait.",
    "refused": "Check the key, the name of the model or deployment, base_url, and the sampling parameters.",
    "parameters": "Check the sampling parameters: what a visitor may set, the service may not take.",
    "broken": "Something answers at base_url, but not in this format: check format and base_url.",
    "filtered": "The service declined a harmless question: look at the settings of its content filter.",
    "too_long": "The system prompt does not fit: shorten it, or raise max_model_len.",
    "failed": "The log above says what went wrong.",
}
"""What to do about a failure, by its kind."""


@dataclass
class Check:
    """A model on one of its backends. `is_well` is `None` until there is a verdict."""

    model: Model
    backend: str
    is_well: bool | None = None
    words: str = "waiting"
    mend: str = ""
    timing: Timing | None = field(default=None, repr=False)

    def passes(self, words: str) -> None:
        self.is_well, self.words = True, words

    def fails(self, words: str, mend: str) -> None:
        self.is_well, self.words, self.mend = False, words, mend

    @property
    def cells(self) -> tuple[str, ...]:
        mark = {None: "…", True: "ok", False: "FAIL"}[self.is_well]
        first = self.timing.first_token_ms if self.timing and self.is_well else None
        rate = self.timing.tokens_per_second if self.timing and self.is_well else None
        return (
            mark,
            self.model.name,
            self.backend,
            NOTHING if first is None else f"{first:,.0f} ms",
            NOTHING if rate is None else f"{rate:,.0f}",
            self.words,
            self.mend or NOTHING,
        )


@click.command("check")
@config_option
@endpoints_option
@click.option("--load-engines", is_flag=True, help="Load the engines as well, and ask them.")
def command(config_file: Path, endpoints_file: Path | None, load_engines: bool) -> None:
    """Ask each backend of each model for one short answer, and say what to mend where none comes.

    Engines are only looked at, since loading one takes a while and the memory of its GPU, which a running server
    may need: --load-engines loads and asks them. Exit status 1 if any cannot answer.
    """
    config = configured(config_file, endpoints_file)
    checks = [Check(model, name) for model in config.models for name in model.backends]
    with _shown(checks) as tell:
        asyncio.run(_check(config, checks, tell, load_engines=load_engines))
    has_pair = can_draw(contenders(config.models, config.matchmaker), config.matchmaker)
    if len(config.models) < 2:
        click.echo(f"A battle takes two models; the configuration has {len(config.models)}.")
    elif not has_pair:
        click.echo("No battle can be drawn: no two models have a weight above 0 and may meet. Mend [matchmaker].")
    sys.exit(0 if all(check.is_well for check in checks) and has_pair else 1)


# Asking

Tell = Callable[[Check], None]


async def _check(config: Config, checks: list[Check], tell: Tell, *, load_engines: bool) -> None:
    """A verdict for each, told as it comes."""
    if not load_engines:
        local = {engine.name: engine for engine in config.engines}
        for check in checks:
            if check.backend in local:
                _look_at(check, local[check.backend], config.folder)
                tell(check)
        config = msgspec.structs.replace(config, engines=())
    seats = {
        b.name: asyncio.Semaphore(b.max_concurrency or ASKED_AT_ONCE) for b in (*config.engines, *config.providers)
    }
    async with open_backends(config) as backends:
        todo = [check for check in checks if check.is_well is None]
        await asyncio.gather(*(_ask(config, check, backends, seats[check.backend], tell) for check in todo))


def _look_at(check: Check, engine: Engine, folder: Path) -> None:
    problem = engines.problem(engine, folder)
    if problem is None:
        check.passes("can be loaded; not asked (--load-engines asks it)")
    else:
        check.fails("cannot be loaded", problem)


async def _ask(
    config: Config, check: Check, backends: Mapping[str, Backend], seat: asyncio.Semaphore, tell: Tell
) -> None:
    """One short answer, with the model's own system prompt and sampling."""
    backend = backends[check.backend]
    async with seat:
        while (status := backend.status).state in ("waiting", "loading"):
            check.words = f"{status.detail or status.state}, {status.progress:.0%}"
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        if status.state == "failed":
            check.fails("did not load", status.detail)
        else:
            await _judge(check, backend, config.limits)
    tell(check)


async def _judge(check: Check, backend: Backend, limits: Limits) -> None:
    check.words = "asked"
    try:
        check.timing = await _answer(backend, check.model, limits)
    except BackendError as exc:
        check.fails(f"{exc.kind}: {exc}", MENDS[exc.kind])
    else:
        check.passes("answers")


async def _answer(backend: Backend, model: Model, limits: Limits) -> Timing:
    """The answer's timing. Raises `BackendError`."""
    system = (Message("system", model.system_prompt),) if model.system_prompt else ()
    most = min(model.max_tokens or MOST_TOKENS, MOST_TOKENS)
    sampling = Sampling(model.temperature, model.top_p, most, model.stop, model.seed, model.extra_body)
    prompt = Prompt((*system, QUESTION), sampling, model.model_id)
    seconds = model.first_token_seconds or limits.first_token_seconds
    whole = model.answer_seconds or limits.answer_seconds
    timing, now = Timing(), asyncio.get_running_loop().time
    end = now() + whole
    try:
        async with asyncio.timeout(seconds) as limit, aclosing(backend.stream(prompt)) as events:
            async for event in events:
                timing.take(event)
                limit.reschedule(min(now() + SILENCE_SECONDS, end))
    except TimeoutError as exc:
        silence = seconds if timing.first_token_ms is None else SILENCE_SECONDS
        words = f"not at its end after {whole:g} s" if now() >= end else f"silent for {silence:g} s"
        raise BackendTimeout(words) from exc
    return timing


# Showing


def _shown(checks: list[Check]) -> AbstractContextManager[Tell]:
    """A table that lives on a terminal; elsewhere a line a verdict, and the table at the end."""
    return _living(checks) if sys.stdout.isatty() else _plain(checks)


@contextmanager
def _plain(checks: list[Check]) -> Iterator[Tell]:
    """Verdicts to the error output as they come, the table to the output."""

    def tell(check: Check) -> None:
        done = sum(check.is_well is not None for check in checks)
        click.echo(f"{done}/{len(checks)} {check.model.name} on {check.backend}: {check.words}", err=True)

    yield tell
    for line in table(checks):
        click.echo(line)


@contextmanager
def _living(checks: list[Check]) -> Iterator[Tell]:
    """One table, drawn again and again while verdicts come in."""
    from rich import box
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def draw() -> Table:
        drawn = Table(*COLUMNS, box=box.SIMPLE_HEAD)
        for check in checks:
            style = {None: "dim", True: "", False: "red"}[check.is_well]
            drawn.add_row(*(Text(cell, style=style) for cell in check.cells))
        return drawn

    with Live(get_renderable=draw, refresh_per_second=8):
        yield lambda check: None


def table(checks: list[Check]) -> Iterable[str]:
    """A line a check under a line of headings, in columns."""
    rows = [COLUMNS, *(check.cells for check in checks)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

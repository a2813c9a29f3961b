"""`arena leaderboard`: the board on a terminal, from the database, or from an export alone."""

import asyncio
import csv
import io
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec

from arena.appraisal import Appraiser
from arena.board import ALL, Board, Standing, View, board_of
from arena.cli.intake import in_words, read_file
from arena.cli.options import config_option, keyless
from arena.config import Config
from arena.errors import ArenaError
from arena.intake import FORMATS
from arena.store import Store, open_store

WIDE = 1000  # columns of a text that goes into no terminal
COLUMNS = ("rank", "model", "rating", "low", "high", "votes", "win rate", "both bad")
HIDDEN = ("inner", "computed_at", "names", "predicted", "observed", "games")
"""What of a board JSON does not have: the hour, and the tables of pairs."""


@click.command("leaderboard")
@config_option
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of votes that `arena import` reads, instead of the database; may be given again.",
)
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), help="The format of that file.")
@click.option("--category", default=ALL, show_default=True, help="Only votes of this category.")
@click.option("--style", is_flag=True, help="With the looks of answers (length, lists, …) taken out.")
@click.option("--anytime", is_flag=True, help="Intervals that hold however often one looks.")
@click.option("--min-votes", type=click.IntRange(min=1), help="List models with so many votes.")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
@click.option("--csv", "is_csv", is_flag=True, help="As CSV.")
@click.pass_context
def command(
    context: click.Context,
    config_file: Path,
    files: tuple[Path, ...],
    kind: str | None,
    category: str,
    style: bool,
    anytime: bool,
    min_votes: int | None,
    is_json: bool,
    is_csv: bool,
) -> None:
    """Print the leaderboard. The server may be running, or there may be none.

    The same votes and settings give the same numbers and the same digest on every machine. With --from no
    configuration is needed; config.toml is read where there is one.
    """
    if is_json and is_csv:
        raise click.UsageError("Name one of --json and --csv.")
    is_named = context.get_parameter_source("config_file") is not click.core.ParameterSource.DEFAULT
    config = Config() if files and not is_named and not config_file.exists() else keyless(config_file)
    if min_votes is not None:
        settings = msgspec.structs.replace(config.leaderboard, min_votes=min_votes)
        config = msgspec.structs.replace(config, leaderboard=settings)
    view = View(category, is_style_controlled=style, is_anytime=anytime)
    board = asyncio.run(_board(config, view, files, kind))
    text = as_text(board, config.leaderboard.min_votes)
    click.echo(as_json(board) if is_json else as_csv(board) if is_csv else text, nl=False)


async def _board(config: Config, view: View, files: Sequence[Path], kind: str | None) -> Board:
    async with _store(config, files, kind) as store:
        return await board_of(config, store, view)


@asynccontextmanager
async def _store(config: Config, files: Sequence[Path], kind: str | None) -> AsyncIterator[Store]:
    """The database; or one that lasts no longer than this, with the votes of the files in it."""
    with TemporaryDirectory(prefix="arena-") as folder:
        url = f"sqlite+aiosqlite:///{folder}/votes.db" if files else config.database_url
        store = await open_store(url, Appraiser(config))
        try:
            for path in files:
                await _fill(store, path, kind)
            yield store
        finally:
            await store.close()


async def _fill(store: Store, path: Path, kind: str | None) -> None:
    report = await read_file(store, path, kind)
    if report.left_out:
        click.echo(in_words(path, report), err=True)
    if report.is_useless:
        raise ArenaError(f"{path}: no vote in it can be read.")


# What is printed


def as_json(board: Board) -> str:
    """All that is shown, and the effects of style."""
    shown = {name: value for name, value in asdict(replace(board, inner=None)).items() if name not in HIDDEN}
    for row, standing in zip(shown["standings"], board.standings, strict=True):
        row |= {"win_rate": standing.win_rate, "both_bad_rate": standing.both_bad_rate}
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n"


def as_csv(board: Board) -> str:
    """One row a model; those that are not listed have no rank."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    names = ("rank", "best", "worst", "name", "rating", "low", "high", "votes", "win_rate", "both_bad_rate")
    rows.writerow(names)
    rows.writerows([getattr(standing, name) for name in names] for standing in board.standings)
    return text.getvalue()


def as_text(board: Board, min_votes: int) -> str:
    """A table: with lines on a terminal, in plain columns elsewhere."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if is_terminal else None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "model" else "right", overflow="fold")
    for standing in board.standings:
        table.add_row(*map(Text, _row(standing)), style=None if standing.is_listed else "dim")
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=None if is_terminal else WIDE)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join([*lines, *_notes(board, min_votes)]) + "\n"


def _row(standing: Standing) -> list[str]:
    """A model's row, in the order of `COLUMNS`."""
    best, worst = standing.best, standing.worst
    return [
        "" if best is None else f"{best}" if best == worst else f"{best}-{worst}",
        standing.name,
        f"{standing.rating:.2f}",
        f"{standing.low:.2f}",
        f"{standing.high:.2f}",
        f"{standing.votes:,}",
        f"{standing.win_rate:.1%}",
        f"{standing.both_bad_rate:.1%}",
    ]


def _notes(board: Board, min_votes: int) -> Iterator[str]:
    """What the numbers rest on, and what is not in them."""
    yield ""
    yield f"{board.votes:,} votes" + ("" if board.voters is None else f" of {board.voters:,} voters")
    reasons = {
        "say who wrote an answer": board.left_out.leaks,
        "are of voters who are set aside": board.left_out.set_aside,
        "were not blind": board.left_out.not_blind,
        "wait for the server to look through them": board.left_out.waiting,
    }
    left_out = [f"{number:,} {reason}" for reason, number in reasons.items() if number]
    if left_out:
        yield f"left out: {', '.join(left_out)}"
    if board.unlisted:
        yield f"without a rank: models with fewer than {min_votes} votes"
    if loose := [standing.name for standing in board.standings if standing.loose]:
        yield f"no votes fix the place of {', '.join(loose)}: a weak prior does"
    for effect in board.effects:
        yield f"{effect.feature}: {effect.points:+.2f} points ({effect.low:+.2f} to {effect.high:+.2f})"
    if board.anchor:
        yield f"anchored to {board.anchor}"
    yield f"digest {board.digest}"

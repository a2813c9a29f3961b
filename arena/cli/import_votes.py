"""`arena import`: votes of other arenas, and exports of our own, into the database."""

import asyncio
import sys
from pathlib import Path

import click

from arena.appraisal import Appraiser
from arena.cli.intake import in_words, read_file
from arena.cli.options import config_option, keyless
from arena.config import Config
from arena.intake import FORMATS, Report
from arena.store import open_store


@click.command("import")
@config_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    help="The format of the rows; left out: told by what is in them.",
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would be taken in.")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
def command(config_file: Path, kind: str | None, is_dry: bool, files: tuple[Path, ...]) -> None:
    """Take in votes: an export of an arena, or the logs and releases of FastChat's arena and its successor.

    A vote that is there already stays as it is, so a file may be taken in again. The server may be running.
    """
    reports = asyncio.run(_take_in(keyless(config_file), files, kind, is_dry=is_dry))
    if all(report.is_useless for report in reports):
        sys.exit(1)


async def _take_in(config: Config, files: tuple[Path, ...], kind: str | None, *, is_dry: bool) -> list[Report]:
    store = await open_store(config.database_url, Appraiser(config))
    reports = []
    try:
        for path in files:
            reports.append(await read_file(store, path, kind, is_dry=is_dry))
            click.echo(in_words(path, reports[-1], is_dry=is_dry))
        if not is_dry:
            await store.box.pack()
    finally:
        await store.close()
    return reports

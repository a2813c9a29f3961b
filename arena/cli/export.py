"""`arena export`: the votes as a file."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from arena.cli.options import config_option, keyless
from arena.cli.progress import progress
from arena.config import Config
from arena.errors import ArenaError
from arena.export import FORMATS, export
from arena.export.named import KIND, export_named
from arena.store import open_store


@click.command("export")
@config_option
@click.option(
    "--format",
    "kind",
    type=click.Choice([*FORMATS, KIND]),
    default="jsonl",
    show_default=True,
    help="JSON lines, one object a vote; a table for spreadsheets; a table for data frames; or one of the formats "
    "in which votes of other arenas were released; or conversations with models chosen by name, as JSON lines.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; left out: the terminal."
)
@click.option("--since", type=click.DateTime(), help="Only votes cast at or after this date (UTC).")
def command(config_file: Path, kind: str, output: Path | None, since: datetime | None) -> None:
    """Write every vote with its conversation, models, pair probability, timings and token counts.

    The server may be running. A file appears under its name only when it is complete.
    """
    config = keyless(config_file)
    if output is None and kind in FORMATS and not FORMATS[kind].is_text and sys.stdout.isatty():
        raise click.UsageError(f"{kind} is not text: name a file with --output.")
    moment = since.replace(tzinfo=UTC) if since else None
    with _target(output) as out:
        count = asyncio.run(_export(config, kind, out, moment))
    if output:
        click.echo(f"{count:,} {KIND if kind == KIND else 'votes'} in {output}", err=True)


async def _export(config: Config, kind: str, out: IO[bytes], since: datetime | None) -> int:
    store = await open_store(config.database_url)
    try:
        if kind == KIND:
            with progress(KIND, await store.named.count(since)) as advance:
                return await export_named(store.named.all(since), out, lambda: advance(1))
        with progress("votes", await store.count_votes(since)) as advance:
            return await export(store.votes(since), FORMATS[kind](out), lambda: advance(1))
    finally:
        await store.close()


@contextmanager
def _target(output: Path | None) -> Iterator[IO[bytes]]:
    """The file to write to: a sibling that takes the real name when it is complete, or standard output."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(output.name + ".part")
    try:
        with part.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(output)
    except OSError as exc:
        raise ArenaError(f"{output}: cannot be written: {exc.strerror or exc}") from exc
    finally:
        with suppress(OSError):
            part.unlink()

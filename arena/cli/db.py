"""`arena db`: the database looked after by hand."""

import asyncio
from pathlib import Path

import click

from arena.appraisal import Appraiser
from arena.cli.options import config_option, keyless
from arena.config import Config
from arena.errors import ArenaError
from arena.store import open_store
from arena.store.recount import Report


@click.group("db")
def command() -> None:
    """Look after the database."""


@command.command("verify")
@config_option
@click.option("--repair", is_flag=True, help="Mend what is wrong. The server may be running.")
def verify(config_file: Path, repair: bool) -> None:
    """Count the board anew from the votes themselves, and compare.

    Ballots and counts are made from votes, so nothing is lost when they are mended. After names or tags have
    changed in the configuration, a repair sorts old votes by them as well. Exit status 1 where something is wrong.
    """
    config = keyless(config_file)
    report = asyncio.run(_verify(config, repair))
    click.echo(f"{report.votes:,} votes recounted.")
    for number, words in _findings(report):
        click.echo(f"{number:,} {words}")
    if report.is_clean:
        click.echo("Ballots and counts agree with them.")
    elif repair:
        click.echo("All of it is mended.")
    else:
        raise click.exceptions.Exit(1)


def _findings(report: Report) -> list[tuple[int, str]]:
    found = [
        (report.missing, "votes have no ballot yet"),
        (report.wrong, "ballots say something else than their vote"),
        (report.restated, "ballots are sorted otherwise than the configuration says now"),
        (report.stray, "ballots belong to no vote"),
        (report.counts, "counts are not the sum of their ballots"),
        (report.chunks, "packed parts are not what their ballots say"),
    ]
    return [(number, words) for number, words in found if number]


async def _verify(config: Config, repair: bool) -> Report:
    store = await open_store(config.database_url, Appraiser(config))
    try:
        report = await store.box.verify(repair=repair)
        if repair:
            await store.box.pack()
        if repair and not (await store.box.verify()).is_clean:
            raise ArenaError("the database does not stay mended: is an older arena writing to it?")
        return report
    finally:
        await store.close()

"""`arena db verify`: a recount of the votes, and what it mends."""

from pathlib import Path

from arena.store.casting import OUTCOMES
from tests.ballots import Cast, station
from tests.house import tables
from tests.processes import kept, run, write_config


async def polled(folder: Path, *damage: str) -> None:
    """An arena in which three have voted, and then something was damaged."""
    write_config(folder, tables())
    async with station(folder) as polls:
        await polls.casts(Cast("ann"), Cast("bob", choice="tie"), Cast("cyd", choice="b"))
        for change in damage:
            await polls.sql(change)


async def test_a_sound_database_is_said_to_be_one(tmp_path: Path) -> None:
    await polled(tmp_path)
    done = await run(tmp_path, "db", "verify")
    assert done.status == 0
    assert done.text == "3 votes recounted.\nBallots and counts agree with them.\n"


async def test_damage_is_told_and_left_alone(tmp_path: Path) -> None:
    await polled(tmp_path, "UPDATE counts SET ties = 7 WHERE category = 'all'")
    done = await run(tmp_path, "db", "verify")
    assert done.status == 1
    assert "1 counts are not the sum of their ballots" in done.text
    assert kept(tmp_path, "SELECT ties FROM counts WHERE category = 'all'") == [(7,)]


async def test_damage_is_mended_where_that_is_asked(tmp_path: Path) -> None:
    await polled(tmp_path, "UPDATE ballots SET outcome = 3", "DELETE FROM counts")
    done = await run(tmp_path, "db", "verify", "--repair")
    assert done.status == 0
    assert "3 ballots say something else than their vote" in done.text
    assert done.text.endswith("All of it is mended.\n")
    assert (await run(tmp_path, "db", "verify")).status == 0
    assert kept(tmp_path, f"SELECT sum({' + '.join(OUTCOMES)}) FROM counts WHERE category = 'all'") == [(3,)]

"""Ballots by column: the same numbers as in their rows, packed by the server, dropped by a repair."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arena.board import Boards
from arena.errors import StoreError
from arena.store import columns
from arena.tables.board import CHUNK
from tests.ballots import Station, station
from tests.processes import kept, run, scripted, serve, write_config

MODELS = ("Aurora Prime", "Borealis Nine", "Cirrus", "Dunes")
SETS = {1: '["code"]', 2: '["language:en"]', 70_000: "[]"}
COLUMNS = ("a", "b", "outcome", "is_leak", "category_set", "voter", "day", "probability", "looks")
NEW = f"INSERT INTO ballots (id, {', '.join(COLUMNS)}) VALUES (:id, :{', :'.join(COLUMNS)})"


@pytest.fixture
async def polls(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path) as found:
        yield found


async def fill(polls: Station, upto: int, *, without: range = range(0)) -> None:
    """Ballots of every kind with the ids from 1 to `upto`, but for some."""
    rng = np.random.default_rng(3)
    for number, name in enumerate(MODELS, 1):
        await polls.sql("INSERT INTO entrants VALUES (:id, :name)", id=number, name=name)
    for number, names in SETS.items():
        await polls.sql("INSERT INTO category_sets VALUES (:id, :names)", id=number, names=names)
    ids = np.array([number for number in range(1, upto + 1) if number not in without])
    a, shift, outcome = (rng.integers(0, size, len(ids)) for size in (4, 3, 4))
    kind, voter, chance = rng.integers(0, 3, len(ids)), rng.integers(0, 2**62, 99), rng.random(len(ids)).round(9)
    looks = [" ".join(map(str, row)) for row in rng.integers(0, 200_000, (len(ids), 10)).tolist()]
    values = (
        ids,
        a + 1,
        (a + 1 + shift) % 4 + 1,
        outcome,
        ids % 7 == 0,
        np.array(list(SETS))[kind],
        voter[ids % 99],
        20_000 + ids // 500,
        chance,
    )
    rows = zip(*(column.tolist() for column in values), looks, strict=True)
    async with polls.database.write() as db:
        await db.exec_driver_sql(NEW, [dict(zip(("id", *COLUMNS), row, strict=True)) for row in rows])


async def as_arrays(polls: Station, after: int, upto: int) -> list[NDArray[Any]]:
    box = polls.store.box
    _names, found = await box.ballots(after, upto)
    others = [await box.days(after, upto), await box.probabilities(after, upto), await box.looks(after, upto)]
    return [found.a, found.b, found.outcome, found.is_leak, found.category_set, found.voter, *others]


async def as_rows(polls: Station, after: int, upto: int) -> list[NDArray[Any]]:
    where = f"WHERE id > {after} AND id <= {upto} ORDER BY id"
    rows = await polls.sql(f"SELECT {', '.join(COLUMNS)} FROM ballots {where}")
    *numbers, looks = (list(column) for column in zip(*rows, strict=True))
    return [*map(np.array, numbers), np.array([[int(number) for number in one.split()] for one in looks])]


async def packed(polls: Station) -> list[int]:
    return [number for (number,) in await polls.sql("SELECT DISTINCT number FROM ballot_chunks ORDER BY 1")]


async def test_packed_ballots_are_those_of_the_rows_wherever_one_begins_and_ends(polls: Station) -> None:
    newest = 2 * CHUNK + 700
    await fill(polls, newest, without=range(CHUNK - 50, CHUNK + 300))
    assert await polls.store.box.pack() == 2
    for after, upto in [
        (0, newest),
        (0, CHUNK),
        (0, 5),
        (1, newest),
        (CHUNK, 2 * CHUNK),
        (CHUNK - 60, CHUNK + 400),
        (CHUNK + 350, newest - 1),
        (2 * CHUNK, newest),
        (newest - 1, newest),
    ]:
        for found, should in zip(
            await as_arrays(polls, after, upto), await as_rows(polls, after, upto), strict=True
        ):
            assert np.array_equal(found, should), (after, upto)
    assert [len(column) for column in await as_arrays(polls, newest, newest)] == [0] * len(COLUMNS)


async def test_they_are_read_from_what_is_packed(polls: Station) -> None:
    await fill(polls, CHUNK)
    await polls.store.box.pack()
    before = await as_arrays(polls, 0, CHUNK)
    await polls.sql("UPDATE ballots SET outcome = 3 - outcome, day = 1, probability = 0, looks = '0'")
    assert all(map(np.array_equal, before, await as_arrays(polls, 0, CHUNK)))


async def test_a_board_is_the_same_before_and_after(polls: Station) -> None:
    await fill(polls, CHUNK + 100)
    before = await Boards(polls.config, polls.store).board()
    assert await polls.store.box.pack() == 1
    after = await Boards(polls.config, polls.store).board()
    assert (after.digest, after.standings) == (before.digest, before.standings)
    assert sum(one.votes for one in after.standings) > CHUNK


async def test_too_few_to_be_packed_stay_in_their_rows(polls: Station) -> None:
    assert await polls.store.box.pack() == 0
    await fill(polls, CHUNK - 1)
    assert await polls.store.box.pack() == 0
    assert await packed(polls) == []


async def test_two_who_pack_at_once_pack_once(polls: Station, tmp_path: Path) -> None:
    await fill(polls, 3 * CHUNK)
    async with station(tmp_path) as others:
        await asyncio.gather(polls.store.box.pack(), others.store.box.pack())
    assert await packed(polls) == [0, 1, 2]
    assert await polls.sql("SELECT count(*) FROM ballot_chunks") == [(3 * len(COLUMNS),)]


async def test_a_server_packs_by_itself(tmp_path: Path) -> None:
    async with station(tmp_path) as polls:
        await fill(polls, CHUNK + 1)
    async with serve(tmp_path, scripted("Yes.", "No.")):
        while not kept(tmp_path, "SELECT 1 FROM ballot_chunks"):  # noqa: ASYNC110  # a table that grows is no event
            await asyncio.sleep(0.05)


async def test_who_is_told_of_chunks_that_are_dropped_meanwhile_reads_rows(
    polls: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(polls, 2 * CHUNK)
    await polls.store.box.pack()
    before = await as_arrays(polls, 0, 2 * CHUNK)

    async def two(_db: object) -> int:
        return 2

    monkeypatch.setattr(columns, "packed", two)
    await polls.sql("DELETE FROM ballot_chunks WHERE number = 1")
    assert all(map(np.array_equal, before, await as_arrays(polls, 0, 2 * CHUNK)))


DAMAGES = [
    "UPDATE ballot_chunks SET data = zeroblob(length(data)) WHERE name = 'outcome' AND number = 1",
    "UPDATE ballot_chunks SET data = x'00' WHERE name = 'looks' AND number = 1",
    "DELETE FROM ballot_chunks WHERE name = 'voter' AND number = 1",
    f"UPDATE ballots SET looks = '' WHERE id = {CHUNK + 1}",
    f"UPDATE ballots SET day = 7 WHERE id = {2 * CHUNK}",
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_recount_finds_what_is_packed_wrongly(polls: Station, damage: str) -> None:
    await fill(polls, 3 * CHUNK)
    await polls.store.box.pack()
    async with polls.database.write() as db:
        assert await columns.first_wrong(db) is None
    await polls.sql(damage)
    async with polls.database.write() as db:
        assert await columns.first_wrong(db) == 1
    assert (await polls.store.box.verify()).chunks == 2
    await polls.store.box.verify(repair=True)
    assert (await polls.store.box.verify()).is_clean


async def test_a_ballot_that_goes_takes_what_is_packed_with_it(polls: Station) -> None:
    """No vote speaks for these ballots, so a repair removes all of them."""
    await fill(polls, CHUNK + 20)
    await polls.store.box.pack()
    await polls.store.box.verify(repair=True)
    assert await packed(polls) == []
    roll = await polls.store.box.roll()
    assert (roll.newest, roll.repairs) == (0, 1)


async def test_the_command_says_what_is_packed_wrongly(polls: Station, tmp_path: Path) -> None:
    write_config(tmp_path, scripted("Yes.", "No."))
    await fill(polls, CHUNK)
    await polls.store.box.pack()
    await polls.sql(DAMAGES[0].replace("number = 1", "number = 0"))
    done = await run(tmp_path, "db", "verify")
    assert done.status == 1
    assert b"1 packed parts are not what their ballots say" in done.out


async def test_a_damaged_ballot_is_said_and_not_packed(polls: Station) -> None:
    await fill(polls, CHUNK)
    await polls.sql("UPDATE ballots SET looks = '1 2 3' WHERE id = 5")
    with pytest.raises(StoreError, match="arena db verify --repair"):
        await polls.store.box.pack()
    assert await packed(polls) == []

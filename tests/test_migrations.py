"""A database of an earlier version, with rows in all its tables, comes to the newest one and loses none."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from arena.conversation import CHOICES
from arena.store.casting import LOOKS, OUTCOMES
from tests.ballots import MIGRATIONS, Cast, station
from tests.house import MODELS, open_house, tables
from tests.processes import kept, run, write_config

AS_THEY_ARE = (
    "voters",
    "conversations",
    "turns",
    "answers",
    "entrants",
    "category_sets",
    "ballots",
    "votes",
    "acceptances",
    "repairs",
)
MOMENT = "2026-01-31 12:00:00.000000"


def empty(file: Path, version: str) -> None:
    """A database of that version of the schema."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        config = AlembicConfig()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        connection.commit()
    engine.dispose()


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("PRAGMA foreign_keys=ON")
        yield db


def columns(db: sqlite3.Connection, table: str) -> str:
    return ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))


def rows(file: Path, table: str, wanted: str) -> list[tuple[Any, ...]]:
    with opened(file) as db:
        return sorted(db.execute(f"SELECT {wanted} FROM {table}"), key=repr)


def as_0006(new: Path, old: Path) -> None:
    """The same rows in a database of version 0006, which kept looks and counts in other tables."""
    empty(old, "0006")
    with opened(old) as db:
        db.execute("ATTACH ? AS newer", (str(new),))
        for table in AS_THEY_ARE:
            names = columns(db, table)
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM newer.{table}")
        names = ", ".join(f"{look}_{side}" for side in "ab" for look in LOOKS)
        for ballot, looks in db.execute("SELECT id, looks FROM newer.ballots").fetchall():
            marks = ", ".join("?" * 11)
            db.execute(f"INSERT INTO ballot_looks (ballot, {names}) VALUES ({marks})", (ballot, *looks.split()))
        for number, outcome in enumerate(OUTCOMES):
            db.execute(
                "INSERT INTO main.counts (category, a, b, outcome, votes) "
                f"SELECT category, a, b, {number}, {outcome} FROM newer.counts WHERE {outcome} != 0"
            )


async def played(folder: Path) -> Path:
    """The database of an arena in which some have voted, one is set aside, and one has not voted yet."""
    votes = [Cast(f"v{n % 3}", choice=CHOICES[n % 4], answer_a="# I am Aurora Prime" * (n == 4)) for n in range(9)]
    async with station(folder) as polls:
        await polls.casts(*votes)
        await polls.answered(Cast("v0"))
        await polls.store.box.set_aside("v2", "a test")
        await polls.sql("INSERT INTO acceptances SELECT id, 'v1', created_at FROM voters")
        await polls.sql(f"INSERT INTO repairs (created_at, ballots, counts) VALUES ('{MOMENT}', 1, 2)")
    return folder / "arena.db"


async def test_a_database_of_version_0006_keeps_every_row_and_its_counts(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    new, old = await played(tmp_path / "new"), tmp_path / "arena.db"
    await asyncio.to_thread(as_0006, new, old)
    with opened(old) as db:
        there = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        assert [table for table in there if not db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()] == []
        before = {table: columns(db, table) for table in AS_THEY_ARE}
    were = {table: rows(old, table, names) for table, names in before.items()}

    write_config(tmp_path, tables())
    done = await run(tmp_path, "db", "verify")
    assert done.text == "9 votes recounted.\nBallots and counts agree with them.\n"
    assert kept(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    assert kept(tmp_path, "PRAGMA foreign_key_check") == []
    assert {table: rows(old, table, names) for table, names in before.items()} == were
    for table in (*AS_THEY_ARE, "counts"):
        assert rows(old, table, "*") == rows(new, table, ", ".join(columns_of(old, table))), table


def columns_of(file: Path, table: str) -> list[str]:
    """A column that a migration has added comes last, also where a new table has it elsewhere."""
    with opened(file) as db:
        return columns(db, table).split(", ")


async def test_an_arena_goes_on_with_a_database_of_version_0006(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    await asyncio.to_thread(as_0006, await played(tmp_path / "new"), tmp_path / "arena.db")
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
        assert (await visitor.votes("a")).status_code == 303
        reply = await visitor.posts("/conversations", mode="direct", model=MODELS[0], prompt="And you alone?")
        assert reply.status_code == 303, reply.text
        assert (await house.context.store.box.verify()).votes == 10
        assert (await house.context.store.box.verify()).is_clean


async def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    old = tmp_path / "arena.db"
    await asyncio.to_thread(as_0006, await played(tmp_path / "new"), old)
    with opened(old) as db:
        db.execute("CREATE TABLE reactions (in_the_way)")  # the last one that 0007 makes
        schema = db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    write_config(tmp_path, tables())
    assert (await run(tmp_path, "db", "verify")).status != 0
    assert kept(tmp_path, "SELECT name, sql FROM sqlite_schema ORDER BY name") == schema
    with opened(old) as db:
        db.execute("DROP TABLE reactions")
    assert (await run(tmp_path, "db", "verify")).status == 0


def test_versions_are_numbered_in_their_order() -> None:
    """By its number the newest one is known without Alembic."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    versions = [revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()]
    assert versions == sorted((f"{number:04}" for number in range(1, len(versions) + 1)), reverse=True)
    files = [file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("*.py")]
    assert sorted(files, reverse=True) == versions

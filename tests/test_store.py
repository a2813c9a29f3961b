"""What is kept: the schema, its constraints, and many who write at once."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, create_engine, text
from sqlalchemy.exc import IntegrityError

from arena.conversation import CHOICES, SIDES, Conversation, Pair
from arena.errors import Conflict, NotFound, StoreError
from arena.store import Store, open_store
from arena.store.database import Database, open_database
from arena.tables import Base

MIGRATIONS = Path(__file__).parent.parent / "migrations"
PAIR = Pair("Aurora", "Borealis", 0.5)
VOTER = "someone"
T = TypeVar("T")


def url(folder: Path, name: str = "arena.db") -> str:
    return f"sqlite+aiosqlite:///{folder / name}"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = await open_store(url(tmp_path))
    yield found
    await found.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    found = await open_database(url(tmp_path), MIGRATIONS)
    yield found
    await found.close()


async def answered(store: Store, voter_id: str = VOTER) -> Conversation:
    """A battle whose two answers are done."""
    conversation = await store.open_conversation(voter_id, "Why?", PAIR)
    for side in SIDES:
        answer = replace(conversation.last.answers[side], state="done", text=f"Because {side}.")
        await store.finish_answer(conversation.id, 1, answer)
    return conversation


# The schema


async def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path, store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))

    assert in_sync(tmp_path, differences) == []


async def test_the_migrations_make_the_checks_that_the_code_knows(tmp_path: Path, store: Store) -> None:
    def checks(connection: Connection) -> dict[str, str]:
        schema = " ".join(connection.scalars(text("SELECT sql FROM sqlite_master WHERE type = 'table'")))
        return dict(re.findall(r"CONSTRAINT (\w+) CHECK \((.*?)\)(?=, CONSTRAINT| \))", _folded(schema)))

    known = {
        str(check.name): _folded(str(check.sqltext))
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert in_sync(tmp_path, checks) == known


async def test_opening_a_database_again_changes_nothing(tmp_path: Path) -> None:
    schemas = []
    for _ in range(2):
        await (await open_store(url(tmp_path))).close()
        schemas.append(in_sync(tmp_path, lambda c: c.execute(text("SELECT * FROM sqlite_master")).all()))
    assert schemas[0] == schemas[1]
    assert len(schemas[0]) > 5


async def test_many_who_open_an_empty_database_at_once_make_one_schema(tmp_path: Path) -> None:
    stores = await asyncio.gather(*(open_store(url(tmp_path)) for _ in range(5)))
    assert [await store.count_votes() for store in stores] == [0] * 5
    await asyncio.gather(*(store.close() for store in stores))


def in_sync(folder: Path, question: Callable[[Connection], T]) -> T:
    """What the database says, asked without the arena."""
    engine = create_engine(f"sqlite:///{folder / 'arena.db'}")
    try:
        with engine.connect() as connection:
            return question(connection)
    finally:
        engine.dispose()


def _folded(sql: str) -> str:
    return " ".join(sql.split())


# Constraints


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO votes SELECT * FROM votes",
        "UPDATE votes SET choice = 'neither'",
        "UPDATE votes SET turn = 2",
        "UPDATE votes SET voter_id = 'nobody'",
        "DELETE FROM conversations",
        "UPDATE conversations SET model_b = model_a",
        "UPDATE conversations SET pair_probability = 0",
        "UPDATE conversations SET pair_probability = 1.1",
        "UPDATE conversations SET model_a = NULL, model_b = NULL",
        "UPDATE conversations SET mode = 'war'",
        "UPDATE conversations SET voter_id = 'nobody'",
        "UPDATE turns SET number = 0",
        "UPDATE turns SET prompt = ''",
        "UPDATE answers SET side = 'c'",
        "UPDATE answers SET version = 0",
        "UPDATE answers SET state = 'lost'",
        "UPDATE answers SET state = 'failed'",
        "UPDATE answers SET error = 'busy'",
        "UPDATE answers SET turn = 7",
    ],
)
async def test_the_database_refuses(store: Store, database: Database, change: str) -> None:
    conversation = await answered(store)
    await store.cast_vote(conversation.id, VOTER, "a")
    with pytest.raises(StoreError) as refused:
        async with database.write() as db:
            await db.execute(text(change))
    assert isinstance(refused.value.__cause__, IntegrityError)


# Connections


async def test_every_connection_waits_for_the_disk_and_keeps_foreign_keys(database: Database) -> None:
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    for door in (database.write, database.read, database.read):
        async with door() as db:
            found = {name: await db.scalar(text(f"PRAGMA {name}")) for name in pragmas}
        assert found == pragmas


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StoreError, match="readonly"):
        async with database.read() as db:
            await db.execute(text("INSERT INTO voters (id, created_at) VALUES ('x', '2026-01-01')"))


async def test_readers_do_not_wait_for_a_writer(store: Store, database: Database) -> None:
    conversation = await answered(store)
    async with database.write() as db:
        await db.execute(text("UPDATE turns SET prompt = 'Changed?'"))
        seen = await store.conversation(conversation.id, VOTER)
    assert seen.last.prompt == "Why?"
    assert (await store.conversation(conversation.id, VOTER)).last.prompt == "Changed?"


async def test_none_of_200_transactions_that_read_and_then_write_is_lost(tmp_path: Path) -> None:
    databases = [await open_database(url(tmp_path), MIGRATIONS) for _ in range(2)]
    async with databases[0].write() as db:
        await db.execute(text("CREATE TABLE counter AS SELECT 0 AS number"))

    async def count_one(database: Database) -> None:
        async with database.write() as db:
            number = await db.scalar(text("SELECT number FROM counter"))
            await db.execute(text("UPDATE counter SET number = :next"), {"next": number + 1})

    await asyncio.gather(*(count_one(databases[number % 2]) for number in range(200)))
    assert in_sync(tmp_path, lambda c: c.scalar(text("SELECT number FROM counter"))) == 200
    for database in databases:
        await database.close()


async def test_a_write_that_is_cancelled_leaves_the_way_free_for_the_next(store: Store) -> None:
    for turns in range(20):
        task = asyncio.create_task(store.open_conversation(VOTER, f"Cancelled after {turns}", PAIR))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await store.open_conversation(VOTER, "Next", PAIR)


async def test_a_write_that_fails_leaves_nothing_behind(database: Database) -> None:
    async def fails() -> None:
        async with database.write() as db:
            await db.execute(text("INSERT INTO voters (id, created_at) VALUES ('half', '2026-01-01')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    async with database.read() as db:
        assert await db.scalar(text("SELECT count(*) FROM voters")) == 0


# Votes


async def test_of_different_votes_at_once_one_counts(store: Store) -> None:
    conversation = await answered(store)
    votes = (store.cast_vote(conversation.id, VOTER, choice) for choice in CHOICES)
    replies = await asyncio.gather(*votes, return_exceptions=True)
    assert sum(isinstance(reply, Conflict) for reply in replies) == len(CHOICES) - 1
    assert await store.count_votes() == 1


async def test_the_same_vote_twice_at_once_is_one_vote(store: Store) -> None:
    conversation = await answered(store)
    replies = await asyncio.gather(*(store.cast_vote(conversation.id, VOTER, "tie") for _ in range(5)))
    assert {reply.vote.choice for reply in replies if reply.vote} == {"tie"}
    assert len({reply.vote.created_at for reply in replies if reply.vote}) == 1
    assert await store.count_votes() == 1


async def test_nobody_votes_in_the_battle_of_another(store: Store) -> None:
    conversation = await answered(store)
    with pytest.raises(NotFound):
        await store.cast_vote(conversation.id, "somebody else", "a")
    assert await store.count_votes() == 0


async def test_a_late_checkpoint_does_not_touch_an_answer_that_has_ended(store: Store) -> None:
    from arena.store.store import Partial

    conversation = await answered(store)
    await store.save_partials([Partial(conversation.id, 1, "a", 1, "Bec", "")])
    last = (await store.conversation(conversation.id, VOTER)).last
    assert (last.answers["a"].state, last.answers["a"].text) == ("done", "Because a.")


async def test_any_text_comes_back_as_it_was(store: Store) -> None:
    prompt = "Ünïcödé 🦆 \u202e \r\n\t'; DROP TABLE votes; -- \ufeff" + "長" * 10_000
    conversation = await store.open_conversation(VOTER, prompt, PAIR)
    assert (await store.conversation(conversation.id, VOTER)).last.prompt == prompt


# What cannot be opened


@pytest.mark.parametrize("place", ["a_folder", "a_file/arena.db", "missing/arena.db", "a_file"])
async def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "a_file").write_text("This is a letter, not a database. " * 50)
    with pytest.raises(StoreError, match="cannot be opened") as refused:
        await open_store(url(tmp_path, place))
    assert str(refused.value).startswith(f"{tmp_path / place}: ")
    assert "letter" in (tmp_path / "a_file").read_text()


async def test_a_database_that_can_only_be_read_is_named_when_it_is_written(tmp_path: Path, store: Store) -> None:
    await answered(store)
    reading = await open_store(f"sqlite+aiosqlite:///file:{tmp_path}/arena.db?mode=ro&uri=true")
    assert await reading.count_votes() == 0
    with pytest.raises(StoreError, match=f"{tmp_path}/arena.db: the database did not take a write: .*readonly"):
        await reading.interrupt_all()
    await reading.close()


async def test_a_database_of_a_newer_version_is_named_and_left_alone(tmp_path: Path) -> None:
    await (await open_store(url(tmp_path))).close()
    with closing(sqlite3.connect(tmp_path / "arena.db")) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"arena\.db: was written by a newer version .*9999.*Upgrade the arena"):
        await open_store(url(tmp_path))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense", "nonsense: is not a database URL. Write sqlite"),
        ("sqlite:///arena.db", "no driver for sqlite: .* Install an asynchronous one"),
        ("oracle+nothing://h/db", r"no driver for oracle\+nothing"),
        ("mssql+aioodbc://me:hidden@h/db", r"mssql\+aioodbc://me:\*\*\*@h/db: there is no driver"),
        ("sqlite+aiosqlite://", "in memory, which would forget every vote"),
        ("sqlite+aiosqlite:///:memory:", "in memory, which would forget every vote"),
    ],
)
async def test_an_unusable_url_is_refused_in_words(address: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as refused:
        await open_store(address)
    assert "hidden" not in str(refused.value)

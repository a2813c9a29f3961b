"""One writer and many readers on one database, opened, migrated and closed. Knows no table.

SQLite: WAL, `synchronous=FULL` (a commit is on disk before it is acknowledged), foreign keys on, one writer
connection whose every transaction begins IMMEDIATE; readers never wait for it and cannot write. Other databases
get the same two doors without the pragmas.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from arena.errors import StoreError

BUSY_SECONDS = 10.0
READERS = 4

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Database:
    """The two doors to a database: `write()`, a transaction, and `read()`. Both raise `StoreError`.

    `name` is what errors call it: the file, or the URL without its password.
    """

    def __init__(self, name: str, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._name = name
        self._writer = writer
        self._reader = reader
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end: what it wrote is on disk when the block is left."""
        async with self._turn:
            try:
                async with self._writer.begin() as connection:
                    yield connection
            except SQLAlchemyError as exc:
                raise StoreError(f"{self._name}: the database did not take a write: {_reason(exc)}") from exc

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to ask: each question sees what is committed when it is asked. Cannot write."""
        try:
            async with self._reader.connect() as connection:
                yield connection
        except SQLAlchemyError as exc:
            raise StoreError(f"{self._name}: the database could not be read: {_reason(exc)}") from exc

    async def close(self) -> None:
        """Close all connections, after the write that is under way."""
        async with self._turn:
            await self._reader.dispose()
            await self._writer.dispose()


def whole(
    write: Callable[Parameters, Coroutine[Any, Any, Result]],
) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """Let a write go on to its end when whoever waits for it is cancelled.

    A transaction broken off between two statements would hold SQLite's lock until its connection is given up, and
    the checkpoint that follows a cancelled one would wait for it in vain.
    """

    @wraps(write)
    async def finish(*args: Parameters.args, **named: Parameters.kwargs) -> Result:
        task = asyncio.create_task(write(*args, **named))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.gather(task, return_exceptions=True)
            raise

    return finish


async def open_database(url: str, migrations: Path) -> Database:
    """The database at `url`, created or migrated to the newest version. Raises `StoreError`."""
    try:
        place = make_url(url)
    except ArgumentError as exc:
        raise StoreError(f"{url}: is not a database URL. Write sqlite+aiosqlite:///arena.db, for one.") from exc
    is_sqlite = place.get_backend_name() == "sqlite"
    shown = place.database if is_sqlite else place.render_as_string(hide_password=True)
    if is_sqlite and place.database in (None, "", ":memory:"):
        raise StoreError(f"{url}: is a database in memory, which would forget every vote. Name a file in it.")
    try:
        writer = create_async_engine(url, pool_size=1, max_overflow=0)
        reader = create_async_engine(url, pool_size=READERS, max_overflow=READERS, isolation_level="AUTOCOMMIT")
    except (ImportError, ArgumentError, SQLAlchemyError) as exc:
        raise StoreError(
            f"{shown}: there is no driver for {place.drivername}: {_reason(exc)}. "
            "Install an asynchronous one and name it in the URL, as in sqlite+aiosqlite:///arena.db."
        ) from exc
    if is_sqlite:
        _prepare_sqlite(writer.sync_engine, query_only=False)
        _prepare_sqlite(reader.sync_engine, query_only=True)
    database = Database(str(shown), writer, reader)
    try:
        if is_sqlite:
            await asyncio.to_thread(_look_at_sqlite, writer.sync_engine)
        async with writer.connect() as connection:
            await connection.run_sync(_migrate, migrations, str(shown))
            await connection.commit()
    except (SQLAlchemyError, sqlite3.Error, OSError) as exc:
        await database.close()
        raise StoreError(f"{shown}: the database cannot be opened: {_reason(exc)}") from exc
    except StoreError:
        await database.close()
        raise
    return database


def _look_at_sqlite(engine: Engine) -> None:
    """Raises `sqlite3.Error` for what is no database. The driver would leave a thread behind where it fails."""
    arguments, options = engine.dialect.create_connect_args(engine.url)
    with closing(sqlite3.connect(arguments[0], **options)) as connection:
        connection.execute("PRAGMA schema_version")


def _prepare_sqlite(engine: Engine, *, query_only: bool) -> None:
    """The pragmas of every new connection; BEGIN IMMEDIATE in place of the driver's BEGIN for those that write."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA query_only={int(query_only)}")
        cursor.close()

    if query_only:
        return

    @event.listens_for(engine, "begin")
    def begins(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: Connection, migrations: Path, shown: str) -> None:
    """Bring the schema to the newest version, in the transaction of `connection`."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise StoreError(
            f"{shown}: was written by a newer version of the arena (schema {current}). "
            "Upgrade the arena, or name another database in config.toml."
        )
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise StoreError(f"{shown}: cannot be migrated: {exc}") from exc


def _reason(exc: Exception) -> str:
    """The driver's own words, without the statement and its values."""
    return str(getattr(exc, "orig", None) or exc).rstrip(".")

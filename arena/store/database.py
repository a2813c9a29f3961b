"""One writer and many readers on one database, opened, migrated and closed. Knows no table.

One writer connection; readers never wait for it and cannot write. What SQLite needs for that is in
`arena.store.sqlite`; other databases get the same two doors.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, TextClause, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from arena.errors import StoreError
from arena.store import sqlite
from arena.store.sqlite import sqlite_engine

READERS = 4

Row = dict[str, Any]
Step = tuple[str, Sequence[Row]]
"""A statement, and the rows it is carried out for."""

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
            except (SQLAlchemyError, sqlite3.Error) as exc:
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


async def carry_out(db: AsyncConnection, steps: Sequence[Step], *, is_last: bool = False) -> None:
    """Statements in plain SQL whose results nobody needs, one after the other: in one trip to SQLite's thread.

    Where they are the last of their transaction, it is committed in the same trip.
    """
    driver = db.sync_connection and db.sync_connection.connection.driver_connection
    if isinstance(driver, sqlite.Connection):
        plain = [(sql, _stored(rows, is_text=True)) for sql, rows in steps]
        await driver.carry_out_all(plain, is_last=is_last)
        return
    for sql, rows in steps:
        await db.execute(_text(sql), _stored(rows, is_text=False))


@cache
def _text(sql: str) -> TextClause:
    return text(sql)


def _stored(rows: Sequence[Row], *, is_text: bool) -> Sequence[Row]:
    """Moments as they are stored: in UTC, without an offset; in SQLite as texts. All rows have the same names."""
    moments = {name for row in rows for name, value in row.items() if isinstance(value, datetime)}
    if not moments:
        return rows
    return [row | {name: _moment(row[name], is_text=is_text) for name in moments} for row in rows]


def _moment(value: datetime | None, *, is_text: bool) -> datetime | str | None:
    naive = value and value.astimezone(UTC).replace(tzinfo=None)
    return naive.isoformat(" ", "microseconds") if naive and is_text else naive


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
        writer, reader = _engines(place)
    except (ImportError, ArgumentError, SQLAlchemyError) as exc:
        raise StoreError(
            f"{shown}: there is no driver for {place.drivername}: {_reason(exc)}. "
            "Install an asynchronous one and name it in the URL, as in sqlite+aiosqlite:///arena.db."
        ) from exc
    database = Database(str(shown), writer, reader)
    try:
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


def _engines(place: URL) -> tuple[AsyncEngine, AsyncEngine]:
    """What writes, on one connection, and what reads, on several. Raises what SQLAlchemy does."""
    one: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}
    many: dict[str, Any] = {
        "pool_size": READERS,
        "max_overflow": READERS,
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
    }
    if place.drivername == "sqlite+aiosqlite":
        return sqlite_engine(place, "write", **one), sqlite_engine(place, "read", **many)
    return create_async_engine(place, **one), create_async_engine(place, **many)


def _migrate(connection: Connection, migrations: Path, shown: str) -> None:
    """Bring the schema to the newest version, in the transaction of `connection`."""
    if _version(connection) != _newest(migrations):
        from arena.store.migration import migrate  # with Alembic, which an open of an up-to-date one does not need

        migrate(connection, migrations, shown)


def _version(connection: Connection) -> str | None:
    """The version of the schema, as Alembic has noted it."""
    has_one = inspect(connection).has_table("alembic_version")
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if has_one else None


def _newest(migrations: Path) -> str:
    """The newest version there is: migrations are numbered, and each follows the one before it."""
    return max(file.name.partition("_")[0] for file in (migrations / "versions").glob("[0-9]*_*.py"))


def _reason(exc: Exception) -> str:
    """The driver's own words, without the statement and its values."""
    return str(getattr(exc, "orig", None) or exc).rstrip(".")

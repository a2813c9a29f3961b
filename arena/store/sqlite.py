"""A connection to SQLite that goes to its thread once for each statement. Knows no table.

aiosqlite gives every connection a thread, and SQLAlchemy asks it four times for one statement: for a cursor, to
execute, for the rows, to close. Each way there and back costs more than SQLite's own work. Here a cursor is only a
place for what has come, rows are fetched with the statement that finds them, and a writer's transaction begins
with its first statement.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any, Literal

import aiosqlite
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_SECONDS = 10.0

Door = Literal["write", "read"]


def sqlite_engine(url: URL, door: Door, **options: Any) -> AsyncEngine:
    """An engine whose connections are `Connection`s to the database at `url`."""

    async def connect() -> aiosqlite.Connection:
        connection = Connection(url, door)
        try:
            return await connection
        except sqlite3.Error:
            await connection.ended()
            raise

    # A connection is given back after its commit or rollback: there is nothing to roll back once more.
    return create_async_engine(url, async_creator=connect, pool_reset_on_return=None, **options)


class Connection(aiosqlite.Connection):
    """WAL, a commit is on disk when it returns, foreign keys on. A writer's transactions begin IMMEDIATE."""

    def __init__(self, url: URL, door: Door) -> None:
        super().__init__(lambda: _connect(url, door), iter_chunk_size=64)
        self._thread.daemon = True
        self._begins = door == "write"

    async def ended(self) -> None:
        """Until its thread has: one that outlives the loop would report to nobody."""
        await asyncio.to_thread(self._thread.join)

    def cursor(self) -> "Cursor":  # type: ignore[override]  # there is nothing to wait for
        return Cursor(self)

    async def carry_out(
        self, sql: str, parameters: Sequence[Any], *, many: bool
    ) -> tuple[sqlite3.Cursor, list[Any]]:
        """The statement, begun and carried out, with all its rows."""
        done: tuple[sqlite3.Cursor, list[Any]] = await self._execute(  # type: ignore[no-untyped-call]
            self._carry_out, sql, parameters, many
        )
        return done

    async def carry_out_all(self, steps: Sequence[tuple[str, Sequence[Any]]], *, is_last: bool) -> None:
        """Statements, each for all its rows, in one trip; the last with their commit. Raises `sqlite3.Error`."""
        await self._execute(self._carry_out_all, steps, is_last)  # type: ignore[no-untyped-call]

    def _carry_out_all(self, steps: Sequence[tuple[str, Sequence[Any]]], is_last: bool) -> None:
        for sql, rows in steps:
            self._carry_out(sql, rows, many=True)
        if is_last:
            self._conn.commit()

    async def commit(self) -> None:
        """Where nothing is left to commit, there is no trip."""
        if self.in_transaction:
            await super().commit()

    def _carry_out(self, sql: str, parameters: Sequence[Any], many: bool) -> tuple[sqlite3.Cursor, list[Any]]:
        if self._begins and not self._conn.in_transaction:
            self._conn.execute("BEGIN IMMEDIATE")
        if many:
            return self._conn.executemany(sql, parameters), []
        cursor = self._conn.execute(sql, parameters)
        return cursor, cursor.fetchall() if cursor.description else []


class Cursor:
    """What one statement brought."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._done: sqlite3.Cursor | None = None
        self._rows: list[Any] = []

    async def __aenter__(self) -> "Cursor":
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._done, self._rows = await self._connection.carry_out(sql, parameters, many=False)

    async def executemany(self, sql: str, parameters: Sequence[Any]) -> None:
        self._done, self._rows = await self._connection.carry_out(sql, parameters, many=True)

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """SQLite has nothing left to close: all rows have been fetched."""

    @property
    def description(self) -> Any:
        return self._done and self._done.description

    @property
    def rowcount(self) -> int:
        return self._done.rowcount if self._done else -1

    @property
    def lastrowid(self) -> int | None:
        return self._done.lastrowid if self._done else None


def _connect(url: URL, door: Door) -> sqlite3.Connection:
    """The driver's connection, made in the thread that will use it. Raises `sqlite3.Error`."""
    (file,), options = url.get_dialect()().create_connect_args(url)
    connection: sqlite3.Connection = sqlite3.connect(file, **{**options, "isolation_level": None})
    try:
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what visitors delete is overwritten, not only forgotten
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA query_only={int(door == 'read')}")
    except sqlite3.Error:  # this is no database, for one
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Where several open a new database at once, SQLite refuses all but one, whatever its timeout."""
    deadline = monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if monotonic() > deadline:
                raise
            sleep(0.01)
        else:
            return

"""The connection to SQLite: one trip to its thread per statement."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import aiosqlite

_PRAGMAS = ("synchronous = FULL", "foreign_keys = ON")


def connect_to_sqlite(
    path: str, *, lock_timeout_s: float, closing: set[asyncio.Future[Any]], **_options: Any
) -> "SqliteConnection":
    """Return a connection, to be awaited, that waits `lock_timeout_s` for another's lock.

    While it closes, `closing` holds a future: the event loop must not end before.
    """

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=lock_timeout_s, check_same_thread=False)
        try:
            _switch_to_wal(connection, lock_timeout_s)
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            connection.close()
            raise
        return connection

    return SqliteConnection(connect, closing)


def _switch_to_wal(connection: sqlite3.Connection, lock_timeout_s: float) -> None:
    """Try for a while: for this lock alone SQLite does not wait."""
    ends_at = time.monotonic() + lock_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError:
            if time.monotonic() >= ends_at:
                raise
            time.sleep(0.01)
        else:
            return


class SqliteConnection(aiosqlite.Connection):
    """An aiosqlite connection that is quicker to use, and that closes without waiting.

    aiosqlite goes to its thread four times per statement; this goes once.
    """

    def __init__(
        self, connector: Callable[[], sqlite3.Connection], closing: set[asyncio.Future[Any]]
    ) -> None:
        super().__init__(self._open, iter_chunk_size=64)
        self._open_file = connector
        self._opened: sqlite3.Connection | None = None
        self._thread.daemon = True
        self._closing = closing
        self._abandoned = False
        self._stopped: asyncio.Future[Any] | None = None

    def cursor(self) -> "_Cursor":  # type: ignore[override]  # no trip for a cursor
        """Return a cursor for one statement."""
        return _Cursor(self)

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function(connection, *args)` in the connection's thread.

        When the caller gives up, so does the statement.
        """
        try:
            return await self._execute(function, self._conn, *args)  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            self._abandoned = True
            self._conn.interrupt()
            raise

    async def close(self) -> None:
        """Close, at once where nobody waits any more for the statement that still runs."""
        if self._abandoned:
            self.stop()
        else:
            await super().close()

    def stop(self) -> asyncio.Future[Any] | None:
        """Have the thread close the connection and end, when what it does now is done.

        What is asked of a thread that has ended is never done, so it is told only once.
        """
        if self._stopped is None:
            # aiosqlite forgets a connection whose opening was cancelled.
            self._tx.put_nowait((None, self._close_opened))
            self._stopped = super().stop()
            if self._stopped is not None:
                self._closing.add(self._stopped)
                self._stopped.add_done_callback(self._closing.discard)
        return self._stopped

    def _open(self) -> sqlite3.Connection:
        self._opened = self._open_file()
        return self._opened

    def _close_opened(self) -> None:
        if self._opened is not None:
            self._opened.close()


class _Cursor:
    """What SQLAlchemy asks of an asynchronous cursor. Rows are fetched with the statement."""

    arraysize = 1

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> None:
        """Run the statement and fetch its rows."""
        await self._run(_execute, sql, parameters)

    async def executemany(self, sql: str, parameters: Any) -> None:
        """Run the statement for each set of parameters."""
        await self._run(_execute_many, sql, parameters)

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows, which are here already."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: the statement was closed in its thread."""

    async def _run(self, function: Callable[..., Any], sql: str, parameters: Any) -> None:
        result = await self._connection.run(function, sql, parameters)
        self.description, self.rowcount, self.lastrowid, self._rows = result


def _execute(connection: sqlite3.Connection, sql: str, parameters: Any) -> Any:
    return _take(connection.execute(sql, parameters))


def _execute_many(connection: sqlite3.Connection, sql: str, parameters: Any) -> Any:
    return _take(connection.executemany(sql, parameters))


def _take(cursor: sqlite3.Cursor) -> tuple[Any, int, int | None, Sequence[Any]]:
    rows = cursor.fetchall()
    taken = (cursor.description, cursor.rowcount, cursor.lastrowid, rows)
    cursor.close()
    return taken

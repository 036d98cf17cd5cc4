"""The database context: one short use of one connection, with or without a transaction."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pixyproxy.core.exceptions import (
    DatabaseUnavailableError,
    StorageException,
    StorageFullError,
)
from pixyproxy.data.tables import images

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

_MYSQL_FULL = {1021, 1114, 3019}
"""Server error numbers: disk full, table full, undo log full."""
_WRITE_NOTHING = sa.update(images).values(guid=images.c.guid).where(sa.false())


class DatabaseContext:
    """A connection for a short while, bounded by a deadline from beginning to end.

    Outside a transaction each statement commits by itself. Leaving without `commit_transaction`
    rolls back. Whatever the database does, after `deadline_s` seconds it is a
    DatabaseUnavailableError. A connection on which anything failed is thrown away, and the
    transaction with it: until `rollback`, nothing more can be done in the context.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        deadline_s: float,
        check_disk: Callable[[], None] | None = None,
        write_turn: asyncio.Lock | None = None,
    ) -> None:
        self._engine = engine
        self._deadline_s = deadline_s
        self._check_disk = check_disk
        self._write_turn = write_turn
        self._has_turn = False
        self._connection: AsyncConnection | None = None
        self._in_transaction = False
        self._lost_transaction = False

    async def __aenter__(self) -> Self:
        self._ends_at = asyncio.get_running_loop().time() + self._deadline_s
        return self

    async def __aexit__(self, exc_type: object, exc: object, traceback: object) -> None:
        try:
            if self._in_transaction:
                await self.rollback()
            await self._release()
        finally:
            self._end_turn()

    async def begin_transaction(self) -> None:
        """Begin a transaction; on SQLite it takes the write lock at once, since it is to write."""
        if self._in_transaction:
            raise RuntimeError("a transaction is open already; MySQL would commit it unasked")
        begin = "BEGIN IMMEDIATE" if self._engine.dialect.name == "sqlite" else "BEGIN"
        await self._take_turn()
        await self._run(lambda connection: connection.exec_driver_sql(begin))
        self._in_transaction = True

    async def commit_transaction(self) -> None:
        """Commit. When this fails, whether the transaction was committed is unknown."""
        await self._control("COMMIT")
        self._in_transaction = False
        self._end_turn()

    async def rollback(self) -> None:
        """Undo what the transaction has done. Does not fail: a lost connection rolls back too."""
        if self._in_transaction:
            with suppress(StorageException):
                await self._control("ROLLBACK")
        self._in_transaction = self._lost_transaction = False
        self._end_turn()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what is done within, and nothing before it, where a unique key was taken.

        It must be in a transaction; the IntegrityError goes on.
        """
        if not self._in_transaction:
            raise RuntimeError("a savepoint needs a transaction; SQLite would begin one unasked")
        await self._control("SAVEPOINT within")
        try:
            yield
        except IntegrityError:
            await self._control("ROLLBACK TO SAVEPOINT within")
            raise

    async def execute(
        self, statement: sa.Executable, parameters: Parameters = None
    ) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        """Run one statement with its named parameters and return its rows, if it has any.

        One that writes is run for each of several sets of parameters.

        Raises IntegrityError where a unique key is taken, DatabaseUnavailableError and
        StorageFullError.
        """
        result = await self._execute(statement, parameters)
        return result.all() if result.returns_rows else ()

    async def change(self, statement: sa.Executable, parameters: Parameters = None) -> int:
        """Run one statement that writes and return how many rows it met. Raises as `execute`."""
        result = await self._execute(statement, parameters)
        count: int = result.rowcount
        return count

    async def check(self) -> None:
        """Raise a StorageException unless the database answers and can be written to."""
        self.check_space()
        await self.begin_transaction()
        await self.execute(_WRITE_NOTHING)
        await self.rollback()

    def check_space(self) -> None:
        """Raise StorageFullError where a local database's disk is full, or nearly."""
        if self._check_disk is not None:
            try:
                self._check_disk()
            except OSError as error:
                raise DatabaseUnavailableError from error

    async def _control(self, statement: str) -> None:
        await self._run(lambda connection: connection.exec_driver_sql(statement), may_repeat=False)

    async def _execute(
        self, statement: sa.Executable, parameters: Parameters
    ) -> sa.CursorResult[Any]:
        result: sa.CursorResult[Any] = await self._run(
            lambda connection: connection.execute(statement, parameters),
            may_repeat=not self._in_transaction,
        )
        return result

    async def _run(self, use: Callable[[AsyncConnection], Any], *, may_repeat: bool = True) -> Any:
        """Use the connection before the deadline; once more on a new one where it was stale."""
        try:
            async with asyncio.timeout_at(self._ends_at):
                try:
                    return await use(await self._acquire())
                except DBAPIError as error:
                    if not (may_repeat and error.connection_invalidated):
                        raise
                    await self._discard()
                    return await use(await self._acquire())
        except IntegrityError:
            raise
        except BaseException as error:
            await self._discard()
            if isinstance(error, (DBAPIError, PoolTimeoutError, OSError, TimeoutError)):
                raise _translate(error) from error
            raise

    async def _take_turn(self) -> None:
        """Wait for this process's other writers; SQLite itself would sleep and try again."""
        if self._write_turn is None or self._has_turn:
            return
        try:
            async with asyncio.timeout_at(self._ends_at):
                await self._write_turn.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailableError from error
        self._has_turn = True

    def _end_turn(self) -> None:
        if self._has_turn and self._write_turn is not None:
            self._has_turn = False
            self._write_turn.release()

    async def _acquire(self) -> AsyncConnection:
        if self._lost_transaction:
            raise DatabaseUnavailableError
        if self._connection is None:
            self._connection = await self._engine.connect()
        return self._connection

    async def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _discard(self) -> None:
        connection, self._connection = self._connection, None
        self._lost_transaction |= self._in_transaction
        self._in_transaction = False
        if connection is not None:
            try:
                await connection.invalidate()
            finally:
                await connection.close()


def _translate(error: BaseException) -> Exception:
    cause = getattr(error, "orig", None)
    number = cause.args[0] if cause is not None and cause.args else None
    if number in _MYSQL_FULL or getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return StorageFullError()
    return DatabaseUnavailableError()

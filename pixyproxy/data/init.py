"""Opening the database: from a URL as users write it to a pool that is ready for use."""

import asyncio
import ssl
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from pixyproxy.core.exceptions import DatabaseUnavailableError
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.files.disk import check_free_space
from pixyproxy.data.migrations import NewerDatabaseError, migrate_database
from pixyproxy.data.sqlite import connect_to_sqlite

DEADLINE_S = 1.5
"""A database that has not answered by then is taken for gone, where nothing else is said."""
START_DEADLINE_S = 10.0
"""How long a process that starts waits for it: nobody waits for the process yet, and on a machine
that starts up with it an answer takes its time."""
LOCK_TIMEOUT_S = 1
"""How long a writer waits for another: less than the deadline, so that the server gives up too."""

_MIN_PACKET_MIB = 4
"""The longest row has over 1 MiB: a prompt of 32,000 characters that each become 18 for search."""

_TLS_PARAMETERS = {"ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify"}
_MYSQL_PARAMETERS = _TLS_PARAMETERS | {"unix_socket"}
_SWITCHES = {"ssl", "ssl_verify"}

_HAS_TABLES = sa.text(
    "SELECT 1 FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = 'alembic_version'"
)


class Database:
    """The connections to one database. A context is made from it for each short use."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        check_disk: Callable[[], None] | None = None,
        closing: Collection[asyncio.Future[Any]] = (),
        file: Path | None = None,
        deadline_s: float,
    ) -> None:
        self._engine = engine
        self._file = file
        self._check_disk = check_disk
        self._closing = closing
        self._write_turn = asyncio.Lock() if engine.dialect.name == "sqlite" else None
        self._deadline_s = deadline_s

    def open_context(self, *, deadline_s: float | None = None) -> DatabaseContext:
        """Return a new context; it takes its connection when it is first used.

        It has a deadline of its own where nobody waits for it.
        """
        return DatabaseContext(
            self._engine,
            deadline_s=deadline_s or self._deadline_s,
            check_disk=self._check_disk,
            write_turn=self._write_turn,
        )

    async def check_exists(self) -> None:
        """Raise DatabaseUnavailableError, in words for an operator, where there is no archive."""
        if self._file is not None and self._file.exists():
            return
        if self._file is None:
            async with self.open_context() as context:
                if await context.execute(_HAS_TABLES):
                    return
        where = self._file or f"the database {self._engine.url.database}"
        raise DatabaseUnavailableError(
            f"there is no archive in {where}; name another with --database-url or "
            "PIXYPROXY_DATABASE_URL, or begin one with `pixyproxy migrate`"
        )

    async def migrate(self) -> None:
        """Bring the tables up to date. Safe when several processes do it at once.

        Raises DatabaseUnavailableError with the database's own words: an operator reads them.
        """
        try:
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            # A migration has no deadline; a dead server has.
            async with self.open_context(deadline_s=START_DEADLINE_S) as context:
                if self._engine.dialect.name == "sqlite":
                    await context.execute(sa.select(1))
                else:
                    await _check_packet(context)
            await migrate_database(self._engine)
        except NewerDatabaseError as error:
            raise DatabaseUnavailableError(
                "The database was migrated by a newer version of PixyProxy; run that one."
            ) from error
        except (DatabaseUnavailableError, DBAPIError, OSError, TimeoutError) as error:
            raise DatabaseUnavailableError(
                f"The database cannot be used: {_reason(error)}"
            ) from error

    async def check(self) -> None:
        """Raise a StorageException unless the database answers and can be written to."""
        async with self.open_context() as context:
            await context.check()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
        if self._closing:
            await asyncio.wait(self._closing, timeout=self._deadline_s)


def open_database(
    database_url: str, *, pool_size: int, min_free_mb: int = 0, deadline_s: float = DEADLINE_S
) -> Database:
    """Return the database at `mysql://user:password@host:port/name` or `sqlite:///path`.

    A SQLite database whose disk has less than `min_free_mb` MiB free counts as full. Nothing is
    connected to yet. Raises ValueError where the URL is unusable, with a message that
    holds no password.
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise ValueError(
            "the database URL must be like mysql://user:password@host:3306/database "
            "or sqlite:///pixyproxy.db"
        ) from None
    check_disk = file = None
    closing: set[asyncio.Future[Any]] = set()
    match url.drivername:
        case "mysql" | "mariadb":
            url, connect_args = _mysql(url, database_url)
        case "sqlite":
            url, connect_args = _sqlite(url, closing)
            file = Path(str(url.database))
            check_disk = partial(check_free_space, file.parent, min_free_mb)
        case other:
            raise ValueError(f"the database URL must begin with mysql:// or sqlite://, not {other}")
    # Autocommit saves a round trip a read; transactions are begun in so many words. Instead of a
    # ping before each use, a read that meets a stale connection is tried once more.
    engine = create_async_engine(
        url,
        connect_args=connect_args,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        skip_autocommit_rollback=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=deadline_s,
        pool_recycle=1800,
        hide_parameters=True,
    )
    sa.event.listen(engine.sync_engine, "handle_error", _distrust_pool)
    return Database(
        engine, check_disk=check_disk, closing=closing, file=file, deadline_s=deadline_s
    )


async def _check_packet(context: DatabaseContext) -> None:
    ((size,),) = await context.execute(sa.text("SELECT @@max_allowed_packet"))
    if size < _MIN_PACKET_MIB * 2**20:
        raise DatabaseUnavailableError(
            f"its max_allowed_packet is {size} bytes; set it to {_MIN_PACKET_MIB} MiB or more"
        )


def _reason(error: BaseException) -> str:
    """Return the words of the database itself, or of the system."""
    if isinstance(error, DatabaseUnavailableError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    return str(error) or f"no answer within {START_DEADLINE_S:g} s"


def _distrust_pool(context: sa.engine.ExceptionContext) -> None:
    """Renew all connections after one has not answered: the idle ones may be as dead."""
    if isinstance(context.original_exception, asyncio.CancelledError):
        context.invalidate_pool_on_disconnect = True


def _mysql(url: URL, given: str) -> tuple[URL, dict[str, Any]]:
    if given.count("@") > 1:  # what follows the first one would be taken for the host, and shown
        raise ValueError("the database URL has a second @; write one in a password as %40")
    if url.port is not None and not 0 < url.port < 2**16:
        raise ValueError("the database URL's port must be 1 to 65535")
    if not url.database:
        raise ValueError("the database URL names no database: mysql://user:password@host/DATABASE")
    if unknown := set(url.query) - _MYSQL_PARAMETERS:
        raise ValueError(
            f"the database URL has unknown parameters ({', '.join(sorted(unknown))}); "
            f"known are {', '.join(sorted(_MYSQL_PARAMETERS))}"
        )
    query = {name: str(value) for name, value in url.query.items()}
    for name in _SWITCHES & set(query):
        if query[name] not in {"true", "false"}:
            raise ValueError(f"the database URL's {name} must be true or false")
    # aiomysql takes 9 MB of memory, which a server on SQLite need not hold.
    from pixyproxy.data.mysql import connect_to_mysql  # noqa: PLC0415

    connect_args: dict[str, Any] = {
        "async_creator_fn": connect_to_mysql,
        "charset": "utf8mb4",
        "init_command": "SET SESSION sql_mode = 'STRICT_ALL_TABLES', "
        f"innodb_lock_wait_timeout = {LOCK_TIMEOUT_S}",
    }
    if "unix_socket" in query:
        connect_args["unix_socket"] = query["unix_socket"]
    if context := _tls_context(query):
        connect_args["ssl"] = context
    url = url.set(drivername="mysql+aiomysql").difference_update_query(_MYSQL_PARAMETERS)
    return url, connect_args


def _tls_context(query: dict[str, str]) -> ssl.SSLContext | None:
    if not _TLS_PARAMETERS & set(query) or query.get("ssl") == "false":
        return None
    if "ssl_key" in query and "ssl_cert" not in query:
        raise ValueError("the database URL's ssl_key needs its ssl_cert")
    try:
        context = ssl.create_default_context(cafile=query.get("ssl_ca"))
        if "ssl_cert" in query:
            context.load_cert_chain(query["ssl_cert"], query.get("ssl_key"))
    except OSError:
        raise ValueError("the database URL's ssl_ca, ssl_cert or ssl_key cannot be read") from None
    if query.get("ssl_verify") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _sqlite(url: URL, closing: set[asyncio.Future[Any]]) -> tuple[URL, dict[str, Any]]:
    if not url.database or url.database == ":memory:":
        raise ValueError("the database URL names no file: sqlite:///pixyproxy.db")
    if url.query:
        raise ValueError("the database URL has parameters, which sqlite:/// does not take")
    path = Path(url.database).absolute()
    url = url.set(drivername="sqlite+aiosqlite", database=str(path))
    connect = partial(connect_to_sqlite, lock_timeout_s=LOCK_TIMEOUT_S, closing=closing)
    return url, {"async_creator_fn": connect}

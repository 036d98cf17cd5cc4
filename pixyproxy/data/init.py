"""Opening the database: from a URL as users write it to a pool that is ready for use."""

import ssl
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from pixyproxy.core.exceptions import DatabaseUnavailableError
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.migrations import migrate_database

DEADLINE_S = 1.7
"""A database that has not answered by then is taken for gone; callers hear of it within 2 s."""

_TLS_PARAMETERS = {"ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify"}
_MYSQL_PARAMETERS = _TLS_PARAMETERS | {"unix_socket"}


class Database:
    """The connections to one database. A context is made from it for each short use."""

    def __init__(self, engine: AsyncEngine, *, deadline_s: float = DEADLINE_S) -> None:
        self._engine = engine
        self._deadline_s = deadline_s

    def open_context(self) -> DatabaseContext:
        """Return a new context; it takes its connection when it is first used."""
        return DatabaseContext(self._engine, deadline_s=self._deadline_s)

    async def migrate(self) -> None:
        """Bring the tables up to date. Safe when several processes do it at once.

        Raises DatabaseUnavailableError with the database's own words: an operator reads them.
        """
        try:
            await migrate_database(self._engine)
        except DBAPIError as error:
            raise DatabaseUnavailableError(f"The database cannot be used: {error.orig}") from error
        except CommandError as error:
            raise DatabaseUnavailableError(
                f"The database is of another version of PixyProxy: {error}"
            ) from error
        except (OSError, TimeoutError) as error:
            raise DatabaseUnavailableError(f"The database cannot be used: {error}") from error

    async def check(self) -> None:
        """Raise DatabaseUnavailableError unless the database answers."""
        async with self.open_context() as context:
            await context.check()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def open_database(database_url: str, *, pool_size: int) -> Database:
    """Return the database at `mysql://user:password@host:port/name` or `sqlite:///path`.

    Nothing is connected to yet. Raises ValueError where the URL is unusable, with a message that
    holds no password.
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise ValueError(
            "the database URL must be like mysql://user:password@host:3306/database "
            "or sqlite:///pixyproxy.db"
        ) from None
    match url.drivername:
        case "mysql" | "mariadb":
            url, connect_args = _mysql(url)
        case "sqlite":
            url, connect_args = _sqlite(url)
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
        pool_timeout=DEADLINE_S,
        pool_recycle=1800,
        hide_parameters=True,
    )
    if url.drivername == "sqlite+aiosqlite":
        sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return Database(engine)


def _mysql(url: URL) -> tuple[URL, dict[str, Any]]:
    if not url.database:
        raise ValueError("the database URL names no database: mysql://user:password@host/DATABASE")
    if unknown := set(url.query) - _MYSQL_PARAMETERS:
        raise ValueError(
            f"the database URL has unknown parameters ({', '.join(sorted(unknown))}); "
            f"known are {', '.join(sorted(_MYSQL_PARAMETERS))}"
        )
    query = {name: str(value) for name, value in url.query.items()}
    connect_args: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": DEADLINE_S,
        "init_command": "SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
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


def _sqlite(url: URL) -> tuple[URL, dict[str, Any]]:
    if not url.database or url.database == ":memory:":
        raise ValueError("the database URL names no file: sqlite:///pixyproxy.db")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    return url.set(drivername="sqlite+aiosqlite"), {"timeout": DEADLINE_S}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

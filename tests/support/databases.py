"""Databases for tests: empty ones, and migrated ones without the migrations' time.

SQLite's is a copied file. MySQL's are cleaned after a test and used again: making and dropping
one's tables takes longer than most tests do.
"""

import asyncio
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy.engine import make_url

from pixyproxy.data import init
from pixyproxy.data.init import Database
from tests.support.processes import PATIENT
from tests.support.rows import open_raw


def open_database(database_url: str, *, pool_size: int) -> Database:
    """Open it as the service does, but wait longer: this machine may be busy."""
    timeout_s = PATIENT["database_timeout_s"]
    return init.open_database(database_url, pool_size=pool_size, deadline_s=timeout_s)


def migrate(database_url: str) -> None:
    """Bring a database up to date, as the service does."""

    async def run() -> None:
        database = open_database(database_url, pool_size=1)
        try:
            await database.migrate()
        finally:
            await database.aclose()

    asyncio.run(run())


class SqliteTemplate:
    """A migrated file that is copied."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "template.db"
        migrate(f"sqlite:///{self._path}")
        assert [path.name for path in folder.iterdir()] == ["template.db"], "nothing in a WAL"

    def copy_to(self, path: Path) -> None:
        """Make a database at this path, where none may be."""
        assert not path.exists()
        shutil.copyfile(self._path, path)


class MySqlDatabases:
    """Databases on one server."""

    def __init__(self, server_url: str) -> None:
        self._url = make_url(server_url)
        self._free: list[str] = []
        self._template: _Template | None = None

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Yield the URL of a new database without tables."""
        name = self._create()
        yield self._url_of(name)
        self._drop(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Yield the URL of a database that is as if it were new, and migrated."""
        name = self._free.pop() if self._free else self._create_migrated()
        yield self._url_of(name)
        assert self._template is not None
        with self._connect() as connection:
            if self._template.restore(connection, name):
                self._free.append(name)
                return
        self._drop(name)

    def drop_all(self) -> None:
        """Drop what is kept to be used again."""
        while self._free:
            self._drop(self._free.pop())

    def _create_migrated(self) -> str:
        name = self._create()
        with self._connect() as connection:
            if self._template is None:
                migrate(self._url_of(name))
                self._template = _Template(connection, name)
            else:
                self._template.build(connection, name)
        return name

    def _create(self) -> str:
        name = f"pixyproxy_{uuid.uuid4().hex}"
        with self._connect() as connection:
            # latin1, as servers may have it: the tables must not depend on the default
            _run(connection, f"CREATE DATABASE {name} CHARACTER SET latin1")
        return name

    def _drop(self, name: str) -> None:
        with self._connect() as connection:
            _run(connection, f"DROP DATABASE IF EXISTS {name}")

    def _url_of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _connect(self) -> Any:
        return open_raw(self._url.render_as_string(hide_password=False))


class _Template:
    """The tables and rows that a migrated database has at first."""

    def __init__(self, connection: Any, name: str) -> None:
        self._tables = _tables(connection, name)
        self._rows = {table: _rows(connection, name, table) for table in self._tables}

    def build(self, connection: Any, name: str) -> None:
        """Make them in an empty database."""
        connection.select_db(name)
        _run(connection, "SET foreign_key_checks = 0")
        for table, definition in self._tables.items():
            _run(connection, definition)
            self._insert(connection, name, table)

    def restore(self, connection: Any, name: str) -> bool:
        """Take out what a test has left; tell whether the database is as it was at first."""
        threads = "SELECT id FROM information_schema.processlist WHERE db = %s"
        for (thread,) in _run(connection, threads, name):
            with suppress(pymysql.err.OperationalError):  # it ends by itself meanwhile
                _run(connection, f"KILL {thread}")  # a test's service, killed, may hold a lock
        if _tables(connection, name, counted := {}) != self._tables:
            return False
        _run(connection, "SET foreign_key_checks = 0")
        for table, rows in self._rows.items():
            if table in counted or _rows(connection, name, table, limit=len(rows) + 1) != rows:
                _run(connection, f"TRUNCATE TABLE {name}.{table}")
                self._insert(connection, name, table)
        return True

    def _insert(self, connection: Any, name: str, table: str) -> None:
        for row in self._rows[table]:
            places = ", ".join(["%s"] * len(row))
            _run(connection, f"INSERT INTO {name}.{table} VALUES ({places})", *row)


def _tables(connection: Any, name: str, counted: dict[str, bool] | None = None) -> dict[str, str]:
    """Return what makes each table; `counted` hears which have given out numbers."""
    tables = {}
    for (table,) in _run(connection, f"SHOW TABLES FROM {name}"):
        ((_, definition),) = _run(connection, f"SHOW CREATE TABLE {name}.{table}")
        tables[table] = re.sub(r" AUTO_INCREMENT=\d+", "", definition)
        if counted is not None and tables[table] != definition:
            counted[table] = True
    return tables


def _rows(connection: Any, name: str, table: str, *, limit: int = 1000) -> list[tuple[Any, ...]]:
    return _run(connection, f"SELECT * FROM {name}.{table} LIMIT {limit}")


def _run(connection: Any, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())

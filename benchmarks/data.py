"""The databases and files that are measured with."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from benchmarks.examples import example_image
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.init import Database, open_database
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.data.tables import images
from tests.support.mariadb import MariaDB
from tests.support.model_server import noise_png

LARGE_BYTES = 1_500_000
SMALL_BYTES = 20_000
_ROWS_AT_ONCE = 1000
_OWN = {"guid", "filename", "prompt", "created_at", "updated_at"}
"""What is each row's own; the rest is alike."""
_DRIVERS = {"mysql": "mysql+pymysql", "sqlite": "sqlite"}

MakeDatabase = Callable[[str], str]


@dataclass(frozen=True)
class Filled:
    """A database with many rows, and files for two of them."""

    database_url: str
    folder: Path
    guids: list[str]
    large: str
    small: str


@contextmanager
def databases(kind: str, folder: Path) -> Iterator[MakeDatabase]:
    """Yield what makes a new, empty database from a name and returns its URL."""
    if kind == "sqlite":
        yield lambda name: f"sqlite:///{folder}/{name}.db"
        return
    with MariaDB(folder) as server:

        def make(name: str) -> str:
            url = make_url(server.url)
            with pymysql.connect(host=url.host, port=url.port, user=url.username) as connection:
                connection.cursor().execute(f"CREATE DATABASE {name}")
            return f"{server.url}/{name}"

        yield make


def fill(database_url: str, folder: Path, rows: int) -> Filled:
    """Make the tables, so many rows, and two images with their files."""
    large = example_image(rows, noise_png(LARGE_BYTES))
    small = example_image(rows + 1, noise_png(SMALL_BYTES))
    asyncio.run(_create(database_url, folder, large, small))
    engine = _engine(database_url)
    with engine.begin() as connection:
        pattern = dict(connection.execute(sa.select(images)).mappings().first() or {})
        del pattern["id"]
        details = [example_image(number) for number in range(rows)]
        rest = [pattern | detail.model_dump(include=_OWN) for detail in details]
        for start in range(0, rows, _ROWS_AT_ONCE):
            connection.execute(sa.insert(images), rest[start : start + _ROWS_AT_ONCE])
    engine.dispose()
    return Filled(database_url, folder, [detail.guid for detail in details], large.guid, small.guid)


def count_rows(database_url: str) -> int:
    """Return how many images the database has."""
    engine = _engine(database_url)
    with engine.connect() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(images)).scalar_one()
    engine.dispose()
    return count


async def _create(database_url: str, folder: Path, *details: ImageDetail) -> None:
    database: Database = open_database(database_url, pool_size=1)
    await database.migrate()
    store = FolderStore(folder, min_free_mb=0)
    store.open()
    for detail, size in zip(details, (LARGE_BYTES, SMALL_BYTES), strict=True):
        await store.write(detail.guid, detail.content_type, noise_png(size))
        async with database.open_context() as context:
            await ImageRepository(database.open_context).create_image(context, detail)
    await database.aclose()


def _engine(database_url: str) -> sa.Engine:
    url = make_url(database_url)
    return sa.create_engine(url.set(drivername=_DRIVERS[url.drivername]))

"""Archives with very many images: made once, and kept for the next time."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pymysql
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from benchmarks.corpus import make_images
from pixyproxy.data.init import open_database
from pixyproxy.data.repositories.images import to_row
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.data.tables import images, tags
from tests.support.mariadb import MariaDB

_RESULTS = Path(__file__).with_name("results")
_ROWS_AT_ONCE = 2_000
_NAME = "archive"
_OPTIONS = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M")
_FULL_TEXT = {
    "mysql": (
        "CREATE TABLE beside (id BIGINT PRIMARY KEY, prompt TEXT) CHARACTER SET utf8mb4",
        "INSERT INTO beside SELECT id, prompt FROM images",
        "ALTER TABLE beside ADD FULLTEXT (prompt)",
        "ANALYZE TABLE images, search_postings",
    ),
    "sqlite": (
        "CREATE VIRTUAL TABLE beside USING fts5 (prompt, content = '')",
        "INSERT INTO beside (rowid, prompt) SELECT id, prompt FROM images",
        "ANALYZE",
    ),
}


@contextmanager
def open_archive(kind: str, count: int) -> Iterator[str]:
    """Yield the URL of a database of so many images; it is made where it is not there yet."""
    folder = _RESULTS / f"archive-{kind}-{count}"
    whole = folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with _server(kind, folder) as database_url:
        if not whole.exists():
            _make(kind, database_url, count)
            whole.touch()
        yield database_url


def open_engine(database_url: str) -> sa.Engine:
    """Return an engine with the plain driver, which commits each statement by itself."""
    url = make_url(database_url)
    driver = "sqlite" if url.drivername == "sqlite" else "mysql+pymysql"
    return sa.create_engine(url.set(drivername=driver), isolation_level="AUTOCOMMIT")


@contextmanager
def _server(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{_NAME}.db"
        return
    with MariaDB(folder, *_OPTIONS) as server:
        url = make_url(server.url)
        with pymysql.connect(host=url.host, port=url.port, user=url.username) as connection:
            connection.cursor().execute(f"CREATE DATABASE IF NOT EXISTS {_NAME}")
        yield f"{server.url}/{_NAME}"
        server.stop()


def _make(kind: str, database_url: str, count: int) -> None:
    print(f"{kind}: making an archive of {count:,} images, once", flush=True)
    began = time.monotonic()
    asyncio.run(_migrate(database_url))
    engine = open_engine(database_url)
    uses: Counter[str] = Counter()
    made = make_images(count)
    while some := list(islice(made, _ROWS_AT_ONCE)):
        uses.update(tag for image in some for tag in image.tags)
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            connection.execute(sa.insert(images), [to_row(image) for image in some])
            connection.exec_driver_sql("COMMIT")
    rows = [{"name": name, "image_count": number} for name, number in uses.items()]
    with engine.connect() as connection:
        connection.execute(sa.insert(tags), rows)
    print(f"    rows: {time.monotonic() - began:.0f} s", flush=True)
    asyncio.run(add_blocks(database_url, count))
    print(f"    postings: {time.monotonic() - began:.0f} s", flush=True)
    with engine.connect() as connection:
        for statement in _FULL_TEXT[kind]:
            connection.exec_driver_sql(statement)
    print(f"    beside: {time.monotonic() - began:.0f} s", flush=True)
    engine.dispose()


async def _migrate(database_url: str) -> None:
    database = open_database(database_url, pool_size=1)
    await database.migrate()
    await database.aclose()


async def add_blocks(database_url: str, count: int) -> None:
    """Put all of so many images into blocks that can be."""
    database = open_database(database_url, pool_size=1)
    blocks = SearchBlocks(lambda: database.open_context(deadline_s=60))
    while await blocks.add_block(count):
        pass
    await database.aclose()

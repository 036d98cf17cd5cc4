"""Rows for tests, and raw SQL from a connection of its own."""

import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pymysql
from sqlalchemy.engine import make_url

from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.images import ImageRepository


def _no_context() -> DatabaseContext:
    raise AssertionError("these tests hand contexts in")


repository = ImageRepository(_no_context)


def make_image(prompt: str = "a cat", **fields: Any) -> ImageDetail:
    """An image as the service would keep it, different at each call."""
    guid = str(uuid.uuid4())
    now = datetime.now(UTC)
    values = {
        "guid": guid,
        "filename": f"a-file-{guid[:8]}.png",
        "prompt": prompt,
        "created_at": now,
        "updated_at": now,
        "content_type": ContentType.PNG,
        "width": 1024,
        "height": 768,
        "byte_size": 1_400_000,
        "sha256": "0123456789abcdef" * 4,
        "model": "gpt-image-2",
        "revised_prompt": None,
        "parameters": {"size": "1024x768", "output_compression": 80},
    }
    return ImageDetail.model_validate(values | fields)


async def keep(database: Database, *images: ImageDetail) -> None:
    """Write and commit the rows, the oldest first."""
    async with database.open_context(deadline_s=60) as context:
        await context.begin_transaction()
        for image in images:
            assert await repository.create_image(context, image)
        await context.commit_transaction()


def open_raw(database_url: str) -> Any:
    """A connection of the plain driver, which commits each statement by itself."""
    url = make_url(database_url)
    if url.drivername == "sqlite":
        return sqlite3.connect(str(url.database), isolation_level=None)
    return pymysql.connect(
        host=url.host or "127.0.0.1",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.database,
        charset="utf8mb4",
        autocommit=True,
        ssl_disabled=True,  # else it reads the system's certificates each time
    )


def raw(database_url: str, statement: str) -> list[Any]:
    """Run one statement on a connection of its own and return its rows."""
    with closing(open_raw(database_url)) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return list(cursor.fetchall())


def count_images(database_url: str) -> int:
    """How many rows others see."""
    count: int = raw(database_url, "SELECT COUNT(*) FROM images")[0][0]
    return count

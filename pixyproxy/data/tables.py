"""The tables, in what MySQL, MariaDB and SQLite share."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

metadata = sa.MetaData()


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment with microseconds, stored without an offset in UTC."""

    impl = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the moment in UTC, without its offset."""
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the moment with its offset, UTC."""
        return value and value.replace(tzinfo=UTC)


def _ascii(length: int) -> sa.types.TypeEngine[str]:
    """Text that is compared byte for byte: MySQL's default would match other case and accents."""
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    """Unicode text of up to `length` characters, or of up to 16 MiB."""
    charset = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
    if length is None:
        return sa.Text().with_variant(mysql.MEDIUMTEXT(**charset), "mysql", "mariadb")
    return sa.String(length).with_variant(mysql.VARCHAR(length, **charset), "mysql", "mariadb")


images = sa.Table(
    "images",
    metadata,
    # SQLite counts ids by itself only where the type is exactly INTEGER.
    sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("guid", _ascii(36), nullable=False, unique=True),
    sa.Column("filename", _text(255), nullable=False),
    sa.Column("prompt", _text(), nullable=False),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("updated_at", UtcDateTime(), nullable=False),
    sa.Column("content_type", _ascii(32), nullable=False),
    sa.Column("width", sa.Integer(), nullable=False),
    sa.Column("height", sa.Integer(), nullable=False),
    sa.Column("byte_size", sa.BigInteger(), nullable=False),
    sa.Column("sha256", _ascii(64), nullable=False),
    sa.Column("model", _text(255), nullable=False),
    sa.Column("revised_prompt", _text(), nullable=True),
    sa.Column("parameters", _text(), nullable=False, doc="a JSON object"),
    sa.Column("prompt_words", _text(), nullable=False, doc="' word word ', for search"),
    sa.Column("filename_words", _text(1024), nullable=False, doc="' word word ', for search"),
    sqlite_autoincrement=True,
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)

"""The tables, in what MySQL, MariaDB and SQLite share."""

from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

MAX_TAG_CHARS = 64
MAX_TERM_BYTES = 200
SECRET_BYTES = 32

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


def _bytes(length: int) -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary(length).with_variant(mysql.VARBINARY(length), "mysql", "mariadb")


class Json(sa.TypeDecorator[Any]):
    """A JSON value, stored as text."""

    impl = _text()
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Return the value as JSON; None is NULL."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        """Return the value."""
        return None if value is None else orjson.loads(value)


def _id() -> sa.Column[int]:
    # SQLite counts ids by itself only where the type is exactly INTEGER.
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", number, primary_key=True, autoincrement=True)


_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def _image_columns() -> list[sa.Column[Any]]:
    """Return what is written down of an image, wherever its row lies."""
    return [
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
        sa.Column("parameters", Json(), nullable=False),
        sa.Column("prompt_words", _text(), nullable=False, doc="' word word ', for search"),
        sa.Column("filename_words", _text(1024), nullable=False, doc="' word word ', for search"),
        sa.Column("generation_guid", _ascii(36), nullable=True),
        sa.Column("tags", Json(), nullable=True, doc="their names, sorted; NULL: none"),
        sa.Column("thumbhash", _ascii(64), nullable=True),
        sa.Column("has_content_credentials", sa.Boolean(), nullable=True),
    ]


images = sa.Table(
    "images",
    metadata,
    _id(),
    *_image_columns(),
    sa.Index("ix_images_generation_guid", "generation_guid"),
    sqlite_autoincrement=True,
    **_OPTIONS,
)

trashed_images = sa.Table(
    "trashed_images",
    metadata,
    _id(),
    *_image_columns(),
    sa.Column("image_id", sa.BigInteger(), nullable=False, index=True, doc="its id in `images`"),
    sa.Column("deleted_at", UtcDateTime(), nullable=False),
    sa.Column("kept_until", UtcDateTime(), nullable=False, index=True),
    sqlite_autoincrement=True,
    **_OPTIONS,
)

deleted_images = sa.Table(
    "deleted_images",
    metadata,
    _id(),
    sa.Column("guid", _ascii(36), nullable=False, unique=True),
    sa.Column("content_type", _ascii(32), nullable=False),
    sa.Column("deleted_at", UtcDateTime(), nullable=False),
    sa.Column("bytes_gone", sa.Boolean(), nullable=False, index=True),
    sqlite_autoincrement=True,
    **_OPTIONS,
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("name", _text(MAX_TAG_CHARS), primary_key=True),
    sa.Column("image_count", sa.BigInteger(), nullable=False),
    sa.Index("ix_tags_image_count", "image_count"),
    **_OPTIONS,
)

archive_blocks = sa.Table(
    "archive_blocks",
    metadata,
    sa.Column("block", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("image_count", sa.Integer(), nullable=False),
    sa.Column("stats", Json(), nullable=False, doc="[day, model, content type, images, bytes]"),
    sa.Column("deleted", _bytes(512), nullable=True, doc="which images of it are no more"),
    **_OPTIONS,
)

search_postings = sa.Table(
    "search_postings",
    metadata,
    sa.Column("block", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("term", _bytes(MAX_TERM_BYTES), primary_key=True),
    sa.Column("images", _bytes(512), nullable=False, doc="which images of the block have the term"),
    sqlite_with_rowid=False,
    **_OPTIONS,
)

generations = sa.Table(
    "generations",
    metadata,
    _id(),
    sa.Column("guid", _ascii(36), nullable=False, unique=True),
    sa.Column("status", _ascii(16), nullable=False),
    sa.Column("prompt", _text(), nullable=False),
    sa.Column("model", _text(255), nullable=False),
    sa.Column("parameters", Json(), nullable=False),
    sa.Column("n", sa.Integer(), nullable=False),
    sa.Column("max_n", sa.Integer(), nullable=False, doc="how many of them one call draws"),
    sa.Column("caller", _ascii(64), nullable=False),
    sa.Column("idempotency_key", _ascii(255), nullable=True),
    sa.Column("fingerprint", _ascii(64), nullable=False, doc="SHA-256 of what was asked for"),
    sa.Column("model_served", _text(255), nullable=True),
    sa.Column("upstream_request_id", _ascii(128), nullable=True),
    sa.Column("usage", Json(), nullable=True),
    sa.Column("error", Json(), nullable=True, doc="a GenerationError"),
    sa.Column("queued_at", UtcDateTime(), nullable=False),
    sa.Column("started_at", UtcDateTime(), nullable=True),
    sa.Column("answered_at", UtcDateTime(), nullable=True),
    sa.Column("stored_at", UtcDateTime(), nullable=True),
    sa.Column("finished_at", UtcDateTime(), nullable=True),
    sa.Column("runner", _ascii(128), nullable=True, doc="the process that runs it"),
    sa.Column("lease_until", UtcDateTime(), nullable=True, doc="then the runner counts as dead"),
    sa.Column("request_key", _ascii(64), nullable=True, doc="what further tries have in common"),
    sa.Column("delivered", sa.Boolean(), nullable=True, doc="NULL: nobody knows (yet)"),
    sa.Column("adopted_by", _ascii(36), nullable=True, doc="the further try that waits for it"),
    sa.Column("adopted_until", UtcDateTime(), nullable=True, doc="then that try counts as gone"),
    sa.UniqueConstraint("caller", "idempotency_key", name="uq_generations_key"),
    sa.Index("ix_generations_status", "status", "id"),
    sa.Index("ix_generations_request_key", "request_key"),
    sqlite_autoincrement=True,
    **_OPTIONS,
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("generation_guid", _ascii(36), primary_key=True),
    sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer(), nullable=True, doc="NULL: of a call before a retry"),
    sa.Column("n", sa.Integer(), nullable=False),
    sa.Column("status", _ascii(16), nullable=False),
    sa.Column("image_guids", Json(), nullable=False, doc="what its images are to be called"),
    sa.Column("answer", Json(), nullable=True, doc="what of the answer is not in its bytes"),
    sa.Column("error_code", _ascii(64), nullable=True),
    sa.Column("sent_at", UtcDateTime(), nullable=False),
    sa.Column("answered_at", UtcDateTime(), nullable=True),
    sa.Column("ended_at", UtcDateTime(), nullable=True),
    **_OPTIONS,
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", _text(64), primary_key=True),
    sa.Column("value", _bytes(SECRET_BYTES), nullable=False),
    **_OPTIONS,
)

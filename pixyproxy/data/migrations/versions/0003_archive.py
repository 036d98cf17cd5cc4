"""Tags, tombstones, and the blocks and postings by which a large archive is searched."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from pixyproxy.core.text import searchable

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
_ROWS_AT_ONCE = 1000


def _ascii(length: int) -> sa.types.TypeEngine[str]:
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    charset = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
    if length is None:
        return sa.Text().with_variant(mysql.MEDIUMTEXT(**charset), "mysql", "mariadb")
    return sa.String(length).with_variant(mysql.VARCHAR(length, **charset), "mysql", "mariadb")


def _bytes(length: int) -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary(length).with_variant(mysql.VARBINARY(length), "mysql", "mariadb")


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Apply; each step checks first whether it was done already, or does no harm again."""
    inspector = sa.inspect(op.get_bind())
    if "tags" not in {column["name"] for column in inspector.get_columns("images")}:
        op.add_column("images", sa.Column("tags", _text(), nullable=True))
    if not inspector.has_table("deleted_images"):
        op.create_table(
            "deleted_images",
            sa.Column(
                "id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                primary_key=True,
                autoincrement=True,
            ),
            sa.Column("guid", _ascii(36), nullable=False, unique=True),
            sa.Column("content_type", _ascii(32), nullable=False),
            sa.Column("deleted_at", _moment(), nullable=False),
            sa.Column("bytes_gone", sa.Boolean(), nullable=False),
            sa.Index("ix_deleted_images_bytes_gone", "bytes_gone"),
            sqlite_autoincrement=True,
            **_OPTIONS,
        )
    if not inspector.has_table("tags"):
        op.create_table(
            "tags",
            sa.Column("name", _text(64), primary_key=True),
            sa.Column("image_count", sa.BigInteger(), nullable=False),
            sa.Index("ix_tags_image_count", "image_count"),
            **_OPTIONS,
        )
    if not inspector.has_table("search_postings"):
        op.create_table(
            "search_postings",
            sa.Column("block", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("term", _bytes(200), primary_key=True),
            sa.Column("images", _bytes(512), nullable=False),
            sqlite_with_rowid=False,
            **_OPTIONS,
        )
    if not inspector.has_table("archive_blocks"):
        op.create_table(
            "archive_blocks",
            sa.Column("block", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("image_count", sa.Integer(), nullable=False),
            sa.Column("stats", _text(), nullable=False),
            sa.Column("deleted", _bytes(512), nullable=True),
            **_OPTIONS,
        )
    _cut_words_anew()


def _cut_words_anew() -> None:
    """Words had accents and CJK text was not cut until now."""
    connection = op.get_bind()
    last = 0
    while rows := connection.execute(
        sa.text(
            "SELECT id, prompt, filename FROM images WHERE id > :last ORDER BY id LIMIT :limit"
        ),
        {"last": last, "limit": _ROWS_AT_ONCE},
    ).all():
        connection.execute(
            sa.text(
                "UPDATE images SET prompt_words = :prompt, filename_words = :name WHERE id = :id"
            ),
            [
                {"id": id_, "prompt": searchable(prompt), "name": searchable(filename)}
                for id_, prompt, filename in rows
            ],
        )
        last = rows[-1][0]

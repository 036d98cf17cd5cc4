"""The trash: rows of deleted images, until they are restored or deleted for good."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def _ascii(length: int) -> sa.types.TypeEngine[str]:
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    charset = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
    if length is None:
        return sa.Text().with_variant(mysql.MEDIUMTEXT(**charset), "mysql", "mariadb")
    return sa.String(length).with_variant(mysql.VARCHAR(length, **charset), "mysql", "mariadb")


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Apply; each step checks first whether it was done already."""
    if not sa.inspect(op.get_bind()).has_table("trashed_images"):
        _create_table()
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("trashed_images")}
    for column in ("image_id", "kept_until"):
        name = f"ix_trashed_images_{column}"
        if name not in existing:
            op.create_index(name, "trashed_images", [column])


def _create_table() -> None:
    op.create_table(
        "trashed_images",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("guid", _ascii(36), nullable=False, unique=True),
        sa.Column("filename", _text(255), nullable=False),
        sa.Column("prompt", _text(), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.Column("content_type", _ascii(32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("byte_size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", _ascii(64), nullable=False),
        sa.Column("model", _text(255), nullable=False),
        sa.Column("revised_prompt", _text(), nullable=True),
        sa.Column("parameters", _text(), nullable=False),
        sa.Column("prompt_words", _text(), nullable=False),
        sa.Column("filename_words", _text(1024), nullable=False),
        sa.Column("generation_guid", _ascii(36), nullable=True),
        sa.Column("tags", _text(), nullable=True),
        sa.Column("thumbhash", _ascii(64), nullable=True),
        sa.Column("has_content_credentials", sa.Boolean(), nullable=True),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", _moment(), nullable=False),
        sa.Column("kept_until", _moment(), nullable=False),
        sqlite_autoincrement=True,
        **_OPTIONS,
    )

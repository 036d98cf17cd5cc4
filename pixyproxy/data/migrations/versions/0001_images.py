"""The table of images."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from pixyproxy.core.exceptions import DatabaseUnavailableError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _ascii(length: int) -> sa.types.TypeEngine[str]:
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    charset = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
    if length is None:
        return sa.Text().with_variant(mysql.MEDIUMTEXT(**charset), "mysql", "mariadb")
    return sa.String(length).with_variant(mysql.VARCHAR(length, **charset), "mysql", "mariadb")


def upgrade() -> None:
    """Apply; each step checks first whether it was done already."""
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    columns: list[sa.Column[Any]] = [
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("guid", _ascii(36), nullable=False, unique=True),
        sa.Column("filename", _text(255), nullable=False),
        sa.Column("prompt", _text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
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
    ]
    inspector = sa.inspect(op.get_bind())
    if inspector.has_table("images"):
        existing = {column["name"] for column in inspector.get_columns("images")}
        if not existing >= {column.name for column in columns}:
            raise DatabaseUnavailableError(
                "it holds another program's table `images`; use an empty database"
            )
        return
    op.create_table(
        "images",
        *columns,
        sqlite_autoincrement=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )

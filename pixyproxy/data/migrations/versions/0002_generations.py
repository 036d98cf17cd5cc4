"""The tables of generations and of their attempts; an image points to its generation."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
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
    inspector = sa.inspect(op.get_bind())
    if "generation_guid" not in {column["name"] for column in inspector.get_columns("images")}:
        op.add_column("images", sa.Column("generation_guid", _ascii(36), nullable=True))
    if "ix_images_generation_guid" not in {
        index["name"] for index in inspector.get_indexes("images")
    }:
        op.create_index("ix_images_generation_guid", "images", ["generation_guid"])
    if not inspector.has_table("generations"):
        op.create_table(
            "generations",
            sa.Column(
                "id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                primary_key=True,
                autoincrement=True,
            ),
            sa.Column("guid", _ascii(36), nullable=False, unique=True),
            sa.Column("status", _ascii(16), nullable=False),
            sa.Column("prompt", _text(), nullable=False),
            sa.Column("model", _text(255), nullable=False),
            sa.Column("parameters", _text(), nullable=False),
            sa.Column("n", sa.Integer(), nullable=False),
            sa.Column("max_n", sa.Integer(), nullable=False),
            sa.Column("caller", _ascii(64), nullable=False),
            sa.Column("idempotency_key", _ascii(255), nullable=True),
            sa.Column("fingerprint", _ascii(64), nullable=False),
            sa.Column("model_served", _text(255), nullable=True),
            sa.Column("upstream_request_id", _ascii(128), nullable=True),
            sa.Column("usage", _text(), nullable=True),
            sa.Column("error", _text(), nullable=True),
            sa.Column("queued_at", _moment(), nullable=False),
            sa.Column("started_at", _moment(), nullable=True),
            sa.Column("answered_at", _moment(), nullable=True),
            sa.Column("stored_at", _moment(), nullable=True),
            sa.Column("finished_at", _moment(), nullable=True),
            sa.Column("runner", _ascii(128), nullable=True),
            sa.Column("lease_until", _moment(), nullable=True),
            sa.UniqueConstraint("caller", "idempotency_key", name="uq_generations_key"),
            sa.Index("ix_generations_status", "status", "id"),
            sqlite_autoincrement=True,
            **_OPTIONS,
        )
    if not inspector.has_table("attempts"):
        op.create_table(
            "attempts",
            sa.Column("generation_guid", _ascii(36), primary_key=True),
            sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("part", sa.Integer(), nullable=True),
            sa.Column("n", sa.Integer(), nullable=False),
            sa.Column("status", _ascii(16), nullable=False),
            sa.Column("image_guids", _text(), nullable=False),
            sa.Column("answer", _text(), nullable=True),
            sa.Column("error_code", _ascii(64), nullable=True),
            sa.Column("sent_at", _moment(), nullable=False),
            sa.Column("answered_at", _moment(), nullable=True),
            sa.Column("ended_at", _moment(), nullable=True),
            **_OPTIONS,
        )

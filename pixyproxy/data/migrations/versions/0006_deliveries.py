"""Which answers have reached their callers, so that a client's further try gets what did not."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _ascii(length: int) -> sa.types.TypeEngine[str]:
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def upgrade() -> None:
    """Apply; each step checks first whether it was done already."""
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    inspector = sa.inspect(op.get_bind())
    existing = {column["name"] for column in inspector.get_columns("generations")}
    for column in (
        sa.Column("request_key", _ascii(64), nullable=True),
        sa.Column("delivered", sa.Boolean(), nullable=True),
        sa.Column("adopted_by", _ascii(36), nullable=True),
        sa.Column("adopted_until", moment, nullable=True),
    ):
        if column.name not in existing:
            op.add_column("generations", column)
    indexes = {index["name"] for index in inspector.get_indexes("generations")}
    if "ix_generations_request_key" not in indexes:
        op.create_index("ix_generations_request_key", "generations", ["request_key"])

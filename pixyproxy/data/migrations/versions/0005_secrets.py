"""Random keys that belong to this database, such as the one that its cursors are encrypted with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; it checks first whether it was done already."""
    name = sa.String(64).with_variant(
        mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )
    value = sa.LargeBinary(32).with_variant(mysql.VARBINARY(32), "mysql", "mariadb")
    if not sa.inspect(op.get_bind()).has_table("secrets"):
        op.create_table(
            "secrets",
            sa.Column("name", name, primary_key=True),
            sa.Column("value", value, nullable=False),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )

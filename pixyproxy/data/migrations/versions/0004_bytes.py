"""What is found out of an image's bytes when it is kept: its ThumbHash, and whether it has C2PA."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; each step checks first whether it was done already."""
    ascii_text = sa.String(64).with_variant(
        mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )
    existing = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("images")}
    if "thumbhash" not in existing:
        op.add_column("images", sa.Column("thumbhash", ascii_text, nullable=True))
    if "has_content_credentials" not in existing:
        op.add_column("images", sa.Column("has_content_credentials", sa.Boolean(), nullable=True))

"""Migrations: small steps, each of which can be run again after it was interrupted."""

import hashlib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

LOCK_TIMEOUT_S = 60

_FOLDER = Path(__file__).parent


class NewerDatabaseError(Exception):
    """The database was migrated by a newer version, with revisions that this one lacks."""


async def migrate_database(engine: AsyncEngine) -> None:
    """Apply what is missing, under a lock: of several processes one works and the others wait."""
    async with engine.connect() as connection:
        if not await connection.run_sync(_is_up_to_date):
            await connection.run_sync(_migrate)


def newest_revision() -> str:
    """Return the revision that the newest file is named by, as in `0001_images.py`."""
    return max(path.name for path in _FOLDER.glob("versions/[0-9]*.py")).partition("_")[0]


def _is_up_to_date(connection: sa.Connection) -> bool:
    """Tell without a lock: a revision is written down when all of it has been done."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    rows = connection.execute(sa.text("SELECT version_num FROM alembic_version")).all()
    return [tuple(row) for row in rows] == [(newest_revision(),)]


def _migrate(connection: sa.Connection) -> None:
    try:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_S * 1000}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _upgrade(connection)
            connection.exec_driver_sql("COMMIT")
        else:
            _take_lock(connection)
            _upgrade(connection)
    finally:
        connection.invalidate()  # with it go the lock, the timeout and what was not committed


def _take_lock(connection: sa.Connection) -> None:
    # The lock's name is the server's, not the database's; MySQL allows it 64 characters.
    digest = hashlib.sha256(str(connection.engine.url.database).encode()).hexdigest()
    lock = {"name": f"pixyproxy-migrate-{digest[:32]}", "timeout": LOCK_TIMEOUT_S}
    if connection.scalar(sa.text("SELECT GET_LOCK(:name, :timeout)"), lock) != 1:
        raise TimeoutError("another process has been migrating the database for too long")


def _upgrade(connection: sa.Connection) -> None:
    # Alembic takes 12 MB of memory, which a server whose database is up to date need not hold.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NewerDatabaseError from error

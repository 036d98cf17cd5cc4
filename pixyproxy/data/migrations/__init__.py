"""Migrations: small steps, each of which can be run again after it was interrupted."""

import hashlib
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncEngine

LOCK_TIMEOUT_S = 60


async def migrate_database(engine: AsyncEngine) -> None:
    """Apply what is missing, under a lock: of several processes one works and the others wait."""
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)


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
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

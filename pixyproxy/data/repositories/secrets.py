"""Random keys that belong to this database: whoever asks for one first makes it."""

import secrets as randomness
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.tables import SECRET_BYTES, secrets


async def get_secret(context: DatabaseContext, name: str) -> bytes:
    """Return the key of this name, 32 random bytes: the same to every process, for good.

    It must be in no transaction: who makes a key at the same time must be seen.
    """
    rows = await context.execute(_GET, {"name": name})
    if not rows:
        with suppress(IntegrityError):  # another process was faster
            value = randomness.token_bytes(SECRET_BYTES)
            await context.execute(_INSERT, {"name": name, "value": value})
        rows = await context.execute(_GET, {"name": name})
    found: bytes = rows[0][0]
    return found


_GET = sa.select(secrets.c.value).where(secrets.c.name == sa.bindparam("name"))
_INSERT = sa.insert(secrets)

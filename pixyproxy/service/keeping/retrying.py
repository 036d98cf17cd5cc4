"""Trying again until it is done: what is paid for is not given up because a disk is full."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator

from pixyproxy.core.exceptions import StorageException

logger = logging.getLogger(__name__)

KEEP_AGAIN_S = 0.5
"""Seconds between two tries to write to the disk or the database."""
FIRST_PAUSE_S = 0.5
"""The mean of the first of the `pauses`; each of the next is twice as long."""
LONGEST_PAUSE_S = 20.0
"""The mean of the longest of the `pauses`."""


async def retry_until_stored(name: str, keep: Callable[[], Awaitable[None]]) -> None:
    """Do it again while disk or database fails: what it is about is paid for, or will be."""
    try:
        while True:
            try:
                await keep()
            except StorageException as error:
                logger.warning("%s cannot be kept yet: %s: %s", name, error.code, error.reason)
                await asyncio.sleep(KEEP_AGAIN_S)
            else:
                return
    except asyncio.CancelledError:
        logger.error("%s was not kept: the service stopped", name)  # noqa: TRY400
        raise


def pauses() -> Iterator[float]:
    """Yield growing, jittered pauses between tries, in seconds, without end."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(0.5, 1.5)  # noqa: S311  it is no secret
        pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

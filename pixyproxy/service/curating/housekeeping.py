"""Housekeeping: what is done now and then, by each process, and waits where it fails."""

import asyncio
import logging
import time
from collections import deque

from pixyproxy.core.exceptions import StorageException
from pixyproxy.core.tasks import end_tasks
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.service.curating.curation import Curation
from pixyproxy.service.curating.trash import Trash

logger = logging.getLogger(__name__)

INTERVAL_S = 20.0
"""How many seconds pass between two rounds of housekeeping."""
SETTLED_S = 60.0
"""How many seconds after an id was given out no transaction can still be adding a lower one."""


class Housekeeping:
    """Puts older images into blocks for search, and ends deletions.

    Those that were cut short, and those of images that have been in the trash for their time.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        blocks: SearchBlocks,
        curation: Curation,
        trash: Trash,
        *,
        interval_s: float = INTERVAL_S,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._repository = repository
        self._blocks = blocks
        self._curation = curation
        self._trash = trash
        self._interval_s = interval_s
        self._settled_s = settled_s
        self._seen: deque[tuple[float, int]] = deque()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """End. What is under way is given up: it is all or nothing, and done again by the next."""
        if self._task is not None:
            await end_tasks([self._task])

    async def tidy(self) -> None:
        """Do what is to be done now."""
        for do in (
            self._curation.finish_deletions,
            self._trash.purge_expired,
            self._add_blocks,
        ):
            try:
                await do()
            except StorageException as error:
                logger.warning("housekeeping waits: %s: %s", error.code, error.reason)

    async def _run(self) -> None:
        while True:
            try:
                await self.tidy()
            except Exception:
                logger.exception("housekeeping failed, and is tried again")
            await asyncio.sleep(self._interval_s)

    async def _add_blocks(self) -> None:
        async with self._repository.open_context() as context:
            newest = await self._repository.get_last_id(context)
        now = time.monotonic()
        self._seen.append((now, newest))
        settled = 0
        while self._seen and self._seen[0][0] <= now - self._settled_s:
            _, settled = self._seen.popleft()
        while settled and await self._blocks.add_block(settled):
            logger.info("put older images into a block")
            await asyncio.sleep(0)

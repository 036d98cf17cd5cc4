"""Recovery: settling what dead processes left, at the start and whenever a lease runs out."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from pixyproxy.core.exceptions import StorageException
from pixyproxy.data.repositories.generations import LeasedGeneration
from pixyproxy.service.generating.dependencies import Dependencies, Limits
from pixyproxy.service.generating.record import GenerationRecord
from pixyproxy.service.generating.settling import Settlement
from pixyproxy.service.generating.state import ProcessState

logger = logging.getLogger(__name__)

POLL_S = 1.0
SETTLED_AT_ONCE = 20


class Recovery:
    """Takes over generations whose process has died, and settles them."""

    def __init__(self, dependencies: Dependencies, limits: Limits, state: ProcessState) -> None:
        self._dependencies = dependencies
        self._generations = dependencies.generations
        self._store = dependencies.keeper.store
        self._limits = limits
        self._state = state

    async def watch(self) -> None:
        """Settle now, and again whenever a lease may have run out, for ever."""
        while True:
            try:
                await self._begin_to_settle()
            except StorageException as error:
                logger.warning("nothing can be settled: %s: %s", error.code, error.reason)
                # Others, too, could not say that they live. They have the next pause to do so.
                await self._storage_answers()
            except Exception:
                logger.exception("settling failed unforeseen")
            await asyncio.sleep(self._limits.lease_s)

    async def settle(self) -> None:
        """Find out what became of what dead processes left, and return when it is all known."""
        await asyncio.gather(*await self._begin_to_settle())

    async def _storage_answers(self) -> None:
        while True:
            with suppress(StorageException):
                await self._store.check_writable()
                async with self._generations.open_context() as context:
                    return await context.check()
            await asyncio.sleep(POLL_S)

    async def _begin_to_settle(self) -> list[asyncio.Task[None]]:
        try:
            await self._store.sweep()
        except StorageException as error:
            logger.warning("nothing can be swept: %s: %s", error.code, error.reason)
        settling: list[asyncio.Task[None]] = []
        while True:
            async with self._generations.open_context() as context:
                stale = await self._generations.list_stale(
                    context, datetime.now(UTC), SETTLED_AT_ONCE
                )
            left = [held for held in stale if held.guid not in self._state.runs]
            records = [record for held in left if (record := await self._take_over(held))]
            if not records:
                return settling
            settling += [self._launch(record) for record in records]

    def _launch(self, record: GenerationRecord) -> asyncio.Task[None]:
        settlement = Settlement(record, self._dependencies, self._limits, self._state)
        return self._state.launch(record.guid, settlement.settle())

    async def _take_over(self, held: LeasedGeneration) -> GenerationRecord | None:
        """Take over what a dead process left; None where another process was quicker."""
        lease = self._dependencies.leases.make()
        async with self._generations.open_context() as context:
            if not await self._generations.take_over(context, held, lease):
                return None
        logger.warning("settling generation %s, which %s left", held.guid, held.lease.runner)
        return await GenerationRecord.load(self._dependencies, held.guid, lease.runner)

"""The worker: takes up queued generations whenever a slot is free, whoever queued them."""

import asyncio
import logging
import random
from contextlib import suppress
from datetime import UTC, datetime

from pixyproxy.core.exceptions import StorageException
from pixyproxy.service.generating.dependencies import Dependencies, Limits
from pixyproxy.service.generating.record import GenerationRecord
from pixyproxy.service.generating.run import GenerationRun
from pixyproxy.service.generating.state import ProcessState

logger = logging.getLogger(__name__)

POLL_S = 1.0
CANDIDATES = 5
"""How many queued generations are tried: other processes may be quicker with the first ones."""


class Worker:
    """Shares with other processes in the work that is queued in the database."""

    def __init__(self, dependencies: Dependencies, limits: Limits, state: ProcessState) -> None:
        self._dependencies = dependencies
        self._generations = dependencies.generations
        self._limits = limits
        self._state = state

    async def work(self) -> None:
        """Take up work for ever: at once where the state is woken, else every now and then."""
        while True:
            try:
                while await self._take_up_next():
                    pass
            except StorageException as error:
                logger.warning("queued generations must wait: %s: %s", error.code, error.reason)
            except Exception:
                logger.exception("queued generations could not be taken up")
            pause_s = POLL_S * random.uniform(0.5, 1.5)  # noqa: S311  it is no secret
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._state.work_came.wait()
            self._state.work_came.clear()

    async def take_up(self, guid: str) -> bool:
        """Run a queued generation once a slot is free; False where it is not queued any more."""
        await self._state.slots.acquire()
        record = None
        try:
            record = await self._claim(guid)
        finally:
            if record is None:
                self._state.slots.release()
        is_waited_for = self._state.waiting.pop(guid, None) is not None
        if record is None:
            return False
        run = GenerationRun(
            record, self._dependencies, self._limits, self._state, is_waited_for=is_waited_for
        )
        self._state.launch(guid, run.run())
        record.announce()
        return True

    async def _take_up_next(self) -> bool:
        """Take up the next generation, or return False where there is none, or no slot."""
        state = self._state
        if not state.may_begin:
            return False
        guids = [guid for guid, is_written in state.waiting.items() if is_written][:1]
        async with self._generations.open_context() as context:
            guids += await self._generations.list_queued(context, CANDIDATES)
        state.has_more = bool(guids)
        if guids:
            await self._dependencies.keeper.store.check_writable()
        for guid in guids:
            if not state.may_begin:
                return False
            if await self.take_up(guid):
                return True
        return False

    async def _claim(self, guid: str) -> GenerationRecord | None:
        """Claim a queued generation; None where another process was quicker."""
        lease = self._dependencies.leases.make()
        async with self._generations.open_context() as context:
            if not await self._generations.claim(context, guid, lease, datetime.now(UTC)):
                return None
        return await GenerationRecord.load(self._dependencies, guid, lease.runner)

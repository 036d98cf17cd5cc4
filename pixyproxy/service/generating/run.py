"""One generation, drawn by this process: each of its parts by a call, and the end of it all."""

import asyncio
import logging
from enum import Enum, auto

from pixyproxy.core.exceptions import GeneratorBusyError, PixyProxyException
from pixyproxy.core.models import Attempt
from pixyproxy.service.generating.answers import AnswerKeeper
from pixyproxy.service.generating.calling import ModelCaller
from pixyproxy.service.generating.dependencies import Dependencies, Limits
from pixyproxy.service.generating.leasing import LeaseLostError
from pixyproxy.service.generating.record import GenerationRecord
from pixyproxy.service.generating.state import ProcessState
from pixyproxy.service.keeping.retrying import pauses

logger = logging.getLogger(__name__)

UNREACHABLE_S = 10.0
"""How long a server that cannot be reached is tried again while somebody waits: as long as one
attempt to connect may take."""


class PartEnd(Enum):
    """How the drawing of a part ended."""

    RECORDED = auto()
    NOT_BEGUN = auto()
    """The service stops: another process is to draw it."""
    TAKEN_OVER = auto()


class GenerationRun:
    """Draws what is not drawn yet of a generation that this process has the lease of."""

    def __init__(
        self,
        record: GenerationRecord,
        dependencies: Dependencies,
        limits: Limits,
        state: ProcessState,
        *,
        is_waited_for: bool = False,
    ) -> None:
        self._record = record
        self._unreachable_s = UNREACHABLE_S if is_waited_for else limits.timeout_s
        self._leases = dependencies.leases
        self._limits = limits
        self._state = state
        self._answers = AnswerKeeper(record, dependencies, limits, state)
        self._caller = ModelCaller(
            record.generation, dependencies.provider, self._answers, limits, state
        )

    async def run(self, first: Attempt | None = None) -> None:
        """Draw all parts at once, as far as there are slots.

        The caller holds a slot for the first call, and may have written that one down.
        """
        record = self._record
        async with self._leases.held(record.guid, record.runner):
            calls = [
                self._hold_slot(part, first if index == 0 else None, is_held=index == 0)
                for index, part in enumerate(sorted(record.open_parts))
            ]
            if not calls:
                self._state.slots.release()
                await record.end()
            # What goes wrong with one call must not cut off another, which is paid for.
            ends = await asyncio.gather(*calls, return_exceptions=True)
            for error in (end for end in ends if isinstance(end, BaseException)):
                logger.error("%s failed unforeseen", record.guid, exc_info=error)
            if PartEnd.NOT_BEGUN in ends and PartEnd.TAKEN_OVER not in ends:
                await record.put_back()
            record.announce()
        await record.drop_sidecars()

    async def _hold_slot(self, part: int, attempt: Attempt | None, *, is_held: bool) -> PartEnd:
        if not is_held:
            await self._state.slots.acquire()
        try:
            return await self._draw_part(part, attempt)
        except LeaseLostError:
            logger.warning("generation %s was taken over by another process", self._record.guid)
            return PartEnd.TAKEN_OVER
        finally:
            self._state.slots.release()

    async def _draw_part(self, part: int, attempt: Attempt | None) -> PartEnd:
        """Make one call, again only where it is certain that nothing was accepted."""
        loop = asyncio.get_running_loop()
        ends_at = 0.0
        begun_at = loop.time()
        for pause_s in pauses():
            if attempt is None:
                if self._state.draining.is_set():
                    return PartEnd.NOT_BEGUN
                attempt = await self._record.begin(part)
            ends_at = ends_at or loop.time() + self._limits.timeout_s
            try:
                answer = await self._caller.call(attempt, ends_at)
                await self._answers.keep(attempt, answer, ends_at)
            except PixyProxyException as error:
                wait_s = self._wait_before_next(error, pause_s)
                again_by = ends_at if error.sent else min(ends_at, begun_at + self._unreachable_s)
                if wait_s is None or loop.time() + wait_s >= again_by:
                    await self._record.end_call(attempt, failure=error)
                    return PartEnd.RECORDED
                await self._record.end_in_vain(attempt, error)
                if await self._is_draining_within(wait_s):
                    return PartEnd.NOT_BEGUN
                attempt = None
            except Exception as error:
                logger.exception("call %s failed unforeseen", attempt.guid)
                await self._record.end_call(attempt, failure=error)
                return PartEnd.RECORDED
            else:
                return PartEnd.RECORDED
        raise AssertionError("pauses have no end")

    def _wait_before_next(self, error: PixyProxyException, pause_s: float) -> float | None:
        """Return how long to wait before another try; None where there must be none."""
        if isinstance(error, GeneratorBusyError):
            return max(pause_s, float(error.retry_after_s or 0))
        return None if error.sent else max(pause_s, self._state.circuit.wait_s)

    async def _is_draining_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._state.draining.wait()
        except TimeoutError:
            return False
        return True

"""What becomes of a client's further tries: they get what an earlier one began.

OpenAI's SDKs send a request again after a time-out or a broken connection, and number their
tries. A further try takes over what the model was asked for already, if its answer has reached
nobody; identical requests that are first tries stay separate.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import StorageException
from pixyproxy.core.models import Generation
from pixyproxy.core.tasks import end_tasks
from pixyproxy.data.repositories.deliveries import Adoption, DeliveryRepository
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.service.generating.terms import ClientTry, Submitted

logger = logging.getLogger(__name__)

MIN_WINDOW_S = 15 * 60
"""What was begun within these seconds may be taken over, or within twice the client's patience."""
MAX_WINDOW_S = 24 * 3600
ADOPTED_FOR_S = 15.0
"""A try that has not said for so many seconds that it still waits counts as gone."""
CONTESTED_POLL_S = 0.5
CANDIDATES = 20


@dataclass(slots=True)
class Delivery:
    """The answer to one caller; whoever sends it says when the caller has all of it."""

    is_whole: bool = False


class Deliveries:
    """Hands what an earlier try began to a further one, and notes which answers arrived."""

    def __init__(self, repository: DeliveryRepository, generations: GenerationRepository) -> None:
        self._repository = repository
        self._generations = generations
        self._ending: set[asyncio.Task[None]] = set()

    async def adopt(self, caller: str, client_try: ClientTry) -> Submitted | None:
        """Take over what an earlier try began; None where there is nothing: begin anew.

        A third try cannot tell whether the second still waits somewhere, so it waits until what
        it may have begun is delivered, or free. Raises a StorageException.
        """
        if client_try.number == 0:
            return None
        while True:
            adopted, is_contested = await self._adopt_one(caller, client_try)
            if adopted is not None or not is_contested or client_try.number == 1:
                return adopted
            await asyncio.sleep(CONTESTED_POLL_S)

    async def _adopt_one(self, caller: str, client_try: ClientTry) -> tuple[Submitted | None, bool]:
        now = datetime.now(UTC)
        window_s = min(max(MIN_WINDOW_S, 2 * client_try.patience_s), MAX_WINDOW_S)
        async with self._repository.open_context() as context:
            candidates = await self._repository.list_candidates(
                context,
                caller,
                client_try.request_key,
                since=now - timedelta(seconds=window_s),
                now=now,
                limit=CANDIDATES,
            )
            adoption = _adoption(make_guid())
            for candidate in candidates:
                if candidate.is_free and await self._repository.adopt(
                    context, candidate.guid, adoption, now
                ):
                    logger.info(
                        "generation %s goes to try %d", candidate.guid, client_try.number + 1
                    )
                    (generation,) = await self._generations.get_generations(
                        context, [candidate.guid]
                    )
                    return _adopted(generation, adoption), False
        return None, bool(candidates)

    @asynccontextmanager
    async def delivering(self, submitted: Submitted) -> AsyncIterator[Delivery]:
        """Hold a generation for the one that its answer is sent to, and note if it arrived."""
        delivery = Delivery()
        if not submitted.is_tracked:
            yield delivery
            return
        renewing = []
        if submitted.adopted_by is not None:
            guid, adopted_by = submitted.generation.guid, submitted.adopted_by
            renewing.append(asyncio.create_task(self._renew(guid, adopted_by)))
        try:
            yield delivery
        finally:
            ending = asyncio.create_task(self._end(submitted, renewing, delivery))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)  # who is cancelled has gone, which must be noted too

    async def aclose(self) -> None:
        """Wait until everything is noted."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _renew(self, guid: str, adopted_by: str) -> None:
        while True:
            await asyncio.sleep(ADOPTED_FOR_S / 3)
            try:
                async with self._repository.open_context() as context:
                    await self._repository.renew(context, guid, _adoption(adopted_by))
            except StorageException as error:
                logger.warning("an adoption was not renewed: %s: %s", error.code, error.reason)

    async def _end(
        self, submitted: Submitted, renewing: list[asyncio.Task[None]], delivery: Delivery
    ) -> None:
        await end_tasks(renewing)
        try:
            async with self._repository.open_context() as context:
                await self._repository.end(
                    context,
                    submitted.generation.guid,
                    is_delivered=delivery.is_whole,
                    adopted_by=submitted.adopted_by,
                )
        except StorageException as error:
            logger.warning("a delivery was not noted: %s: %s", error.code, error.reason)


def _adopted(generation: Generation, adoption: Adoption) -> Submitted:
    return Submitted(generation, replayed=True, is_tracked=True, adopted_by=adoption.adopted_by)


def _adoption(adopted_by: str) -> Adoption:
    return Adoption(adopted_by, datetime.now(UTC) + timedelta(seconds=ADOPTED_FOR_S))

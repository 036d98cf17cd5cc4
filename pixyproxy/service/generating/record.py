"""A generation that this process runs: what is known of it, and how that is written down.

Whatever is to happen next is written down first, so that where this process dies another one knows
what it left: not sent, sent, answered, or stored.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import PixyProxyException, StorageException
from pixyproxy.core.models import (
    Answer,
    AnsweredImage,
    Attempt,
    AttemptStatus,
    Generation,
    GenerationStatus,
    ImageDetail,
)
from pixyproxy.data.repositories.generations import Origin
from pixyproxy.service.generating.dependencies import Dependencies
from pixyproxy.service.generating.ends import End
from pixyproxy.service.generating.leasing import LeaseLostError
from pixyproxy.service.generating.outcome import end_attempt, end_generation
from pixyproxy.service.generating.watch import Progress
from pixyproxy.service.keeping.retrying import retry_until_stored
from pixyproxy.service.providers import ProviderAnswer

logger = logging.getLogger(__name__)


def cut_into_calls(n: int, max_n: int) -> list[int]:
    """Return how many images each call is to draw: `n` in all, at most `max_n` at once."""
    return [min(max_n, n - done) for done in range(0, n, max_n)]


class GenerationRecord:
    """The record of one generation, which `runner` has the lease of."""

    def __init__(
        self,
        dependencies: Dependencies,
        generation: Generation,
        origin: Origin,
        runner: str,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        self._repository = dependencies.repository
        self._generations = dependencies.generations
        self._leases = dependencies.leases
        self._ends = dependencies.ends
        self._watch = dependencies.watch
        self._store = dependencies.keeper.store
        self.generation = generation
        self.runner = runner
        self._has_all_images = not attempts
        self._sizes = cut_into_calls(generation.n, origin.max_n)
        self._attempts = {attempt.number: attempt for attempt in attempts}
        self._images: list[ImageDetail] = []
        self._stored_at: datetime | None = None
        self._failures: dict[int, PixyProxyException] = {}
        self._recording = asyncio.Lock()
        begun = {attempt.part for attempt in attempts if attempt.may_be_charged_for}
        self.open_parts = set(range(len(self._sizes))) - begun
        """The parts of which it is not written down yet what became of them."""

    @classmethod
    async def load(cls, dependencies: Dependencies, guid: str, runner: str) -> Self:
        """Return the record of a generation that another process may have begun."""
        generations = dependencies.generations
        async with generations.open_context() as context:
            (generation,) = await generations.get_generations(context, [guid])
            origin = await generations.get_origin(context, guid)
            attempts = await generations.get_attempts(context, guid)
        return cls(dependencies, generation, origin, runner, attempts)

    @property
    def guid(self) -> str:
        """The generation's name."""
        return self.generation.guid

    @property
    def sent_attempts(self) -> list[Attempt]:
        """The calls of which nobody has written down what became of them."""
        return [
            attempt for attempt in self._attempts.values() if attempt.status is AttemptStatus.SENT
        ]

    # Calls

    def make_attempt(self, part: int = 0) -> Attempt:
        """Return a new attempt at a part, to be written down before its call is sent."""
        number = max(self._attempts, default=0) + 1
        attempt = self._attempts[number] = Attempt(
            generation_guid=self.guid,
            number=number,
            part=part,
            n=self._sizes[part],
            image_guids=tuple(make_guid() for _ in range(self._sizes[part])),
            sent_at=datetime.now(UTC),
        )
        return attempt

    async def begin(self, part: int) -> Attempt:
        """Write a new attempt down. Raises LeaseLostError."""
        attempt = self.make_attempt(part)
        generations = self._generations

        async def begin() -> None:
            async with generations.open_context() as context:
                await context.begin_transaction()
                lease = self._leases.make(self.runner)
                if not await generations.renew(context, self.guid, lease):
                    raise LeaseLostError
                await generations.create_attempt(context, attempt)
                await context.commit_transaction()

        await retry_until_stored(f"the record of {attempt.guid}", begin)
        return attempt

    async def end_in_vain(self, attempt: Attempt, error: PixyProxyException) -> None:
        """Write down that this try was not accepted; another one follows."""
        logger.info("call %s was not accepted: %s", attempt.guid, error.code)
        ended = attempt.model_copy(
            update={
                "status": AttemptStatus.FAILED if error.sent else AttemptStatus.UNSENT,
                "error_code": error.code,
                "ended_at": datetime.now(UTC),
            }
        )
        self._attempts[attempt.number] = ended
        await self.write(ended)

    def note_answer(self, attempt: Attempt, answer: ProviderAnswer) -> Attempt:
        """Return the attempt with what the model has answered, and a GUID for each image."""
        more = (make_guid() for _ in range(len(answer.images) - len(attempt.image_guids)))
        images = (
            AnsweredImage(url=image.url, revised_prompt=image.revised_prompt)
            for image in answer.images
        )
        attempt = attempt.model_copy(
            update={
                "answer": Answer(
                    model=answer.model,
                    request_id=answer.request_id,
                    usage=answer.usage,
                    left_out=answer.left_out,
                    images=tuple(images),
                ),
                "image_guids": (*attempt.image_guids, *more),
                "answered_at": datetime.now(UTC),
            }
        )
        self._attempts[attempt.number] = attempt
        return attempt

    async def write(self, attempt: Attempt) -> None:
        """Write down what is known of a call."""

        async def write() -> None:
            async with self._generations.open_context() as context:
                await self._generations.update_attempt(context, attempt)

        await retry_until_stored(f"the record of {attempt.guid}", write)

    async def reopen(self, attempt: Attempt) -> None:
        """Write a late answer down, and have the generation run again until it is kept."""
        assert attempt.part is not None
        self.open_parts.add(attempt.part)
        self._failures.pop(attempt.part, None)
        generations = self._generations

        async def write() -> None:
            async with generations.open_context() as context:
                await context.begin_transaction()
                await generations.revive(context, self.guid, self._leases.make(self.runner))
                await generations.update_attempt(context, attempt)
                await context.commit_transaction()

        await retry_until_stored(f"the record of {attempt.guid}", write)

    # Ends

    async def end_call(
        self, attempt: Attempt, images: Sequence[ImageDetail] = (), failure: Exception | None = None
    ) -> bool:
        """Write down what became of a call; with the last one, what became of the generation.

        Returns False where the generation is not this process's to end any more.
        """
        # One after the other: the generation must not end before all of its calls have.
        async with self._recording:
            attempt = self._ended(attempt, images, failure)
            is_written = await self._write_down(attempt, images)
        for image in images:
            logger.info("image kept guid=%s bytes=%d", image.guid, image.byte_size)
        return is_written

    async def end(self) -> None:
        """Write down the end of a generation of which every call has ended already."""
        async with self._recording:
            await self._write_down()

    async def insist(self) -> bool:
        """Write the end down over that of a process that took the generation over.

        Returns False where that one has not come to its end, or nothing can be written.
        """
        with suppress(StorageException):
            async with self._generations.open_context() as context:
                await context.begin_transaction()
                return await self._ends.commit(context, self._end, self.runner)
        return False

    async def put_back(self) -> None:
        """Queue the generation again: another process is to make the calls that are left."""

        async def put_back() -> None:
            async with self._generations.open_context() as context:
                await self._generations.put_back(context, self.guid, self.runner)

        await retry_until_stored(f"the record of {self.guid}", put_back)
        self.generation = self.generation.model_copy(
            update={"status": GenerationStatus.QUEUED, "started_at": None}
        )

    def announce(self) -> None:
        """Tell who follows the generation how it is now."""
        failure = self._failures[min(self._failures)] if self._failures else None
        self._watch.announce(Progress(self.generation, self._all_images, failure))

    async def drop_sidecars(self) -> None:
        """Remove what lay beside the images until their rows were written."""
        for image in self._images:
            with suppress(StorageException):  # one too many does no harm
                await self._store.drop_sidecar(image.guid)

    @property
    def _end(self) -> End:
        return End(self.generation, self._all_images)

    @property
    def _all_images(self) -> tuple[ImageDetail, ...] | None:
        """All of the generation's images, where no process but this one has made calls."""
        return tuple(self._images) if self._has_all_images else None

    def _ended(
        self, attempt: Attempt, images: Sequence[ImageDetail], failure: Exception | None
    ) -> Attempt:
        attempt = end_attempt(attempt, images, failure)
        self._attempts[attempt.number] = attempt
        self._images += images
        if images:
            self._stored_at = attempt.ended_at
        if attempt.part is not None:
            if isinstance(failure, PixyProxyException):
                self._failures[attempt.part] = failure
            self.open_parts.discard(attempt.part)
        return attempt

    async def _write_down(
        self, attempt: Attempt | None = None, images: Sequence[ImageDetail] = ()
    ) -> bool:
        is_end = not self.open_parts
        if is_end:
            self.generation = end_generation(
                self.generation, list(self._attempts.values()), self._failures, self._stored_at
            )
        is_written = True

        async def write() -> None:
            nonlocal is_written
            async with self._generations.open_context() as context:
                await context.begin_transaction()
                # A row that is there already, or was deleted since, was committed by a try that
                # failed after.
                await self._repository.add_images(context, images)
                if attempt is not None:
                    await self._generations.update_attempt(context, attempt)
                if is_end:
                    is_written = await self._ends.commit(context, self._end, self.runner)
                else:
                    await context.commit_transaction()

        await retry_until_stored(f"the record of {attempt.guid if attempt else self.guid}", write)
        return is_written

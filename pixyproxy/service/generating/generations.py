"""The generations: submitted, followed, cancelled and tried again. Both faces show this service."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime

from pixyproxy.core.exceptions import (
    ConstraintViolationError,
    FieldFault,
    GenerationNotFoundError,
    GenerationStateError,
    ImageGoneError,
)
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import (
    Attempt,
    Generation,
    GenerationCreate,
    GenerationStatus,
    ImageDetail,
)
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.finding.finder import Paging
from pixyproxy.service.generating import terms as new_terms
from pixyproxy.service.generating.deliveries import Deliveries, Delivery
from pixyproxy.service.generating.generator import ImageGenerator, Terms
from pixyproxy.service.generating.outcome import failure_of, may_be_charged
from pixyproxy.service.generating.terms import Submitted
from pixyproxy.service.generating.watch import Progress
from pixyproxy.service.validation import validate

RETRIABLE = (GenerationStatus.FAILED, GenerationStatus.UNKNOWN, GenerationStatus.CANCELLED)
_WHY_NOT_CANCELLED = {
    GenerationStatus.QUEUED: "A part of it was sent to the model and may be charged for.",
    GenerationStatus.RUNNING: "It is running: it was sent to the model and may be charged for.",
}
_WHY_NOT_RETRIED = {
    GenerationStatus.QUEUED: "It is queued already.",
    GenerationStatus.RUNNING: "It is running already.",
    GenerationStatus.SUCCEEDED: "It has succeeded; submit a new one for another image.",
    GenerationStatus.REFUSED: (
        "The model's moderation refused its prompt, and would refuse it again. Rephrase it."
    ),
}


class GenerationService:
    """What both faces offer. Raises leaves of PixyProxyException."""

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        generations: GenerationRepository,
        *,
        generator: ImageGenerator,
        deliveries: Deliveries,
    ) -> None:
        self._repository = repository
        self._generations = generations
        self._generator = generator
        self._deliveries = deliveries

    async def submit_awaited(self, wish: GenerationCreate, terms: "new_terms.Terms") -> Submitted:
        """TEMPORARY."""
        client_try = terms.client_try if terms.idempotency_key is None else None
        old = Terms(caller=terms.caller, idempotency_key=terms.idempotency_key)
        old.check()
        if client_try is not None:
            adopted = await self._deliveries.adopt(terms.caller, client_try)
            if adopted is not None:
                generation = await self.get_generation(adopted.generation_guid)
                return Submitted(generation, True, True, adopted.adopted_by)
        checked = validate(GenerationCreate, dict(wish))
        old.request_key = client_try.request_key if client_try else None
        generation = await self._generator.submit(checked, old, is_waited_for=True)
        return Submitted(generation, old.replayed, client_try is not None)

    async def wait_for_images(
        self, submitted: Submitted
    ) -> tuple[Generation, tuple[ImageDetail, ...]]:
        try:
            progress = await self._generator._wait(submitted.generation, None)
        finally:
            if not submitted.replayed:
                self._generator._waiting.pop(submitted.generation.guid, None)
        ended = progress.generation
        if ended.status is not GenerationStatus.SUCCEEDED:
            raise progress.failure or failure_of(ended)
        images = progress.images
        if images is None:
            images = tuple((await self.images_of([ended.guid])).get(ended.guid, ()))
        if not images:
            raise ImageGoneError
        return ended, images

    def delivering(self, submitted: Submitted) -> AbstractAsyncContextManager[Delivery]:
        """Hold a generation for the one that its answer is sent to, and note if it arrived."""
        return self._deliveries.delivering(submitted)

    async def may_be_charged(self, guid: str) -> bool:
        """Return whether a generation without an image may have been paid for."""
        return may_be_charged(await self.list_attempts(guid))

    async def submit(
        self, wish: GenerationCreate, terms: Terms, *, runs_here: bool = True
    ) -> Generation:
        """Check what is asked for once more, write it down, and return it without waiting.

        Raises what ImageGenerator.submit raises.
        """
        terms.check()
        checked = validate(GenerationCreate, dict(wish))
        return await self._generator.submit(checked, terms, runs_here=runs_here)

    async def get_generation(self, guid: str) -> Generation:
        """Return the generation with exactly this GUID. Raises GenerationNotFoundError."""
        async with self._generations.open_context() as context:
            found = await self._generations.get_generations(context, [guid])
        if not found:
            raise GenerationNotFoundError
        return found[0]

    async def get_generations(self, guids: Sequence[str]) -> dict[str, Generation]:
        """Return the generations with these GUIDs, in one statement; those that there are."""
        async with self._generations.open_context() as context:
            found = await self._generations.get_generations(context, guids)
        return {generation.guid: generation for generation in found}

    async def list_generations(
        self, *, status: str | None = None, page: int, size: int
    ) -> list[Generation]:
        """Return a page of the generations, newest first; of one status or of all.

        Raises ConstraintViolationError.
        """
        paging = validate(Paging, {"page": page, "size": size})
        wanted = None if status is None else _parse_status(status)
        async with self._generations.open_context() as context:
            return await self._generations.list_generations(
                context, wanted, page=paging.page, size=paging.size
            )

    async def list_attempts(self, guid: str) -> list[Attempt]:
        """Return the generation's calls to the model, the oldest first."""
        async with self._generations.open_context() as context:
            return await self._generations.get_attempts(context, guid)

    async def images_of(self, guids: Sequence[str]) -> dict[str, list[ImageDetail]]:
        """Return the images of each of these generations, in one statement."""
        images: dict[str, list[ImageDetail]] = defaultdict(list)
        if guids:
            async with self._repository.open_context() as context:
                for image in await self._repository.get_images_of(context, guids):
                    images[image.generation_guid or ""].append(image)
        return images

    async def cancel(self, guid: str) -> Generation:
        """Cancel a queued generation.

        Raises GenerationNotFoundError, and GenerationStateError where it may be charged for.
        """
        if not is_guid(guid):
            raise GenerationNotFoundError
        async with self._generations.open_context() as context:
            cancelled = await self._generations.cancel(context, guid, datetime.now(UTC))
        generation = await self.get_generation(guid)
        if not cancelled:
            why = _WHY_NOT_CANCELLED.get(
                generation.status, f"It has ended: {generation.status.value}."
            )
            raise GenerationStateError(f"Only a queued generation can be cancelled. {why}")
        self._generator.watch.announce(Progress(generation))
        return generation

    async def retry(self, guid: str) -> Generation:
        """Queue a generation again that gave no image; it may be charged for once more.

        Raises GenerationStateError where it must not be tried again.
        """
        generation = await self.get_generation(guid)
        async with self._generations.open_context() as context:
            await self._generator.check_queue(context)
            await context.begin_transaction()
            queued = await self._generations.requeue(context, guid, RETRIABLE)
            await context.commit_transaction()
        if not queued:
            generation = await self.get_generation(guid)
            why = _WHY_NOT_RETRIED.get(generation.status, "")
            raise GenerationStateError(f"This generation cannot be tried again. {why}")
        self._generator.wake()
        generation = await self.get_generation(guid)
        self._generator.watch.announce(Progress(generation))
        return generation

    async def watch(self, guid: str) -> AsyncGenerator[Generation, None]:
        """Yield the generation as it is, and after each change of its status, to its end.

        Ends before where the service stops. Raises GenerationNotFoundError.
        """
        present = await self.get_generation(guid)
        async with aclosing(self._generator.watch.follow(present)) as following:
            async for progress in following:
                yield progress.generation


def _parse_status(status: str) -> GenerationStatus:
    try:
        return GenerationStatus(status)
    except ValueError:
        allowed = tuple(GenerationStatus)
        fault = FieldFault("status", f"must be one of {', '.join(allowed)}", allowed)
        raise ConstraintViolationError([fault]) from None

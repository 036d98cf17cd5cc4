"""The generations: submitted, waited for, followed, cancelled and tried again, for all faces."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from pixyproxy.core.exceptions import (
    ConstraintViolationError,
    FieldFault,
    GenerationNotFoundError,
    GenerationStateError,
    ImageGoneError,
    StillRunningError,
)
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import (
    Attempt,
    Generation,
    GenerationStatus,
    ImageDetail,
    ImageDetailCreate,
)
from pixyproxy.service.finding.finder import Paging
from pixyproxy.service.generating.deliveries import Delivery
from pixyproxy.service.generating.engine import GenerationEngine
from pixyproxy.service.generating.outcome import failure_of, may_be_charged_for
from pixyproxy.service.generating.partials import PartialImage
from pixyproxy.service.generating.terms import Submitted, Terms
from pixyproxy.service.generating.watch import Progress
from pixyproxy.service.validation import validate

ANYBODY = Terms()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A generation that has succeeded, and its images that there still are: at least one."""

    generation: Generation
    images: tuple[ImageDetail, ...]


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
    """What all faces offer. Raises leaves of PixyProxyException."""

    def __init__(self, engine: GenerationEngine) -> None:
        self._engine = engine
        self._repository = engine.repository
        self._generations = engine.generations

    async def create_image(
        self, request: ImageDetailCreate, terms: Terms = ANYBODY, *, wait_s: float | None = None
    ) -> ImageDetail:
        """Have one image drawn and kept, and return it.

        Raises what `submit` and `wait_for_image` raise.
        """
        submitted = await self.submit(request, terms, is_waited_for=True)
        return await self.wait_for_image(submitted, wait_s)

    async def submit(
        self,
        request: ImageDetailCreate,
        terms: Terms,
        *,
        is_waited_for: bool = False,
        runs_here: bool = True,
    ) -> Submitted:
        """Check what is asked for once more, write it down, and return it without waiting.

        Means and raises what Submission.submit does. With `is_waited_for`, call `wait_for_images`.
        """
        return await self._engine.submission.submit(
            request, terms, is_waited_for=is_waited_for, runs_here=runs_here
        )

    async def wait_for_image(self, submitted: Submitted, wait_s: float | None) -> ImageDetail:
        """Return the first image of a generation. Means and raises what `wait_for_images` does."""
        return (await self.wait_for_images(submitted, wait_s)).images[0]

    async def wait_for_images(self, submitted: Submitted, wait_s: float | None) -> Drawn:
        """Return a generation with its images, once they are kept; None waits to the end.

        Raises StillRunningError when the time is over or the service stops, and else why there is
        no image.
        """
        generation = submitted.generation
        try:
            progress = await self._wait(generation, wait_s)
        finally:
            if not submitted.replayed:
                self._engine.stop_waiting(generation.guid)
        return await self._drawn(progress)

    async def watch_images(
        self, submitted: Submitted
    ) -> AsyncGenerator[PartialImage | Drawn, None]:
        """Yield each partial image that this process shows, and last what `wait_for_images` does.

        Raises what that raises. Close it where it is left early.
        """
        generation = submitted.generation
        try:
            async with aclosing(self._engine.watch.follow(generation)) as following:
                async for progress in following:
                    if progress.partial is not None:
                        yield progress.partial
                    elif progress.generation.status.is_final:
                        yield await self._drawn(progress)
                        return
        finally:
            if not submitted.replayed:
                self._engine.stop_waiting(generation.guid)
        raise StillRunningError(generation.guid)

    async def _drawn(self, progress: Progress) -> Drawn:
        """Return what came of a generation that has ended. Raises why there is no image."""
        ended = progress.generation
        if ended.status is not GenerationStatus.SUCCEEDED:
            raise progress.failure or failure_of(ended)
        images = progress.images
        if images is None:
            async with self._repository.open_context() as context:
                images = tuple(await self._repository.get_images_of(context, [ended.guid]))
        if not images:
            raise ImageGoneError  # it was kept, so it has been deleted since
        return Drawn(ended, images)

    def delivering(self, submitted: Submitted) -> AbstractAsyncContextManager[Delivery]:
        """Hold a generation for the one that its answer is sent to, and note if it arrives."""
        return self._engine.deliveries.delivering(submitted)

    async def may_be_charged_for(self, guid: str) -> bool:
        """Return whether a generation that gave no image may have been paid for."""
        return may_be_charged_for(await self.list_attempts(guid))

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
            cancelled = await self._engine.ends.cancel(context, guid)
        if cancelled is None:
            generation = await self.get_generation(guid)
            why = _WHY_NOT_CANCELLED.get(
                generation.status, f"It has ended: {generation.status.value}."
            )
            raise GenerationStateError(f"Only a queued generation can be cancelled. {why}")
        self._engine.watch.announce(Progress(cancelled))
        return cancelled

    async def retry(self, guid: str) -> Generation:
        """Queue a generation again that gave no image; it may be charged for once more.

        Raises GenerationStateError where it must not be tried again.
        """
        generation = await self.get_generation(guid)
        async with self._generations.open_context() as context:
            await self._engine.submission.check_queue(context)
            await context.begin_transaction()
            queued = await self._generations.requeue(context, guid, RETRIABLE)
            await context.commit_transaction()
        if not queued:
            generation = await self.get_generation(guid)
            why = _WHY_NOT_RETRIED.get(generation.status, "")
            raise GenerationStateError(f"This generation cannot be tried again. {why}")
        self._engine.wake()
        generation = await self.get_generation(guid)
        self._engine.watch.announce(Progress(generation))
        return generation

    async def watch(self, guid: str) -> AsyncGenerator[Generation, None]:
        """Yield the generation as it is, and after each change of its status, to its end.

        Ends before where the service stops. Raises GenerationNotFoundError.
        """
        async with aclosing(self.follow(guid)) as following:
            async for progress in following:
                if progress.partial is None:
                    yield progress.generation

    async def follow(self, guid: str) -> AsyncGenerator[Progress, None]:
        """Yield what `watch` yields, and each partial image that this process shows of it."""
        present = await self.get_generation(guid)
        async with aclosing(self._engine.watch.follow(present)) as following:
            async for progress in following:
                yield progress

    def partial_images_of(self, guid: str) -> tuple[PartialImage, ...]:
        """Return what a generation shows that this process draws; nothing after its end."""
        return self._engine.partials.list_of(guid)

    def get_partial_image(self, guid: str, index: int) -> PartialImage:
        """Return one of them. Raises PartialImageNotFoundError."""
        return self._engine.partials.get(guid, index)

    async def _wait(self, generation: Generation, wait_s: float | None) -> Progress:
        """Wait for the generation's end. Raises StillRunningError."""
        try:
            async with (
                asyncio.timeout(wait_s),
                aclosing(self._engine.watch.follow(generation)) as following,
            ):
                async for progress in following:
                    if progress.generation.status.is_final:
                        return progress
        except TimeoutError:
            pass
        raise StillRunningError(generation.guid)


def _parse_status(status: str) -> GenerationStatus:
    try:
        return GenerationStatus(status)
    except ValueError:
        allowed = tuple(GenerationStatus)
        fault = FieldFault("status", f"must be one of {', '.join(allowed)}", allowed)
        raise ConstraintViolationError([fault]) from None

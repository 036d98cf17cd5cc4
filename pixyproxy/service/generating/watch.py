"""Following generations: this process tells what it does; what others do, the database tells."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pixyproxy.core.exceptions import PixyProxyException, StorageException
from pixyproxy.core.models import Generation, GenerationStatus, ImageDetail
from pixyproxy.core.tasks import end_tasks
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.service.generating.partials import PartialImage, PartialImages

logger = logging.getLogger(__name__)

POLL_S = 1.0
MAX_UNSEEN = 4
"""So many partial images wait for a slow follower; it does not see more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A generation as it is now; with what came of it, where that is at hand."""

    generation: Generation
    images: tuple[ImageDetail, ...] | None = None
    failure: PixyProxyException | None = None
    partial: PartialImage | None = None
    """What it shows anew; nothing else has changed then."""


@dataclass(eq=False, slots=True)
class _Follower:
    status: GenerationStatus
    """What it was told last."""
    queue: "asyncio.Queue[Progress | None]" = field(default_factory=asyncio.Queue)
    unseen: int = 0
    """How many partial images are in the queue."""


class GenerationWatch:
    """Tells followers of each change of a generation's status.

    `is_here` tells whether this process runs a generation: others' are asked for in the database,
    all that are followed in one statement.
    """

    def __init__(
        self,
        generations: GenerationRepository,
        is_here: Callable[[str], bool],
        partials: PartialImages | None = None,
    ) -> None:
        self._generations = generations
        self._partials = partials or PartialImages()
        self._is_here = is_here
        self._followers: dict[str, list[_Follower]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._stopped = False

    def announce(self, progress: Progress) -> None:
        """Tell the followers how the generation is now, if they do not know."""
        for follower in self._followers.get(progress.generation.guid, ()):
            if follower.status != progress.generation.status:
                follower.status = progress.generation.status
                follower.queue.put_nowait(progress)

    def show(self, progress: Progress) -> None:
        """Tell the followers of a new partial image."""
        for follower in self._followers.get(progress.generation.guid, ()):
            if follower.unseen < MAX_UNSEEN:
                follower.unseen += 1
                follower.queue.put_nowait(progress)

    async def follow(self, present: Generation) -> AsyncGenerator[Progress, None]:
        """Yield how the generation is: at present, and after each change, to its end.

        Where this process draws it, each partial image is told of too, also those that are shown
        already. Ends before where the service stops, unless this process runs the generation.
        """
        if present.status.is_final:
            yield Progress(present)
            return
        with self._following(present) as follower:
            shown = self._partials.list_of(present.guid)
            yield Progress(present)
            for partial in shown:
                yield Progress(present, partial=partial)
            while not (self._stopped and not self._is_here(present.guid)):
                progress = await follower.queue.get()
                if progress is None:
                    continue
                if progress.partial is not None:
                    follower.unseen -= 1
                yield progress
                status = progress.generation.status
                if status.is_final or (self._stopped and status is GenerationStatus.QUEUED):
                    return

    def stop(self) -> None:
        """End the following of what this process does not run, and of the rest when it ends."""
        self._stopped = True
        for followers in self._followers.values():
            for follower in followers:
                follower.queue.put_nowait(None)

    async def aclose(self) -> None:
        """Stop asking the database."""
        self.stop()
        if self._polling is not None:
            await end_tasks([self._polling])

    @contextmanager
    def _following(self, present: Generation) -> Iterator[_Follower]:
        follower = _Follower(present.status)
        followers = self._followers.setdefault(present.guid, [])
        followers.append(follower)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            yield follower
        finally:
            followers.remove(follower)
            if not followers:
                del self._followers[present.guid]

    async def _poll(self) -> None:
        while self._followers:
            await asyncio.sleep(POLL_S)
            elsewhere = [guid for guid in self._followers if not self._is_here(guid)]
            if not elsewhere:
                continue
            try:
                async with self._generations.open_context() as context:
                    found = await self._generations.get_generations(context, elsewhere)
            except StorageException as error:
                logger.warning("generations cannot be followed: %s: %s", error.code, error.reason)
                continue
            for generation in found:
                self.announce(Progress(generation))

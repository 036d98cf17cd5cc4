"""What resolvers find in their context."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from strawberry.dataloader import DataLoader
from strawberry.types import Info

from pixyproxy.core.models import Generation, ImageDetail
from pixyproxy.service.curating.batches import Batches
from pixyproxy.service.curating.curation import Curation
from pixyproxy.service.finding.finder import ImageFinder
from pixyproxy.service.generating.generations import GenerationService
from pixyproxy.service.generating.generator import Terms
from pixyproxy.service.providers.choices import ModelChoices
from pixyproxy.service.serving.originals import ImageService


@dataclass(frozen=True)
class Context:
    """The context of one GraphQL request, or of one subscription."""

    images: ImageService
    finder: ImageFinder
    curation: Curation
    batches: Batches
    models: Sequence[ModelChoices]
    generations: GenerationService
    image_url: Callable[[str], str]
    caller: str
    answer_by: float
    """When the request must be answered, by the event loop's clock."""
    kept: list[str] = field(default_factory=list)
    """The GUIDs of the images that were generated for this request."""
    submitted: list[str] = field(default_factory=list)
    """The GUIDs of the generations that were queued for this request."""
    replayed: list[str] = field(default_factory=list)
    """The clientRequestIds that were sent before: nothing new was begun for them."""

    @contextmanager
    def terms(self, client_request_id: str | None) -> Iterator[Terms]:
        """Yield on what terms a generation is asked for, and note whether it was a replay.

        All the waiting of one request ends at one time: a gateway cuts the whole request.
        """
        wait_s = max(0.0, self.answer_by - asyncio.get_running_loop().time())
        terms = Terms(self.caller, client_request_id, wait_s)
        try:
            yield terms
        finally:
            if terms.replayed and client_request_id is not None:
                self.replayed.append(client_request_id)

    # What is loaded is not kept: a subscription's context outlives many changes.

    @cached_property
    def images_of_generation(self) -> DataLoader[str, list[ImageDetail]]:
        """Loads the images of many generations at once."""

        async def load(guids: Sequence[str]) -> list[list[ImageDetail]]:
            found = await self.generations.images_of(list(dict.fromkeys(guids)))
            return [found.get(guid, []) for guid in guids]

        return DataLoader(load, cache=False)

    @cached_property
    def generation_by_guid(self) -> DataLoader[str, Generation | None]:
        """Loads many generations at once."""

        async def load(guids: Sequence[str]) -> list[Generation | None]:
            found = await self.generations.get_generations(list(dict.fromkeys(guids)))
            return [found.get(guid) for guid in guids]

        return DataLoader(load, cache=False)


PixyInfo = Info[Context, None]

"""What resolvers find in their context."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from strawberry.dataloader import DataLoader
from strawberry.types import Info

from pixyproxy.bootstrap import Services
from pixyproxy.core.models import Generation, GenerationCreate, ImageDetail
from pixyproxy.core.urls import Urls
from pixyproxy.service.generating.terms import Submitted, Terms
from pixyproxy.service.validation import validate


@dataclass(frozen=True)
class Context:
    """The context of one GraphQL request, or of one subscription."""

    services: Services
    urls: Urls
    caller: str
    answer_by: float
    """When the request must be answered, by the event loop's clock."""
    kept: list[str] = field(default_factory=list)
    """The GUIDs of the images that were generated for this request."""
    submitted: list[str] = field(default_factory=list)
    """The GUIDs of the generations that were queued for this request."""
    replayed: list[str] = field(default_factory=list)
    """The clientRequestIds that were sent before: nothing new was begun for them."""

    @property
    def wait_s(self) -> float:
        """How long it may still wait: all the waiting of one request ends at one time.

        A gateway cuts the whole request.
        """
        return max(0.0, self.answer_by - asyncio.get_running_loop().time())

    async def submit(
        self, asked: Mapping[str, Any], client_request_id: str | None, *, is_waited_for: bool
    ) -> Submitted:
        """Submit a generation by the arguments that were given, and note whether it was one before.

        Raises what GenerationService.submit raises.
        """
        submitted = await self.services.generations.submit(
            validate(GenerationCreate, asked),
            Terms(self.caller, client_request_id),
            is_waited_for=is_waited_for,
        )
        if submitted.replayed and client_request_id is not None:
            self.replayed.append(client_request_id)
        return submitted

    # What is loaded is not kept: a subscription's context outlives many changes.

    @cached_property
    def images_of_generation(self) -> DataLoader[str, list[ImageDetail]]:
        """Loads the images of many generations at once."""

        async def load(guids: Sequence[str]) -> list[list[ImageDetail]]:
            found = await self.services.generations.images_of(list(dict.fromkeys(guids)))
            return [found.get(guid, []) for guid in guids]

        return DataLoader(load, cache=False)

    @cached_property
    def generation_by_guid(self) -> DataLoader[str, Generation | None]:
        """Loads many generations at once."""

        async def load(guids: Sequence[str]) -> list[Generation | None]:
            found = await self.services.generations.get_generations(list(dict.fromkeys(guids)))
            return [found.get(guid) for guid in guids]

        return DataLoader(load, cache=False)


PixyInfo = Info[Context, None]

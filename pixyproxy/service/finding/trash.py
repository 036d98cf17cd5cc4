"""Listing what is in the trash, by cursors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pixyproxy.core.trash import TrashedImage
from pixyproxy.data.repositories.trash import TrashRepository
from pixyproxy.data.search.index import IdRange
from pixyproxy.service.finding.cursors import Cursors
from pixyproxy.service.finding.finder import MAX_PAGE_SIZE
from pixyproxy.service.validation import validate


class TrashSlice(BaseModel):
    """Which part of the trash is asked for."""

    model_config = ConfigDict(strict=True)

    first: int = Field(20, ge=0, le=MAX_PAGE_SIZE)
    after: str | None = None


@dataclass(frozen=True, slots=True)
class TrashEdge:
    """An image in the trash, and its place there."""

    node: TrashedImage
    cursor: str


@dataclass(frozen=True, slots=True)
class TrashPart:
    """A part of what is in the trash."""

    edges: Sequence[TrashEdge]
    has_next_page: bool
    has_previous_page: bool


class TrashFinder:
    """Lists what is in the trash. Raises leaves of PixyProxyException."""

    def __init__(self, trash: TrashRepository, *, cursors: Cursors) -> None:
        self._trash = trash
        self._cursors = cursors

    async def list_images(self, **slice_: Any) -> TrashPart:
        """Return the `first` images `after` a cursor: what was deleted last comes first."""
        asked = validate(TrashSlice, slice_)
        below = self._cursors.read(asked.after, "after") if asked.after else IdRange().below
        async with self._trash.open_context() as context:
            found = await self._trash.list_images(
                context, datetime.now(UTC), below=below, limit=asked.first + 1
            )
        edges = [TrashEdge(image, self._cursors.make(id_)) for id_, image in found[: asked.first]]
        return TrashPart(
            edges,
            has_next_page=len(found) > asked.first,
            has_previous_page=bool(asked.after),
        )

    async def count_images(self) -> int:
        """Return how many images can be restored."""
        async with self._trash.open_context() as context:
            return await self._trash.count(context, datetime.now(UTC))

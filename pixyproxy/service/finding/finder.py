"""Finding images: pages and connections of all of them, or of those that meet criteria."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import Count, ImageDetail
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.data.search.index import IdRange
from pixyproxy.service.finding.criteria import make_criteria
from pixyproxy.service.finding.cursors import Cursors
from pixyproxy.service.validation import validate

MAX_PAGE = 2**31 - 1
"""The largest integer of GraphQL; REST has the same bound."""
MAX_PAGE_SIZE = 100
MAX_PAGED = 10_000
"""The first matches of a search, which can be paged through by number; cursors go to the end."""
_DEFAULT_SIZE = 20

_PAGED = (
    f"must stay within the first {MAX_PAGED:,} matches; go on with a cursor, or narrow the search"
)


class Paging(BaseModel):
    """Which part of a list is asked for."""

    model_config = ConfigDict(strict=True)

    page: int = Field(ge=1, le=MAX_PAGE)
    size: int = Field(ge=1, le=MAX_PAGE_SIZE)


class Slice(BaseModel):
    """Which part of a connection is asked for, after Relay: from one of its ends or a cursor."""

    model_config = ConfigDict(strict=True)

    first: int | None = Field(None, ge=0, le=MAX_PAGE_SIZE)
    after: str | None = None
    last: int | None = Field(None, ge=0, le=MAX_PAGE_SIZE)
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An image, and its place in the list that it was found in."""

    node: ImageDetail
    cursor: str


@dataclass(frozen=True, slots=True)
class Connection:
    """A part of a list of images."""

    edges: Sequence[Edge]
    has_next_page: bool
    has_previous_page: bool


class ImageFinder:
    """Lists and searches images. Raises leaves of PixyProxyException."""

    def __init__(self, repository: ImageRepositoryInterface, *, cursors: Cursors) -> None:
        self._repository = repository
        self._cursors = cursors

    async def list_images(self, *, page: int, size: int) -> list[ImageDetail]:
        """Return a page of all images, newest first; beyond the end it is empty."""
        return await self.search_images({}, page=page, size=size)

    async def search_images(
        self, given: Mapping[str, Any], *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria, newest first; with none, of all."""
        paging = validate(Paging, {"page": page, "size": size})
        criteria = make_criteria(given)
        if not criteria.is_of_all and paging.page * paging.size > MAX_PAGED:
            raise ConstraintViolationError([FieldFault("page", _PAGED)])
        async with self._repository.open_context() as context:
            return await self._repository.search_images(
                context, criteria, page=paging.page, size=paging.size
            )

    async def get_images(self, guids: Sequence[str]) -> list[ImageDetail]:
        """Return the images with these GUIDs, in this order, each once; those that there are."""
        if len(guids) > MAX_PAGE_SIZE:
            message = f"must be at most {MAX_PAGE_SIZE} GUIDs"
            raise ConstraintViolationError([FieldFault("guids", message)])
        async with self._repository.open_context() as context:
            found = await self._repository.get_images(context, list(dict.fromkeys(guids)))
        by_guid = {image.guid: image for image in found}
        return [by_guid[guid] for guid in dict.fromkeys(guids) if guid in by_guid]

    async def connect_images(
        self,
        given: Mapping[str, Any],
        *,
        newest_first: bool = True,
        **slice_: Any,
    ) -> Connection:
        """Return a slice of the images that meet all criteria: `first`, `after`, `last`, `before`.

        Without `first` and `last` it is the first twenty.
        """
        asked = validate(Slice, slice_)
        if asked.first is not None and asked.last is not None:
            raise ConstraintViolationError([FieldFault("last", "must not go with first")])
        backwards = asked.last is not None
        limit = asked.last if asked.last is not None else asked.first
        limit = _DEFAULT_SIZE if limit is None else limit
        after = self._cursors.read(asked.after, "after") if asked.after else None
        before = self._cursors.read(asked.before, "before") if asked.before else None
        higher, lower = (before, after) if not newest_first else (after, before)
        within = IdRange(
            above=lower if lower is not None else IdRange().above,
            below=higher if higher is not None else IdRange().below,
            newest_first=newest_first != backwards,
        )
        criteria = make_criteria(given)
        async with self._repository.open_context() as context:
            found = await self._repository.find_images(context, criteria, within, limit=limit + 1)
        more, found = len(found) > limit, found[:limit]
        edges = [Edge(image, self._cursors.make(id_)) for id_, image in found]
        if backwards:
            edges.reverse()
        return Connection(
            edges,
            has_next_page=before is not None if backwards else more,
            has_previous_page=more if backwards else after is not None,
        )

    async def count_images(self, given: Mapping[str, Any]) -> Count:
        """Return how many images meet all criteria; where they are very many, about how many."""
        criteria = make_criteria(given)
        async with self._repository.open_context() as context:
            return await self._repository.count_images(context, criteria)

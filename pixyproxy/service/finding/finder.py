"""Finding images: pages and connections of all of them, or of those that meet criteria."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import Choice, ContentType, Count, ImageDetail, TagName, Text
from pixyproxy.core.query import parse_query
from pixyproxy.core.text import words
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.data.search.criteria import ImageSearch, Orientation
from pixyproxy.data.search.index import Span
from pixyproxy.service.finding.cursors import Cursors
from pixyproxy.service.validation import validate

MAX_PAGE = 2**31 - 1
"""The largest integer of GraphQL; REST has the same bound."""
MAX_PAGE_SIZE = 100
MAX_QUERY_CHARS = 1000
MAX_QUERY_WORDS = 50
"""More words than this, and databases take more time to plan the search than to run it."""
MAX_QUERY_PREFIXES = 10
"""Each stands for many words."""
MAX_PAGED = 10_000
"""So many matches of a search can be paged through by number; cursors go on to the end."""
MAX_TAGS = 20

_DIMENSIONS = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", re.ASCII)
_PAGED = (
    f"must stay within the first {MAX_PAGED:,} matches; go on with a cursor, or narrow the search"
)


def _are_dimensions(text: str) -> str:
    if not _DIMENSIONS.fullmatch(text):
        raise ValueError("must be WIDTHxHEIGHT in pixels, such as 1024x1024")
    return text


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


class ImageCriteria(BaseModel):
    """What is searched for, as a caller gives it. Criteria combine; what is left out is not one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Text | None = Field(
        None,
        max_length=MAX_QUERY_CHARS,
        description="Words in prompt or filename, or a GUID. Words match whole, all of them, in "
        'any order; `cat*` is a beginning, `"red fox"` a phrase, `-dog` must not be there. Case '
        "and Latin accents do not count; CJK text is found by its characters.",
    )
    prompt: Text | None = Field(
        None, max_length=MAX_QUERY_CHARS, description="The same, in the prompt alone."
    )
    filename: Text | None = Field(
        None, max_length=MAX_QUERY_CHARS, description="The same, in the filename alone."
    )
    guid: Text | None = Field(None, max_length=MAX_QUERY_CHARS, description="Exactly this GUID.")
    model: Choice | None = Field(None, description="The model that drew it.")
    content_type: ContentType | None = Field(
        None, strict=False, description="The media type, such as `image/png`."
    )
    dimensions: Annotated[str, AfterValidator(_are_dimensions)] | None = Field(
        None, description="Exactly WIDTHxHEIGHT pixels, such as `1024x1024`."
    )
    orientation: Orientation | None = Field(
        None, description="`landscape`, `portrait` or `square`."
    )
    created_after: AwareDatetime | None = Field(
        None, strict=False, description="Kept at this time or later, with an offset (RFC 3339)."
    )
    created_before: AwareDatetime | None = Field(
        None, strict=False, description="Kept before this time, with an offset (RFC 3339)."
    )
    tags: list[TagName] | None = Field(None, max_length=MAX_TAGS, description="All of these tags.")


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
        self, criteria: dict[str, Any], *, page: int, size: int
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria, newest first; with none, of all."""
        paging = validate(Paging, {"page": page, "size": size})
        search = make_search(criteria)
        if not search.is_of_all and paging.page * paging.size > MAX_PAGED:
            raise ConstraintViolationError([FieldFault("page", _PAGED)])
        async with self._repository.open_context() as context:
            return await self._repository.search_images(
                context, search, page=paging.page, size=paging.size
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
        criteria: dict[str, Any],
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
        within = Span(
            above=lower if lower is not None else Span().above,
            below=higher if higher is not None else Span().below,
            newest_first=newest_first != backwards,
        )
        search = make_search(criteria)
        async with self._repository.open_context() as context:
            found = await self._repository.find_images(context, search, within, limit=limit + 1)
        more, found = len(found) > limit, found[:limit]
        edges = [Edge(image, self._cursors.make(id_)) for id_, image in found]
        if backwards:
            edges.reverse()
        return Connection(
            edges,
            has_next_page=before is not None if backwards else more,
            has_previous_page=more if backwards else after is not None,
        )

    async def count_images(self, criteria: dict[str, Any]) -> Count:
        """Return how many images meet all criteria; where they are very many, about how many."""
        search = make_search(criteria)
        async with self._repository.open_context() as context:
            return await self._repository.count_images(context, search)


_DEFAULT_SIZE = 20
_TEXTS = ("query", "prompt", "filename")


def make_search(given: dict[str, Any]) -> ImageSearch:
    """Return what is to be searched for. Raises ConstraintViolationError."""
    # Forms send fields that were left empty: blank is no criterion.
    filled = {
        name: value
        for name, value in given.items()
        if not (isinstance(value, str) and not value.strip())
    }
    criteria = validate(ImageCriteria, filled).model_dump(exclude_none=True)
    if faults := [fault for name in _TEXTS for fault in _excesses(name, criteria.get(name, ""))]:
        raise ConstraintViolationError(faults)
    dimensions = criteria.pop("dimensions", None)
    if dimensions is not None:
        width, height = map(int, dimensions.split("x"))
        criteria["size"] = width, height
    return ImageSearch(**criteria | {"tags": tuple(criteria.get("tags", ()))})


def _excesses(name: str, text: str) -> Iterator[FieldFault]:
    if len(words(text)) > MAX_QUERY_WORDS:
        yield FieldFault(name, f"must have at most {MAX_QUERY_WORDS} words")
    elif sum(clause.is_prefix for clause in parse_query(text)) > MAX_QUERY_PREFIXES:
        yield FieldFault(name, f"must have at most {MAX_QUERY_PREFIXES} beginnings of words")

"""GraphQL: lists of images by cursors, after Relay's specification of connections."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from strawberry import UNSET

from pixyproxy.core.models import Count, ImageDetail
from pixyproxy.schema.types import ImageDetailType
from pixyproxy.service.finding.finder import Connection, Edge, ImageCriteria


def _field_of(name: str) -> Any:
    description = ImageCriteria.model_fields[name].description
    return strawberry.field(default=UNSET, description=description)


@strawberry.enum(description="The form of an image.")
class ImageOrientation(Enum):
    """The orientations; the values are the service's own."""

    LANDSCAPE = strawberry.enum_value("landscape", description="Wider than high.")
    PORTRAIT = strawberry.enum_value("portrait", description="Higher than wide.")
    SQUARE = strawberry.enum_value("square", description="As wide as high.")


@strawberry.enum(description="In which order images come.")
class ImageOrder(Enum):
    """The orders."""

    NEWEST_FIRST = strawberry.enum_value("newest", description="What was kept last comes first.")
    OLDEST_FIRST = strawberry.enum_value("oldest", description="What was kept first comes first.")


@strawberry.input(description="What images must meet, all of it; what is left out does not count.")
class ImageFilter:
    """The fields of the service's ImageCriteria."""

    query: str | None = _field_of("query")
    prompt: str | None = _field_of("prompt")
    filename: str | None = _field_of("filename")
    guid: str | None = _field_of("guid")
    model: str | None = _field_of("model")
    content_type: str | None = _field_of("content_type")
    dimensions: str | None = _field_of("dimensions")
    orientation: ImageOrientation | None = _field_of("orientation")
    created_after: datetime | None = _field_of("created_after")
    created_before: datetime | None = _field_of("created_before")
    tags: list[str] | None = _field_of("tags")

    def criteria(self) -> dict[str, Any]:
        """Return what was given."""
        given = {name: value for name, value in vars(self).items() if value is not UNSET}
        if isinstance(self.orientation, ImageOrientation):
            given["orientation"] = self.orientation.value
        return given


@strawberry.type(description="What lies beyond a part of a list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether more follow.")
    has_previous_page: bool = strawberry.field(description="Whether there are some before.")
    start_cursor: str | None = strawberry.field(description="The first one's cursor.")
    end_cursor: str | None = strawberry.field(description="The last one's cursor.")


@strawberry.type(name="ImageEdge", description="An image and its place in the list.")
class ImageEdgeType:
    """The service's Edge."""

    node: ImageDetailType = strawberry.field(description="The image.")
    cursor: str = strawberry.field(description="Its place, to go on from.")


@strawberry.type(name="ImageConnection", description="A part of a list of images.")
class ImageConnectionType:
    """A slice, and how many there are in all, counted when it is asked for."""

    connection: strawberry.Private[Connection]
    counting: strawberry.Private["Counting"]

    @strawberry.field(graphql_type=list[ImageEdgeType], description="The images with their places.")
    def edges(self) -> list[Edge]:
        """Return the edges."""
        return list(self.connection.edges)

    @strawberry.field(graphql_type=list[ImageDetailType], description="The images alone.")
    def nodes(self) -> list[ImageDetail]:
        """Return the images."""
        return [edge.node for edge in self.connection.edges]

    @strawberry.field(description="What lies beyond.")
    def page_info(self) -> PageInfo:
        """Return whether there is more, and the cursors to go on from."""
        edges = self.connection.edges
        return PageInfo(
            has_next_page=self.connection.has_next_page,
            has_previous_page=self.connection.has_previous_page,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )

    @strawberry.field(
        description="How many images the whole list has. Of a search with more than 1,000 matches "
        "it is an estimate, which may be too high."
    )
    async def total_count(self) -> int:
        """Return the count."""
        return (await self.counting.count()).value

    @strawberry.field(description="Whether `totalCount` is an estimate.")
    async def total_count_is_estimate(self) -> bool:
        """Return whether it is one."""
        return (await self.counting.count()).is_estimate


class Counting:
    """A count that is made when it is first asked for, and once."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Count]]) -> None:
        self._make = make
        self._task: asyncio.Task[Count] | None = None

    async def count(self) -> Count:
        """Return the count."""
        if self._task is None:
            self._task = asyncio.create_task(self._make())
        return await self._task

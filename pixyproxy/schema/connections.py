"""GraphQL: lists of images by cursors, after Relay's specification of connections."""

import asyncio
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

import strawberry
from strawberry import UNSET

from pixyproxy.core.criteria import ImageCriteria, Orientation
from pixyproxy.core.models import Count, ImageDetail
from pixyproxy.schema.arguments import has_fields_of
from pixyproxy.schema.types import ImageDetailType
from pixyproxy.service.finding.finder import Connection, Edge


def _declare_orientations() -> None:
    declared: Any = strawberry.enum(
        Orientation, name="ImageOrientation", description=Orientation.__doc__
    )
    values = declared.__strawberry_definition__.values
    for value, orientation in zip(values, Orientation, strict=True):
        value.description = orientation.description


_declare_orientations()


@strawberry.enum(description="In which order images come.")
class ImageOrder(Enum):
    """The orders."""

    NEWEST_FIRST = strawberry.enum_value("newest", description="What was kept last comes first.")
    OLDEST_FIRST = strawberry.enum_value("oldest", description="What was kept first comes first.")


@strawberry.input(description="What images must meet, all of it; what is left out does not count.")
@has_fields_of(ImageCriteria)
class ImageFilter:
    """The fields of ImageCriteria."""

    def criteria(self) -> dict[str, Any]:
        """Return what was given."""
        return {name: value for name, value in vars(self).items() if value is not UNSET}


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

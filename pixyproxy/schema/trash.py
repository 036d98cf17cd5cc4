"""GraphQL: the trash."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from pixyproxy.core.trash import TrashedImage
from pixyproxy.schema.batches import BatchResultType, Guids
from pixyproxy.schema.connections import PageInfo
from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.fields import shows
from pixyproxy.schema.limits import FREE
from pixyproxy.service.curating.batches import BatchResult
from pixyproxy.service.finding.trash import TrashEdge, TrashPart


@strawberry.type(
    name="TrashedImage",
    description="A deleted image that can still be restored. Its bytes are not served.",
)
@shows(TrashedImage, without={"generation_guid"})
class TrashedImageType:
    """The fields of core's TrashedImage."""

    guid: strawberry.ID
    content_type: str = strawberry.field(description="The media type, such as `image/png`.")


@strawberry.type(name="TrashEdge", description="An image in the trash, and its place there.")
class TrashEdgeType:
    """The service's TrashEdge."""

    node: TrashedImageType = strawberry.field(description="The image.")
    cursor: str = strawberry.field(description="Its place, to go on from.")


@strawberry.type(name="TrashConnection", description="A part of what is in the trash.")
class TrashConnectionType:
    """The service's TrashPart."""

    part: strawberry.Private[TrashPart]

    @strawberry.field(graphql_type=list[TrashEdgeType], description="The images with their places.")
    def edges(self) -> list[TrashEdge]:
        """Return the edges."""
        return list(self.part.edges)

    @strawberry.field(graphql_type=list[TrashedImageType], description="The images alone.")
    def nodes(self) -> list[TrashedImage]:
        """Return the images."""
        return [edge.node for edge in self.part.edges]

    @strawberry.field(description="What lies beyond.")
    def page_info(self) -> PageInfo:
        """Return whether there is more, and the cursors to go on from."""
        edges = self.part.edges
        return PageInfo(
            has_next_page=self.part.has_next_page,
            has_previous_page=self.part.has_previous_page,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )

    @strawberry.field(description="How many images are in the trash.")
    async def total_count(self, info: PixyInfo) -> int:
        """Return the count."""
        return await info.context.services.trash_finder.count_images()


@strawberry.type
class TrashQuery:
    """The query for the trash."""

    @strawberry.field(
        graphql_type=TrashConnectionType,
        description="The deleted images that can still be restored; what was deleted last comes "
        "first. There are none where the service has no trash (`PIXYPROXY_TRASH_DAYS`).",
    )
    async def trash(
        self,
        info: PixyInfo,
        first: Annotated[int, strawberry.argument(description="How many.")] = 20,
        after: Annotated[
            str | None, strawberry.argument(description="What follows this cursor.")
        ] = UNSET,
    ) -> TrashConnectionType:
        """Return a part of the trash."""
        part = await info.context.services.trash_finder.list_images(
            first=first, after=after or None
        )
        return TrashConnectionType(part=part)


@strawberry.type
class TrashMutation:
    """The mutations of the trash."""

    @strawberry.mutation(
        graphql_type=BatchResultType | None,
        metadata=FREE,
        description="Take images out of the trash, to where they were in every list, and tell to "
        "which it was done and to which not.",
    )
    async def restore_images(self, info: PixyInfo, guids: Guids) -> BatchResult:
        """Restore many images."""
        return await info.context.services.batches.restore_images({"guids": guids})

    @strawberry.mutation(
        graphql_type=BatchResultType | None,
        metadata=FREE,
        description="Delete images for good and at once, with their bytes, be they in the trash or "
        "not, and tell to which it was done and to which not.",
    )
    async def purge_images(self, info: PixyInfo, guids: Guids) -> BatchResult:
        """Delete many images for good."""
        return await info.context.services.batches.purge_images({"guids": guids})

    @strawberry.mutation(
        graphql_type=int | None,
        metadata=FREE,
        description="Delete for good all that is in the trash, and tell how many images that is. "
        "None can be restored from then on; of very many the bytes go by and by.",
    )
    async def empty_trash(self, info: PixyInfo) -> int:
        """Empty the trash."""
        return await info.context.services.trash.empty()

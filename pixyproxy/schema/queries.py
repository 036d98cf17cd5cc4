"""GraphQL: finding images and generations."""

from functools import partial
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import GenerationNotFoundError, ImageGoneError, ImageNotFoundError
from pixyproxy.core.models import Generation, GenerationStatus, ImageDetail
from pixyproxy.core.statistics import Stats, Tag
from pixyproxy.schema.arguments import fields_of, takes
from pixyproxy.schema.connections import (
    Counting,
    ImageConnectionType,
    ImageFilter,
    ImageOrder,
)
from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.models import ModelQuery
from pixyproxy.schema.nodes import Found, Node, load_node, load_nodes
from pixyproxy.schema.trash import TrashQuery
from pixyproxy.schema.types import GenerationType, ImageDetailType, StatsType, TagType
from pixyproxy.service.finding.finder import MAX_PAGE_SIZE

Page = Annotated[int, strawberry.argument(description="Which page, from 1.")]
Size = Annotated[
    int, strawberry.argument(description=f"How many on a page, from 1 to {MAX_PAGE_SIZE}.")
]
Filter = Annotated[
    ImageFilter | None,
    strawberry.argument(name="filter", description="What the images must meet."),
]


def _criteria(given: ImageFilter | None) -> dict[str, Any]:
    return given.criteria() if given else {}


@strawberry.type(description="What can be asked.")
class Query(ModelQuery, TrashQuery):
    """The root of all queries."""

    @strawberry.field(
        graphql_type=Node | None,
        description="The image or generation with exactly this id, or null where there is none.",
    )
    async def node(
        self,
        info: PixyInfo,
        id_: Annotated[
            strawberry.ID, strawberry.argument(name="id", description="Its id, which is its GUID.")
        ],
    ) -> Found | None:
        """Return what has this id."""
        return await load_node(info.context, id_)

    @strawberry.field(
        graphql_type=list[Node | None],
        description="The images and generations with these ids, each in its place, and null where "
        "there is none.",
    )
    async def nodes(
        self,
        info: PixyInfo,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description=f"Their ids, at most {MAX_PAGE_SIZE}."),
        ],
    ) -> list[Found | None]:
        """Return what has these ids."""
        return await load_nodes(info.context, ids)

    @strawberry.field(
        graphql_type=ImageDetailType | None,
        description="The image with exactly this GUID, or null where there is none.",
    )
    async def image(
        self,
        info: PixyInfo,
        guid: Annotated[strawberry.ID, strawberry.argument(description="The image's GUID.")],
    ) -> ImageDetail | None:
        """Return one image."""
        try:
            return await info.context.services.images.get_image(guid)
        except (ImageNotFoundError, ImageGoneError):
            return None

    @strawberry.field(
        graphql_type=list[ImageDetailType],
        description="A page of all images, newest first; beyond the end it is empty. Or, with "
        "`guids`, just those images, in this order. For long lists: `imageConnection`.",
    )
    async def images(
        self,
        info: PixyInfo,
        page: Page = 1,
        size: Size = 20,
        guids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description=f"The images' GUIDs, at most {MAX_PAGE_SIZE}."),
        ] = UNSET,
    ) -> list[ImageDetail]:
        """Return a page of all images, or some by their GUIDs."""
        if guids is not UNSET and guids is not None:
            return await info.context.services.finder.get_images(guids)
        return await info.context.services.finder.list_images(page=page, size=size)

    @strawberry.field(
        graphql_type=list[ImageDetailType],
        description="A page of the images that meet all criteria, newest first; with none, of all "
        "images. Pages go to the 10,000th match; for more: `imageConnection`.",
    )
    @takes(fields_of(ImageCriteria, only={"query", "prompt", "filename", "guid"}))
    async def search(
        self,
        info: PixyInfo,
        *,
        filter_: Filter = UNSET,
        page: Page = 1,
        size: Size = 20,
        **given: Any,
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria."""
        return await info.context.services.finder.search_images(
            _criteria(filter_) | given, page=page, size=size
        )

    @strawberry.field(
        graphql_type=ImageConnectionType,
        description="The images that meet the filter, by cursors, after Relay's specification: a "
        "place in the list stays the same while images are added. "
        "Without `first` and `last` the first 20.",
    )
    async def image_connection(
        self,
        info: PixyInfo,
        first: Annotated[int | None, strawberry.argument(description="How many.")] = UNSET,
        after: Annotated[
            str | None, strawberry.argument(description="What follows this cursor.")
        ] = UNSET,
        last: Annotated[
            int | None, strawberry.argument(description="How many, from the end.")
        ] = UNSET,
        before: Annotated[
            str | None, strawberry.argument(description="What precedes this cursor.")
        ] = UNSET,
        filter_: Filter = UNSET,
        order_by: Annotated[
            ImageOrder, strawberry.argument(description="In which order.")
        ] = ImageOrder.NEWEST_FIRST,
    ) -> ImageConnectionType:
        """Return a part of the list."""
        finder = info.context.services.finder
        criteria = _criteria(filter_)
        slice_ = {"first": first, "after": after, "last": last, "before": before}
        connection = await finder.connect_images(
            criteria,
            newest_first=order_by is ImageOrder.NEWEST_FIRST,
            **{name: value for name, value in slice_.items() if value is not UNSET},
        )
        counting = Counting(partial(finder.count_images, criteria))
        return ImageConnectionType(connection=connection, counting=counting)

    @strawberry.field(
        graphql_type=list[TagType],
        description="Tags and how many images have each, the most used first.",
    )
    async def tags(
        self,
        info: PixyInfo,
        first: Annotated[int, strawberry.argument(description="How many.")] = 20,
        prefix: Annotated[
            str | None, strawberry.argument(description="What they begin with.")
        ] = UNSET,
    ) -> list[Tag]:
        """Return tags."""
        return await info.context.services.curation.list_tags(first=first, prefix=prefix or None)

    @strawberry.field(
        graphql_type=StatsType,
        description="How many images there are and what they take, by day, model and format.",
    )
    async def stats(self, info: PixyInfo) -> Stats:
        """Return the statistics."""
        return await info.context.services.curation.get_stats()

    @strawberry.field(
        graphql_type=GenerationType | None,
        description="The generation with exactly this GUID, or null where there is none.",
    )
    async def generation(
        self,
        info: PixyInfo,
        guid: Annotated[strawberry.ID, strawberry.argument(description="The generation's GUID.")],
    ) -> Generation | None:
        """Return one generation."""
        try:
            return await info.context.services.generations.get_generation(guid)
        except GenerationNotFoundError:
            return None

    @strawberry.field(
        graphql_type=list[GenerationType],
        description="A page of the generations, newest first; beyond the end it is empty.",
    )
    async def generations(
        self,
        info: PixyInfo,
        status: Annotated[
            GenerationStatus | None,
            strawberry.argument(description="Only those with this status."),
        ] = UNSET,
        page: Page = 1,
        size: Size = 20,
    ) -> list[Generation]:
        """Return a page of the generations."""
        return await info.context.services.generations.list_generations(
            status=status or None, page=page, size=size
        )

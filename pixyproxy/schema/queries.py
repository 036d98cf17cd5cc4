"""GraphQL: finding images and generations."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from pixyproxy.core.exceptions import GenerationNotFoundError, ImageNotFoundError
from pixyproxy.core.models import Generation, GenerationStatus, ImageDetail
from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.types import GenerationType, ImageDetailType
from pixyproxy.service.image_service import MAX_PAGE_SIZE

Page = Annotated[int, strawberry.argument(description="Which page, from 1.")]
Size = Annotated[
    int, strawberry.argument(description=f"How many on a page, from 1 to {MAX_PAGE_SIZE}.")
]


@strawberry.type(description="What can be asked.")
class Query:
    """The root of all queries."""

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
            return await info.context.images.get_image(guid)
        except ImageNotFoundError:
            return None

    @strawberry.field(
        graphql_type=list[ImageDetailType],
        description="A page of all images, newest first; beyond the end it is empty.",
    )
    async def images(self, info: PixyInfo, page: Page = 1, size: Size = 20) -> list[ImageDetail]:
        """Return a page of all images."""
        return await info.context.images.list_images(page=page, size=size)

    @strawberry.field(
        graphql_type=list[ImageDetailType],
        description="A page of the images that meet all criteria, newest first; with none, of all "
        "images. Words match whole, all of them, in any order, whatever the case.",
    )
    async def search(
        self,
        info: PixyInfo,
        query: Annotated[
            str | None,
            strawberry.argument(description="Words in prompt or filename, or a GUID."),
        ] = UNSET,
        prompt: Annotated[
            str | None, strawberry.argument(description="Words that the prompt has.")
        ] = UNSET,
        filename: Annotated[
            str | None, strawberry.argument(description="Words that the filename has.")
        ] = UNSET,
        guid: Annotated[str | None, strawberry.argument(description="Exactly this GUID.")] = UNSET,
        page: Page = 1,
        size: Size = 20,
    ) -> list[ImageDetail]:
        """Return a page of the images that meet all criteria."""
        return await info.context.images.search_images(
            query=query or None,
            prompt=prompt or None,
            filename=filename or None,
            guid=guid or None,
            page=page,
            size=size,
        )

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
            return await info.context.generations.get_generation(guid)
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
        return await info.context.generations.list_generations(
            status=status or None, page=page, size=size
        )

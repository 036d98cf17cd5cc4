"""The GraphQL types. Their resolvers are given the models of core, field for field."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from pixyproxy.schema.context import Context, PixyInfo


@strawberry.type(name="ImageDetail", description="A kept image: everything about it but its bytes.")
class ImageDetailType:
    """The fields of core's ImageDetail, and the URL of its bytes."""

    guid: strawberry.ID = strawberry.field(description="The image's public name, a UUID.")
    filename: str = strawberry.field(description="A human-readable file name, unique to the image.")
    prompt: str = strawberry.field(description="The prompt, exactly as it was given.")
    created_at: datetime = strawberry.field(description="When the image was kept, in UTC.")
    updated_at: datetime = strawberry.field(
        description="When anything about it changed last, in UTC."
    )
    content_type: str = strawberry.field(
        description="The media type, such as `image/png`, from the bytes themselves."
    )
    width: int = strawberry.field(description="Width in pixels.")
    height: int = strawberry.field(description="Height in pixels.")
    byte_size: int = strawberry.field(description="Size of the image file in bytes.")
    sha256: str = strawberry.field(description="SHA-256 of the image file, in hexadecimal.")
    model: str = strawberry.field(description="The model that drew it.")
    revised_prompt: str | None = strawberry.field(
        description="The prompt as the model rewrote it, where it says so."
    )
    parameters: JSON = strawberry.field(
        description="The parameters that were sent to the model; it chose the rest itself."
    )

    @strawberry.field(description="Where the image's bytes are served, for good.")
    def url(self, info: PixyInfo) -> str:
        """Return the absolute URL of the bytes."""
        return read_url(self, info.context)


def read_url(image: Any, context: Context) -> str:
    """Return the absolute URL of the image's bytes."""
    return context.image_url(image.guid)

"""GraphQL: generating images."""

from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from pixyproxy.core.models import ImageDetail, ImageDetailCreate
from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.types import ImageDetailType


def _argument(name: str) -> object:
    """Return the argument's description: one text for both faces."""
    return strawberry.argument(description=ImageDetailCreate.model_fields[name].description)


@strawberry.type(description="What can be done.")
class Mutation:
    """The root of all mutations."""

    @strawberry.mutation(
        graphql_type=ImageDetailType,
        description="Have the model draw the prompt, keep the image for good, and answer when it "
        "is kept. What is left out is left to the model. A high-quality image may take minutes. "
        "Where another field fails and leaves no `data`, `extensions.kept` names what was kept.",
    )
    async def generate_image(
        self,
        info: PixyInfo,
        prompt: Annotated[str, _argument("prompt")],
        model: Annotated[str | None, _argument("model")] = UNSET,
        size: Annotated[str | None, _argument("size")] = UNSET,
        quality: Annotated[str | None, _argument("quality")] = UNSET,
        style: Annotated[str | None, _argument("style")] = UNSET,
        background: Annotated[str | None, _argument("background")] = UNSET,
        output_format: Annotated[str | None, _argument("output_format")] = UNSET,
        output_compression: Annotated[int | None, _argument("output_compression")] = UNSET,
        moderation: Annotated[str | None, _argument("moderation")] = UNSET,
    ) -> ImageDetail:
        """Generate one image."""
        asked: dict[str, Any] = {
            "prompt": prompt,
            "model": model,
            "size": size,
            "quality": quality,
            "style": style,
            "background": background,
            "output_format": output_format,
            "output_compression": output_compression,
            "moderation": moderation,
        }
        given = {name: value for name, value in asked.items() if value is not UNSET}
        # The service validates it.
        image = ImageDetailCreate.model_construct(**given)
        detail = await info.context.images.create_image(image)
        info.context.kept.append(detail.guid)
        return detail

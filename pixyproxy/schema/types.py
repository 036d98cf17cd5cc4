"""The GraphQL types. Their resolvers are given the models of core, field for field."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, NewType

import strawberry
from strawberry import UNSET

from pixyproxy.core.models import (
    Generation,
    GenerationError,
    GenerationStatus,
    ImageDetail,
    Stats,
    StatsEntry,
    Tag,
)
from pixyproxy.schema.arguments import argument, takes
from pixyproxy.schema.context import Context, PixyInfo
from pixyproxy.schema.fields import shows
from pixyproxy.service.serving.derivative_requests import OPTIONS, read_request, srcset_of

for _option in OPTIONS.values():
    if issubclass(_option.kind, Enum):
        strawberry.enum(_option.kind, description=_option.kind.__doc__)


@strawberry.type(name="ImageDetail", description="A kept image: everything about it but its bytes.")
@shows(ImageDetail, without={"generation_guid"})
class ImageDetailType:
    """The fields of core's ImageDetail, the URL of its bytes, and where it comes from."""

    guid: strawberry.ID
    content_type: str = strawberry.field(
        description="The media type, such as `image/png`, from the bytes themselves."
    )

    @strawberry.field(
        description="Where the image's bytes are served, for good; with an argument, those of the "
        "image in another size or format."
    )
    @takes(
        argument(name, option.kind | None, option.argument)
        for name, option in OPTIONS.items()
        if option.argument is not None
    )
    def url(self, info: PixyInfo, **given: Any) -> str:
        """Return the absolute URL of the bytes."""
        return read_url(self, info.context, given)

    @strawberry.field(
        description="The same image in several widths, for an `<img srcset>`; the format is what "
        "the browser accepts."
    )
    def srcset(
        self,
        info: PixyInfo,
        widths: Annotated[
            list[int] | None,
            strawberry.argument(description="Widths in pixels; else all up to the image's own."),
        ] = UNSET,
    ) -> str:
        """Return URLs and widths, the narrowest first."""
        return read_srcset(self, info.context, {"widths": widths})

    @strawberry.field(
        graphql_type=Annotated["GenerationType", strawberry.lazy("pixyproxy.schema.types")] | None,
        description="The generation that it came from; null where none was written down.",
    )
    async def generation(self: Any, info: PixyInfo) -> Generation | None:
        """Return the generation, loaded together with those of other images."""
        if self.generation_guid is None:
            return None
        return await info.context.generation_by_guid.load(self.generation_guid)


def read_url(image: Any, context: Context, given: Mapping[str, Any]) -> str:
    """Return the absolute URL of the image's bytes. Raises ConstraintViolationError."""
    asked = read_request({name: str(value) for name, value in given.items() if value or value == 0})
    return context.urls.content(image.guid, asked.as_query() if asked else "")


def read_srcset(image: Any, context: Context, given: Mapping[str, Any]) -> str:
    """Return the value of an `<img srcset>`. Raises ConstraintViolationError."""
    queries = srcset_of(image, given.get("widths") or None)
    return ", ".join(
        f"{context.urls.content(image.guid, query)} {width}w" for width, query in queries.items()
    )


@strawberry.type(name="Tag", description="A tag, and how many images have it.")
@shows(Tag)
class TagType:
    """The fields of core's Tag."""


BigInt = NewType("BigInt", int)
"""GraphQL's own integers have 32 bits."""


@strawberry.type(name="StatsEntry", description="What is kept of one day, model and format.")
@shows(StatsEntry)
class StatsEntryType:
    """The fields of core's StatsEntry."""

    byte_size: BigInt


@strawberry.type(name="Stats", description="What is kept in all.")
@shows(Stats)
class StatsType:
    """The fields of core's Stats."""

    byte_size: BigInt
    entries: list[StatsEntryType]


_MEANINGS = {
    GenerationStatus.QUEUED: "Waits for its turn; nothing of it is under way.",
    GenerationStatus.RUNNING: "Was sent to the model, or is just about to be.",
    GenerationStatus.SUCCEEDED: "Has its images, or some of them: then `error` tells the rest.",
    GenerationStatus.REFUSED: "The model's moderation refused the prompt, and would again.",
    GenerationStatus.FAILED: "Gave no image; `error` tells why.",
    GenerationStatus.CANCELLED: "Was cancelled while it waited for its turn.",
    GenerationStatus.UNKNOWN: "Was sent and not answered: it may have been charged for.",
}
_STATUS: Any = strawberry.enum(GenerationStatus, description="How far a generation is.")
for _value in _STATUS.__strawberry_definition__.values:
    _value.description = _MEANINGS[GenerationStatus[_value.name]]


@strawberry.type(
    name="GenerationError", description="Why a generation, or a part of it, gave no image."
)
@shows(GenerationError)
class GenerationErrorType:
    """The fields of core's GenerationError."""


@strawberry.type(
    name="Generation",
    description="A request for images, from the moment it is written down: what became of it, "
    "and when.",
)
@shows(Generation)
class GenerationType:
    """The fields of core's Generation, and its images."""

    guid: strawberry.ID
    error: GenerationErrorType | None

    @strawberry.field(
        graphql_type=list[ImageDetailType],
        description="What was drawn, as soon as it is kept.",
    )
    async def images(self: Any, info: PixyInfo) -> list[ImageDetail]:
        """Return the images, loaded together with those of other generations."""
        return await info.context.images_of_generation.load(self.guid)

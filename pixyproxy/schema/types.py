"""The GraphQL types. Their resolvers are given the models of core, field for field."""

from collections.abc import Mapping
from typing import Annotated, Any, NewType

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from pixyproxy.core.enums import DescribedEnum
from pixyproxy.core.exceptions import FieldFault
from pixyproxy.core.models import Generation, GenerationError, GenerationStatus, ImageDetail
from pixyproxy.core.statistics import Stats, StatsEntry, Tag
from pixyproxy.schema.arguments import argument, takes
from pixyproxy.schema.context import Context, PixyInfo
from pixyproxy.schema.enums import declare_enum
from pixyproxy.schema.fields import shows
from pixyproxy.schema.names import graphql_fault
from pixyproxy.schema.nodes import Node
from pixyproxy.service.generating.outcome import faults_of
from pixyproxy.service.generating.partials import PartialImage
from pixyproxy.service.serving.derivative_requests import OPTIONS, read_request, srcset_of

for _option in OPTIONS.values():
    if issubclass(_option.kind, DescribedEnum):
        declare_enum(_option.kind)


@strawberry.type(name="ImageDetail", description="A kept image: everything about it but its bytes.")
@shows(ImageDetail, without={"generation_guid"})
class ImageDetailType(Node):
    """The fields of core's ImageDetail, the URL of its bytes, and where it comes from."""

    guid: strawberry.ID
    content_type: str = strawberry.field(
        description="The media type, such as `image/png`, from the bytes themselves."
    )

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Return whether it is what this type shows."""
        return isinstance(value, ImageDetail)

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


@strawberry.type(name="FieldFault", description="One field of a request that will not do.")
class FieldFaultType:
    """The fields of core's FieldFault."""

    field: str = strawberry.field(description="Which one, as it is spelled here.")
    message: str = strawberry.field(description="Why it will not do.")
    allowed: list[str] | None = strawberry.field(
        description="What would do, where that can be listed."
    )


@strawberry.type(
    name="GenerationError", description="Why a generation, or a part of it, gave no image."
)
@shows(GenerationError)
class GenerationErrorType:
    """The fields of core's GenerationError."""

    errors: JSON | None = strawberry.field(
        description="Each field that will not do, as REST spells it.",
        deprecation_reason="It has no type, and spells fields as REST does: ask for `faults`.",
    )

    @strawberry.field(graphql_type=list[FieldFaultType], description="Each field that will not do.")
    def faults(self: Any) -> list[FieldFault]:
        """Return the faults, their fields as GraphQL spells them."""
        return [graphql_fault(fault) for fault in faults_of(self)]


@strawberry.type(name="PartialImage", description="An image as it looks while it is drawn.")
class PartialImageType:
    """What is told of the service's PartialImage."""

    index: int = strawberry.field(
        description="Its number among all that the generation has shown, from 0."
    )

    @strawberry.field(description="Where it is served until the generation has ended.")
    def url(self: Any, info: PixyInfo) -> str:
        """Return the absolute URL of the bytes."""
        return info.context.urls.partial_image(self.generation_guid, self.index)


@strawberry.type(
    name="Generation",
    description="A request for images, from the moment it is written down: what became of it, "
    "and when.",
)
@shows(Generation)
class GenerationType(Node):
    """The fields of core's Generation, and its images."""

    guid: strawberry.ID
    error: GenerationErrorType | None

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Return whether it is what this type shows."""
        return isinstance(value, Generation)

    @strawberry.field(
        graphql_type=list[ImageDetailType],
        description="What was drawn, as soon as it is kept.",
    )
    async def images(self: Any, info: PixyInfo) -> list[ImageDetail]:
        """Return the images, loaded together with those of other generations."""
        return await info.context.images_of_generation.load(self.guid)

    @strawberry.field(
        graphql_type=list[PartialImageType],
        description="What it shows while it is drawn, where `partialImages` were asked for and the "
        "process that answers draws it; nothing once it has ended.",
    )
    def partial_images(self: Any, info: PixyInfo) -> tuple[PartialImage, ...]:
        """Return the partial images, the oldest first."""
        return info.context.services.generations.partial_images_of(self.guid)

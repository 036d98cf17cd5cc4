"""The GraphQL types. Their resolvers are given the models of core, field for field."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, NewType
from urllib.parse import urlencode

import strawberry
from pydantic import BaseModel
from strawberry import UNSET
from strawberry.scalars import JSON

from pixyproxy.core.models import (
    Generation,
    GenerationError,
    GenerationStatus,
    ImageDetail,
    Stats,
    StatsEntry,
    Tag,
)
from pixyproxy.schema.context import Context, PixyInfo
from pixyproxy.service.serving.derivatives import Fit, ImageFormat, read_wish, srcset_of


def _field_of(model: type[BaseModel], name: str) -> Any:
    """Return the field, with the model's description: one text for both faces."""
    return strawberry.field(description=model.model_fields[name].description)


Side = Annotated[
    int | None,
    strawberry.argument(
        description="In pixels. The nearest of some sizes serves, and never more than the image's "
        "own."
    ),
]
strawberry.enum(Fit, name="ImageFit", description="How an image fills a box of another shape.")
strawberry.enum(ImageFormat, description="The formats that an image can be had in.")


@strawberry.type(name="ImageDetail", description="A kept image: everything about it but its bytes.")
class ImageDetailType:
    """The fields of core's ImageDetail, the URL of its bytes, and where it comes from."""

    guid: strawberry.ID = _field_of(ImageDetail, "guid")
    filename: str = _field_of(ImageDetail, "filename")
    prompt: str = _field_of(ImageDetail, "prompt")
    created_at: datetime = _field_of(ImageDetail, "created_at")
    updated_at: datetime = _field_of(ImageDetail, "updated_at")
    content_type: str = strawberry.field(
        description="The media type, such as `image/png`, from the bytes themselves."
    )
    width: int = _field_of(ImageDetail, "width")
    height: int = _field_of(ImageDetail, "height")
    byte_size: int = _field_of(ImageDetail, "byte_size")
    sha256: str = _field_of(ImageDetail, "sha256")
    model: str = _field_of(ImageDetail, "model")
    revised_prompt: str | None = _field_of(ImageDetail, "revised_prompt")
    parameters: JSON = _field_of(ImageDetail, "parameters")
    tags: list[str] = _field_of(ImageDetail, "tags")
    thumbhash: str | None = _field_of(ImageDetail, "thumbhash")
    has_content_credentials: bool | None = _field_of(ImageDetail, "has_content_credentials")

    @strawberry.field(
        description="Where the image's bytes are served, for good; with an argument, those of the "
        "image in another size or format."
    )
    def url(
        self,
        info: PixyInfo,
        width: Side = UNSET,
        height: Side = UNSET,
        fit: Annotated[
            Fit | None,
            strawberry.argument(description="How the image fills width and height; else `COVER`."),
        ] = UNSET,
        format: Annotated[  # noqa: A002
            ImageFormat | None, strawberry.argument(description="The format; else `AUTO`.")
        ] = UNSET,
    ) -> str:
        """Return the absolute URL of the bytes."""
        given = {"width": width, "height": height, "fit": fit, "format": format}
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
    wish = read_wish({name: str(value) for name, value in given.items() if value or value == 0})
    url = context.image_url(image.guid)
    return f"{url}?{urlencode(wish.as_parameters())}" if wish else url


def read_srcset(image: Any, context: Context, given: Mapping[str, Any]) -> str:
    """Return the value of an `<img srcset>`. Raises ConstraintViolationError."""
    url = context.image_url(image.guid)
    rungs = srcset_of(image, given.get("widths") or None)
    return ", ".join(f"{url}?width={rung} {width}w" for width, rung in rungs.items())


@strawberry.type(name="Tag", description="A tag, and how many images have it.")
class TagType:
    """The fields of core's Tag."""

    name: str = _field_of(Tag, "name")
    image_count: int = _field_of(Tag, "image_count")


BigInt = NewType("BigInt", int)
"""GraphQL's own integers have 32 bits."""


@strawberry.type(name="StatsEntry", description="What is kept of one day, model and format.")
class StatsEntryType:
    """The fields of core's StatsEntry."""

    day: date = _field_of(StatsEntry, "day")
    model: str = _field_of(StatsEntry, "model")
    content_type: str = _field_of(StatsEntry, "content_type")
    image_count: int = _field_of(StatsEntry, "image_count")
    byte_size: BigInt = _field_of(StatsEntry, "byte_size")


@strawberry.type(name="Stats", description="What is kept in all.")
class StatsType:
    """The fields of core's Stats."""

    image_count: int = _field_of(Stats, "image_count")
    byte_size: BigInt = _field_of(Stats, "byte_size")
    entries: list[StatsEntryType] = _field_of(Stats, "entries")


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
class GenerationErrorType:
    """The fields of core's GenerationError."""

    code: str = _field_of(GenerationError, "code")
    message: str = _field_of(GenerationError, "message")
    errors: JSON | None = _field_of(GenerationError, "errors")


@strawberry.type(
    name="Generation",
    description="A request for images, from the moment it is written down: what became of it, "
    "and when.",
)
class GenerationType:
    """The fields of core's Generation, and its images."""

    guid: strawberry.ID = _field_of(Generation, "guid")
    status: GenerationStatus = _field_of(Generation, "status")
    prompt: str = _field_of(Generation, "prompt")
    model: str = _field_of(Generation, "model")
    parameters: JSON = _field_of(Generation, "parameters")
    n: int = _field_of(Generation, "n")
    model_served: str | None = _field_of(Generation, "model_served")
    upstream_request_id: str | None = _field_of(Generation, "upstream_request_id")
    usage: JSON | None = _field_of(Generation, "usage")
    error: GenerationErrorType | None = _field_of(Generation, "error")
    queued_at: datetime = _field_of(Generation, "queued_at")
    started_at: datetime | None = _field_of(Generation, "started_at")
    answered_at: datetime | None = _field_of(Generation, "answered_at")
    stored_at: datetime | None = _field_of(Generation, "stored_at")
    finished_at: datetime | None = _field_of(Generation, "finished_at")

    @strawberry.field(
        graphql_type=list[ImageDetailType],
        description="What was drawn, as soon as it is kept.",
    )
    async def images(self: Any, info: PixyInfo) -> list[ImageDetail]:
        """Return the images, loaded together with those of other generations."""
        return await info.context.images_of_generation.load(self.guid)

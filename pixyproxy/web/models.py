"""What REST answers with, beside the models of core."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from pixyproxy.core.exceptions import BY_CODE, INTERNAL_ERROR_CODE, StillRunningError
from pixyproxy.core.models import Generation, ImageDetail
from pixyproxy.core.trash import TrashedImage
from pixyproxy.core.urls import Urls


def _example_of(model: type[BaseModel]) -> JsonDict:
    """Return the first example of each field."""
    return {name: field.examples[0] for name, field in model.model_fields.items() if field.examples}


def _show_example(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Show an example of the whole in a model's schema, instead of one for each field."""
    for field in schema["properties"].values():
        field.pop("examples", None)
    schema["examples"] = [_example_of(model)]


class ImageDetailWithUrl(ImageDetail):
    """A kept image, with the URL of its bytes."""

    model_config = ConfigDict(
        title="ImageDetail",
        json_schema_extra=_show_example,
        json_schema_serialization_defaults_required=True,
    )

    url: str = Field(
        description="Where the image's bytes are served, for good.",
        examples=["http://127.0.0.1:8000/image/5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05/content"],
    )

    @classmethod
    def of(cls, image: ImageDetail, urls: Urls) -> "ImageDetailWithUrl":
        """Return `image` with its URL; its fields are valid already."""
        return cls.model_construct(**image.__dict__, url=urls.content(image.guid))


class TrashedImageDetail(TrashedImage):
    """A deleted image that can still be restored. Its bytes are not served."""

    model_config = ConfigDict(
        title="TrashedImage",
        json_schema_extra=_show_example,
        json_schema_serialization_defaults_required=True,
    )

    @classmethod
    def of(cls, image: TrashedImage) -> "TrashedImageDetail":
        """Return `image` as it is answered; its fields are valid already."""
        return cls.model_construct(**image.__dict__)


class Emptied(BaseModel):
    """What was in the trash."""

    image_count: int = Field(description="How many images were deleted for good.")


class FieldFaultBody(BaseModel):
    """One field that will not do."""

    model_config = ConfigDict(title="FieldFault")

    field: str = Field(description="The field's name.")
    message: str = Field(description="Why it will not do.")
    allowed: list[str] | None = Field(None, description="The values that would do.")


class GenerationErrorBody(BaseModel):
    """Why a generation, or a part of it, gave no image."""

    model_config = ConfigDict(title="GenerationError")

    code: str = Field(description="What went wrong, for programs.")
    message: str = Field(description="What went wrong and what to do, for people.")
    errors: list[FieldFaultBody] | None = Field(None, description="Each field that will not do.")


class GenerationDetail(Generation):
    """A generation, with the images that came of it so far."""

    model_config = ConfigDict(
        title="Generation",
        json_schema_extra=_show_example,
        json_schema_serialization_defaults_required=True,
    )

    error: GenerationErrorBody | None = Field(  # type: ignore[assignment]  # its faults are typed
        None,
        description=Generation.model_fields["error"].description,
        examples=Generation.model_fields["error"].examples,
    )
    images: list[ImageDetailWithUrl] = Field(
        description="The images, the oldest first.", examples=[[_example_of(ImageDetailWithUrl)]]
    )

    @classmethod
    def of(
        cls, generation: Generation, images: Sequence[ImageDetail], urls: Urls
    ) -> "GenerationDetail":
        """Return `generation` with its images; its fields are valid already."""
        with_urls = [ImageDetailWithUrl.of(image, urls) for image in images]
        error = generation.error and GenerationErrorBody(**generation.error.model_dump())
        return cls.model_construct(**{**generation.__dict__, "error": error}, images=with_urls)


_HTTP_CODES = (
    "bad-request",
    "not-found",
    "method-not-allowed",
    "payload-too-large",
    "uri-too-long",
    "unsupported-media-type",
    "precondition-failed",
    "range-not-satisfiable",
    "request-header-fields-too-large",
)
_CODES = sorted({*BY_CODE, *_HTTP_CODES, INTERNAL_ERROR_CODE} - {StillRunningError.code})
"""What `code` can be, as far as this version knows; in REST what still runs is no error."""


class PartialImageDetail(BaseModel):
    """An image as it looks while it is drawn."""

    index: int = Field(description="Its number among all that the generation has shown, from 0.")
    url: str = Field(description="Where it is served until the generation has ended.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field("about:blank", description="Always `about:blank`: `code` tells the kind.")
    title: str = Field(description="The HTTP status, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong and what to do, for people.")
    code: Annotated[
        str, WithJsonSchema({"anyOf": [{"type": "string", "enum": _CODES}, {"type": "string"}]})
    ] = Field(
        title="ProblemCode",
        description="What went wrong, for programs: a code never changes, and there may be more.",
    )
    request_id: str = Field(description="Names the request in this service's log.")
    errors: list[FieldFaultBody] | None = Field(None, description="Each field that will not do.")


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether the service can do its work now, part by part."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, str] = Field(description="Each part: `ok`, or the code of what is wrong.")

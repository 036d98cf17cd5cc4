"""The models that all floors share."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from pixyproxy.core.exceptions import GeneratorBusyError
from pixyproxy.core.fields import MAX_IMAGES, MAX_PARTIAL_IMAGES, Choice, Prompt
from pixyproxy.core.parameters import check_extra, gather


class ContentType(StrEnum):
    """The image formats that are kept; a format's value is its media type."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"
    AVIF = "image/avif"

    @property
    def extension(self) -> str:
        """The file name's extension, without a dot."""
        return "jpg" if self is ContentType.JPEG else self.value.removeprefix("image/")


class ImageDetailCreate(BaseModel):
    """What an image is drawn from: the prompt."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, revalidate_instances="always"
    )

    prompt: Prompt = Field(description="What to draw, in words.")


def _show_open(schema: dict[str, Any]) -> None:
    """Say that any other field is taken too, in the place of the field that gathers them."""
    schema["properties"].pop("extra")
    schema["additionalProperties"] = {
        "description": "Any other parameter, for models that this service does not know."
    }


class GenerationCreate(ImageDetailCreate):
    """What a caller asks for. What is left out (None) is left to the model.

    Fields that are not named here are parameters for models that we do not know, in `extra`.
    """

    model_config = ConfigDict(json_schema_extra=_show_open)

    model: Choice | None = Field(None, description="The model that draws; else the default one.")
    size: Choice | None = Field(None, description="WIDTHxHEIGHT in pixels, or 'auto'.")
    quality: Choice | None = Field(None, description="How much effort the model spends.")
    style: Choice | None = Field(None, description="'vivid' or 'natural', for models that know it.")
    background: Choice | None = Field(None, description="'transparent', 'opaque' or 'auto'.")
    output_format: Choice | None = Field(None, description="'png', 'jpeg' or 'webp'.")
    output_compression: int | None = Field(
        None, ge=0, le=100, description="Compression of JPEG and WebP, 0 to 100 percent."
    )
    moderation: Choice | None = Field(None, description="'auto', or 'low' for a laxer filter.")
    complexity: Choice | None = Field(
        None, description="How much is thought about the image: 'low', 'medium' or 'high'."
    )
    frame_count: int | None = Field(
        None, ge=2, le=64, description="How many frames a GIF has, for output_format 'gif'."
    )
    frame_duration_ms: int | None = Field(
        None, ge=1, le=655_350, description="How long each frame of a GIF is shown."
    )
    n: int = Field(1, ge=1, le=MAX_IMAGES, description="How many images to draw.")
    partial_images: int | None = Field(
        None,
        ge=0,
        le=MAX_PARTIAL_IMAGES,
        description="How many images to show while one is drawn, 0 to 3, where the model can.",
    )
    extra: dict[str, Any] | None = Field(
        None,
        description="Parameters for models that this service does not know, such as seed, steps "
        "or negative_prompt: at most 32, and 64 KiB as JSON.",
    )

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        return gather(values, cls.model_fields) if isinstance(values, dict) else values

    @field_validator("extra")
    @classmethod
    def _check_extra(cls, extra: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if extra is None else check_extra(extra, cls.model_fields)


class GenerationStatus(StrEnum):
    """How far a generation is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself (but for a late answer to an unknown one)."""
        return self not in {GenerationStatus.QUEUED, GenerationStatus.RUNNING}


class GenerationError(BaseModel):
    """Why a generation, or a part of it, gave no image."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="What went wrong, for programs.")
    message: str = Field(description="What went wrong and what to do, for people.")
    errors: list[dict[str, Any]] | None = Field(None, description="Each field that will not do.")


class Generation(BaseModel):
    """A request for images, from when it was written down: what became of it, and when."""

    model_config = ConfigDict(frozen=True)

    guid: str = Field(
        description="The generation's public name, a UUID.",
        examples=["c8d1e6f0-2b47-4a95-9e13-6d0f8b2a7c54"],
    )
    status: GenerationStatus = Field(description="How far it is.", examples=["succeeded"])
    prompt: str = Field(
        description="The prompt, exactly as it was given.", examples=["a red fox in the snow"]
    )
    model: str = Field(description="The model that is asked.", examples=["gpt-image-2"])
    parameters: dict[str, Any] = Field(
        description="The parameters that are sent to the model. Where the operator's map has "
        "changed them, `asked_for` holds what was asked for.",
        examples=[{"size": "1024x1024"}],
    )
    n: int = Field(description="How many images are asked for.", examples=[2])
    model_served: str | None = Field(
        None, description="The model that answered.", examples=["gpt-image-2"]
    )
    upstream_request_id: str | None = Field(
        None,
        description="The name that the model's server gave to the call, the last of several.",
        examples=["req_7d1f0c2b9e8a4635"],
    )
    usage: dict[str, Any] | None = Field(
        None,
        description="The tokens that the model's server counted since the last retry, if any.",
        examples=[{"input_tokens": 14, "output_tokens": 1056, "total_tokens": 1070}],
    )
    error: GenerationError | None = Field(
        None,
        description="Why there is no image, or not every image that was asked for.",
        examples=[
            {
                "code": "bad-generator-response",
                "message": "The image model gave fewer images than were asked for.",
            }
        ],
    )
    queued_at: datetime = Field(
        description="When it was written down, in UTC.", examples=["2026-11-20T09:14:36.004211Z"]
    )
    started_at: datetime | None = Field(
        None, description="When it was last taken up.", examples=["2026-11-20T09:14:36.004211Z"]
    )
    answered_at: datetime | None = Field(
        None, description="When the model last answered.", examples=["2026-11-20T09:15:00.101542Z"]
    )
    stored_at: datetime | None = Field(
        None, description="When its images were on disk.", examples=["2026-11-20T09:15:00.131907Z"]
    )
    finished_at: datetime | None = Field(
        None, description="When it came to its end.", examples=["2026-11-20T09:15:00.131907Z"]
    )


class AttemptStatus(StrEnum):
    """What is known of one paid call."""

    SENT = "sent"
    """It was sent, or will be at once: whether anything is charged is not known yet."""
    UNSENT = "unsent"
    """Nothing reached the model's server."""
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """No whole answer came."""


NEVER_CHARGED_FOR: Mapping[str, str] = MappingProxyType(
    {"status": AttemptStatus.UNSENT.value, "error_code": GeneratorBusyError.code}
)
"""An attempt with one of these values was certainly not accepted: it may be made again."""


class AnsweredImage(BaseModel):
    """What an answer said of one image, beside its bytes."""

    model_config = ConfigDict(frozen=True)

    url: str | None = None
    revised_prompt: str | None = None


class Answer(BaseModel):
    """What of an answer is written down at once: with it, an image by URL can be fetched again."""

    model_config = ConfigDict(frozen=True)

    model: str
    request_id: str | None = None
    usage: dict[str, Any] | None = None
    left_out: tuple[str, ...] = ()
    """The parameters that the model's server did not take, and that were not sent in the end."""
    images: tuple[AnsweredImage, ...]


class Attempt(BaseModel):
    """One call of a generation, written down before it is sent.

    The model's server is told the call's name, `guid`.
    """

    model_config = ConfigDict(frozen=True)

    generation_guid: str
    number: int
    part: int | None
    """Which of the generation's calls this is a try of, from 0; None: of one before a retry."""
    n: int
    status: AttemptStatus = AttemptStatus.SENT
    image_guids: tuple[str, ...]
    """What the images are to be called: by it their files are found again."""
    answer: Answer | None = None
    error_code: str | None = None
    sent_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def guid(self) -> str:
        """The call's name."""
        return f"{self.generation_guid}-{self.number}"

    @property
    def may_be_charged_for(self) -> bool:
        """Whether the call was accepted, or may have been."""
        return all(getattr(self, name) != value for name, value in NEVER_CHARGED_FOR.items())


class ImageDetail(ImageDetailCreate):
    """A kept image: everything about it but its bytes.

    What is kept is believed: bounds of requests do not hold for pictures from elsewhere.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=False, revalidate_instances="never"
    )

    guid: str = Field(
        description="The image's public name, a UUID.",
        examples=["5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"],
    )
    filename: str = Field(
        description="A human-readable file name, unique to the image.",
        examples=["a-red-fox-in-the-snow-20261120T091500-5f2b8c1e.png"],
    )
    prompt: str = Field(
        description="The prompt, exactly as it was given.", examples=["a red fox in the snow"]
    )
    created_at: datetime = Field(
        description="When the image was kept, in UTC.", examples=["2026-11-20T09:15:00.123456Z"]
    )
    updated_at: datetime = Field(
        description="When anything about it changed last, in UTC.",
        examples=["2026-11-20T09:15:00.123456Z"],
    )
    content_type: ContentType = Field(
        description="The media type, from the bytes themselves.", examples=["image/png"]
    )
    width: int = Field(description="Width in pixels.", examples=[1024])
    height: int = Field(description="Height in pixels.", examples=[1024])
    byte_size: int = Field(description="Size of the image file in bytes.", examples=[1482113])
    sha256: str = Field(
        description="SHA-256 of the image file, in hexadecimal.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    model: str = Field(description="The model that drew it.", examples=["gpt-image-2"])
    revised_prompt: str | None = Field(
        description="The prompt as the model rewrote it, where it says so.",
        examples=["A red fox stands in fresh snow, looking into the camera"],
    )
    parameters: dict[str, Any] = Field(
        description="The parameters that were sent to the model; it chose the rest itself.",
        examples=[{"size": "1024x1024"}],
    )
    generation_guid: str | None = Field(
        None,
        description="The generation that it came from.",
        examples=["c8d1e6f0-2b47-4a95-9e13-6d0f8b2a7c54"],
    )
    tags: Annotated[tuple[str, ...], BeforeValidator(lambda tags: tags or ())] = Field(
        (),
        description="The tags that it was given, in alphabetical order.",
        examples=[["animals", "winter"]],
    )

    thumbhash: str | None = Field(
        None,
        description="A ThumbHash in Base64, to paint while the image loads; null where there is "
        "none.",
        examples=["1QcSHQRnh493V4dIh4eXh1h4kJUI"],
    )
    has_content_credentials: bool | None = Field(
        None,
        description="Whether the image file carries C2PA content credentials; null where nobody "
        "has looked.",
        examples=[True],
    )

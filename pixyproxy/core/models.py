"""The models that all floors share."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pixyproxy.core.exceptions import GeneratorBusyError
from pixyproxy.core.text import fold_tag

MAX_PROMPT_CHARS = 32_000
"""The longest prompt any known model takes (GPT image models, OpenAI's API reference)."""
MAX_TAG_CHARS = 64
MAX_IMAGES = 10
"""The most images that any known model draws in one call."""


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


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode without lone surrogates") from None
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Prompt = Annotated[
    str,
    Field(max_length=MAX_PROMPT_CHARS),
    AfterValidator(_storable),
    AfterValidator(_not_blank),
]
Choice = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_storable)]


def _is_key(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise ValueError("must be 1 to 255 printable ASCII characters without spaces")
    return text


def _as_tag(text: str) -> str:
    tag = fold_tag(text)
    if not 0 < len(tag) <= MAX_TAG_CHARS:
        raise ValueError(f"must have 1 to {MAX_TAG_CHARS} characters")
    if any(unicodedata.category(char) == "Cc" for char in tag):
        raise ValueError("must not contain control characters")
    return tag


TagName = Annotated[str, AfterValidator(_storable), AfterValidator(_as_tag)]
"""A tag, with case and white space made alike."""
IdempotencyKey = Annotated[str, AfterValidator(_is_key)]


class ImageDetailCreate(BaseModel):
    """What an image is drawn from: the prompt."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, revalidate_instances="always"
    )

    prompt: Prompt = Field(description="What to draw, in words.")


class GenerationCreate(ImageDetailCreate):
    """What a caller asks for. What is left out (None) is left to the model."""

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
    n: int = Field(1, ge=1, le=MAX_IMAGES, description="How many images to draw.")


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

    guid: str = Field(description="The generation's public name, a UUID.")
    status: GenerationStatus = Field(description="How far it is.")
    prompt: str = Field(description="The prompt, exactly as it was given.")
    model: str = Field(description="The model that is asked.")
    parameters: dict[str, Any] = Field(description="The parameters that are sent to the model.")
    n: int = Field(description="How many images are asked for.")
    model_served: str | None = Field(None, description="The model that answered.")
    upstream_request_id: str | None = Field(
        None, description="The name that the model's server gave to the call, the last of several."
    )
    usage: dict[str, Any] | None = Field(
        None,
        description="The tokens that the model's server counted since the last retry, if any.",
    )
    error: GenerationError | None = Field(
        None, description="Why there is no image, or not every image that was asked for."
    )
    queued_at: datetime = Field(description="When it was written down, in UTC.")
    started_at: datetime | None = Field(None, description="When it was last taken up.")
    answered_at: datetime | None = Field(None, description="When the model last answered.")
    stored_at: datetime | None = Field(None, description="When its images were on disk.")
    finished_at: datetime | None = Field(None, description="When it came to its end.")


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

    guid: str = Field(description="The image's public name, a UUID.")
    filename: str = Field(description="A human-readable file name, unique to the image.")
    prompt: str = Field(description="The prompt, exactly as it was given.")
    created_at: datetime = Field(description="When the image was kept, in UTC.")
    updated_at: datetime = Field(description="When anything about it changed last, in UTC.")
    content_type: ContentType = Field(description="The media type, from the bytes themselves.")
    width: int = Field(description="Width in pixels.")
    height: int = Field(description="Height in pixels.")
    byte_size: int = Field(description="Size of the image file in bytes.")
    sha256: str = Field(description="SHA-256 of the image file, in hexadecimal.")
    model: str = Field(description="The model that drew it.")
    revised_prompt: str | None = Field(
        description="The prompt as the model rewrote it, where it says so."
    )
    parameters: dict[str, Any] = Field(
        description="The parameters that were sent to the model; it chose the rest itself."
    )
    generation_guid: str | None = Field(None, description="The generation that it came from.")
    tags: Annotated[tuple[str, ...], BeforeValidator(lambda tags: tags or ())] = Field(
        (), description="The tags that it was given, in alphabetical order."
    )

    thumbhash: str | None = Field(
        None,
        description="A ThumbHash in Base64, to paint while the image loads; null where there is "
        "none.",
    )
    has_content_credentials: bool | None = Field(
        None,
        description="Whether the image file carries C2PA content credentials; null where nobody "
        "has looked.",
    )


class Tag(BaseModel):
    """A tag, and how many images have it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The tag itself.")
    image_count: int = Field(description="How many images have it.")


class Count(BaseModel):
    """How many there are."""

    model_config = ConfigDict(frozen=True)

    value: int = Field(description="How many.")
    is_estimate: bool = Field(description="Whether it is only about so many.")


class StatsEntry(BaseModel):
    """What is kept of one day, model and format."""

    model_config = ConfigDict(frozen=True)

    day: date = Field(description="The day on which the images were kept, in UTC.")
    model: str = Field(description="The model that drew them.")
    content_type: str = Field(description="Their media type.")
    image_count: int = Field(description="How many images.")
    byte_size: int = Field(description="The size of their files in bytes.")


class Stats(BaseModel):
    """What is kept in all."""

    model_config = ConfigDict(frozen=True)

    image_count: int = Field(description="How many images.")
    byte_size: int = Field(description="The size of their files in bytes.")
    entries: tuple[StatsEntry, ...] = Field(
        description="What there is of each day, model and format, the newest day first."
    )

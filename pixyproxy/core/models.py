"""The models that all floors share."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_PROMPT_CHARS = 32_000
"""The longest prompt any known model takes (GPT image models, OpenAI's API reference)."""


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


class ImageDetailCreate(BaseModel):
    """What a caller asks for. What is left out (None) is left to the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: Prompt = Field(description="What to draw, in words.")
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


class ImageDetail(BaseModel):
    """A kept image: everything about it but its bytes."""

    model_config = ConfigDict(frozen=True)

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

"""What images are searched for: every criterion, named once.

From the fields of `ImageCriteria` REST makes its query parameters and GraphQL its filter. What a
criterion demands of an image's row, and where to look for it, stands in `data/search/criteria.py`.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from pixyproxy.core.fields import TagName, Text
from pixyproxy.core.models import ContentType

MAX_QUERY_CHARS = 1000
MAX_TAGS = 20

_DIMENSIONS = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", re.ASCII)


class Orientation(StrEnum):
    """The form of an image."""

    description: str

    LANDSCAPE = "landscape", "Wider than high."
    PORTRAIT = "portrait", "Higher than wide."
    SQUARE = "square", "As wide as high."

    def __new__(cls, value: str, description: str) -> Self:
        """Make a member of its value and of what it means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    @classmethod
    def of(cls, width: int, height: int) -> "Orientation":
        """Return the orientation of an image of this size."""
        if width == height:
            return cls.SQUARE
        return cls.LANDSCAPE if width > height else cls.PORTRAIT


def _are_dimensions(text: str) -> str:
    if not _DIMENSIONS.fullmatch(text):
        raise ValueError("must be WIDTHxHEIGHT in pixels, such as 1024x1024")
    return text


Dimensions = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+x[0-9]+$"}),
    AfterValidator(_are_dimensions),
]


def _text(description: str) -> Any:
    """Return a field for a text that a caller types."""
    return Field(
        None,
        max_length=MAX_QUERY_CHARS,
        description=description,
        json_schema_extra={"pattern": r"^[^\x00]*$"},
    )


class ImageCriteria(BaseModel):
    """What is searched for. Criteria combine: an image must meet all; None is no criterion.

    `query`, `prompt` and `filename` are in the language of `core.query`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    query: Text | None = _text(
        "Words in prompt or filename, or a GUID. Words match whole, all of them, in any order; "
        '`cat*` is a beginning, `"red fox"` a phrase, `-dog` must not be there. Case and Latin '
        "accents do not count; CJK text is found by its characters."
    )
    prompt: Text | None = _text("The same, in the prompt alone.")
    filename: Text | None = _text("The same, in the filename alone.")
    guid: Text | None = _text("Exactly this GUID.")
    model: Text | None = Field(None, max_length=255, description="The model that drew it.")
    content_type: ContentType | None = Field(
        None, strict=False, description="The media type, such as `image/png`."
    )
    dimensions: Dimensions | None = Field(
        None, description="Exactly WIDTHxHEIGHT pixels, such as `1024x1024`."
    )
    orientation: Orientation | None = Field(
        None, strict=False, description="`landscape`, `portrait` or `square`."
    )
    created_after: AwareDatetime | None = Field(
        None, strict=False, description="Kept at this time or later, with an offset (RFC 3339)."
    )
    created_before: AwareDatetime | None = Field(
        None, strict=False, description="Kept before this time, with an offset (RFC 3339)."
    )
    tags: list[TagName] | None = Field(None, max_length=MAX_TAGS, description="All of these tags.")

    @property
    def given(self) -> dict[str, Any]:
        """The criteria that there are, by name. No tags at all are none."""
        return {
            name: value for name, value in vars(self).items() if value is not None and value != []
        }

    @property
    def is_of_all(self) -> bool:
        """Whether nothing is asked for that an image could lack."""
        return not self.given

"""What is told of many images together."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field


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

"""What can be chosen of each model that is offered, for forms to show."""

from pydantic import BaseModel, ConfigDict, Field

from pixyproxy.service.providers import ModelList
from pixyproxy.service.providers.profiles import Profile


class FreeSizeChoice(BaseModel):
    """The sizes that a model takes beside those it names, in pixels."""

    model_config = ConfigDict(frozen=True)

    min_edge: int = Field(description="The least that an edge measures.")
    max_edge: int = Field(description="The most that an edge measures.")
    max_pixels: int = Field(description="The most that width times height is.")
    multiple_of: int = Field(description="What both edges must be divisible by.")
    max_aspect: int | None = Field(
        description="How many times the short edge the long one may be; null: any."
    )


class ModelChoices(BaseModel):
    """What one model takes. Of a list, null means that any value is passed on to the model."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The model's name, as it is asked for.")
    is_default: bool = Field(description="Whether it draws where a caller names none.")
    sizes: list[str] | None = Field(description="The sizes it names: WIDTHxHEIGHT, or `auto`.")
    free_size: FreeSizeChoice | None = Field(description="The sizes it takes beside those.")
    qualities: list[str] | None = Field(description="The values of `quality`.")
    styles: list[str] | None = Field(description="The values of `style`.")
    backgrounds: list[str] | None = Field(description="The values of `background`.")
    output_formats: list[str] | None = Field(description="The values of `output_format`.")
    moderations: list[str] | None = Field(description="The values of `moderation`.")
    takes_extra: bool = Field(
        description="Whether parameters that this service does not know are passed on to it."
    )
    max_images: int = Field(description="How many images one call to it draws at most.")
    max_prompt_chars: int = Field(description="How many characters its prompts have at most.")


def list_choices(models: ModelList) -> list[ModelChoices]:
    """Return what can be chosen of each model that may be asked for, the default one first."""
    return [
        _choices(model.name, models.profile_of(model.name), is_default=model.is_default)
        for model in models.offered()
    ]


def _choices(name: str, profile: Profile, *, is_default: bool) -> ModelChoices:
    free = profile.free_size

    def listed(values: tuple[str, ...] | None) -> list[str] | None:
        return None if values is None else list(values)

    return ModelChoices(
        name=name,
        is_default=is_default,
        sizes=listed(profile.size),
        free_size=free
        and FreeSizeChoice(
            min_edge=free.min_edge,
            max_edge=free.max_edge,
            max_pixels=free.max_pixels,
            multiple_of=free.multiple_of,
            max_aspect=free.max_aspect,
        ),
        qualities=listed(profile.quality),
        styles=listed(profile.style),
        backgrounds=listed(profile.background),
        output_formats=listed(profile.output_format),
        moderations=listed(profile.moderation),
        takes_extra=profile.takes_any,
        max_images=profile.max_n,
        max_prompt_chars=profile.max_prompt_chars,
    )

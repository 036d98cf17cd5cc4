"""GraphQL: the models that can be asked to draw."""

from typing import Any

import strawberry
from pydantic import BaseModel

from pixyproxy.schema.context import PixyInfo
from pixyproxy.service.providers.choices import FreeSizeChoice, ModelChoices


def _field_of(model: type[BaseModel], name: str) -> Any:
    return strawberry.field(description=model.model_fields[name].description)


@strawberry.type(
    name="FreeSize", description="The sizes that a model takes beside those it names, in pixels."
)
class FreeSizeType:
    """The fields of the service's FreeSizeChoice."""

    min_edge: int = _field_of(FreeSizeChoice, "min_edge")
    max_edge: int = _field_of(FreeSizeChoice, "max_edge")
    max_pixels: int = _field_of(FreeSizeChoice, "max_pixels")
    multiple_of: int = _field_of(FreeSizeChoice, "multiple_of")
    max_aspect: int | None = _field_of(FreeSizeChoice, "max_aspect")


@strawberry.type(
    name="Model",
    description="What one model takes. Of a list, null means that any value is passed on to the "
    "model.",
)
class ModelType:
    """The fields of the service's ModelChoices."""

    name: str = _field_of(ModelChoices, "name")
    is_default: bool = _field_of(ModelChoices, "is_default")
    sizes: list[str] | None = _field_of(ModelChoices, "sizes")
    free_size: FreeSizeType | None = _field_of(ModelChoices, "free_size")
    qualities: list[str] | None = _field_of(ModelChoices, "qualities")
    styles: list[str] | None = _field_of(ModelChoices, "styles")
    backgrounds: list[str] | None = _field_of(ModelChoices, "backgrounds")
    output_formats: list[str] | None = _field_of(ModelChoices, "output_formats")
    moderations: list[str] | None = _field_of(ModelChoices, "moderations")
    max_images: int = _field_of(ModelChoices, "max_images")
    max_prompt_chars: int = _field_of(ModelChoices, "max_prompt_chars")


@strawberry.type
class ModelQuery:
    """The query for models."""

    @strawberry.field(
        graphql_type=list[ModelType],
        description="The models that are offered and what can be chosen of each, the default one "
        "first.",
    )
    def models(self, info: PixyInfo) -> list[ModelChoices]:
        """Return the models."""
        return list(info.context.models)

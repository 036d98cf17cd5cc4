"""GraphQL: the models that can be asked to draw."""

import strawberry

from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.fields import shows
from pixyproxy.service.providers.choices import FreeSizeChoice, ModelChoices, list_choices


@strawberry.type(
    name="FreeSize", description="The sizes that a model takes beside those it names, in pixels."
)
@shows(FreeSizeChoice)
class FreeSizeType:
    """The fields of the service's FreeSizeChoice."""


@strawberry.type(
    name="Model",
    description="What one model takes. Of a list, null means that any value is passed on to the "
    "model.",
)
@shows(ModelChoices)
class ModelType:
    """The fields of the service's ModelChoices."""

    sizes: list[str] | None
    free_size: FreeSizeType | None
    qualities: list[str] | None
    styles: list[str] | None
    backgrounds: list[str] | None
    output_formats: list[str] | None
    moderations: list[str] | None


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
        return list_choices(info.context.services.models)

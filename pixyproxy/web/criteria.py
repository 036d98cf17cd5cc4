"""What images are searched for, as query parameters: made from the fields of ImageCriteria."""

from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends, Query

from pixyproxy.core.criteria import MAX_TAGS, ImageCriteria
from pixyproxy.core.fields import MAX_TAG_CHARS

_TAG = Annotated[
    list[Annotated[str, Query(max_length=2 * MAX_TAG_CHARS)]] | None,
    Query(description="A tag it must have; may be given again.", max_length=MAX_TAGS),
]
"""In a URL a list is a parameter that is given again: its name is in the singular."""


def _parameter(name: str) -> Parameter:
    if name == "tags":
        return Parameter("tag", Parameter.KEYWORD_ONLY, default=None, annotation=_TAG)
    field = ImageCriteria.model_fields[name]
    query = Query(description=field.description, json_schema_extra=field.json_schema_extra)
    annotation: Any = Annotated[field.annotation, *field.metadata, query]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


async def _criteria(**given: Any) -> dict[str, Any]:
    return {"tags" if name == "tag" else name: value for name, value in given.items()}


_criteria.__signature__ = Signature(  # type: ignore[attr-defined]
    [_parameter(name) for name in ImageCriteria.model_fields]
)
Criteria = Annotated[dict[str, Any], Depends(_criteria)]

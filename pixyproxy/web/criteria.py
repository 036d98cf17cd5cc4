"""What images are searched for, as query parameters."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import AwareDatetime

from pixyproxy.core.models import MAX_TAG_CHARS, ContentType
from pixyproxy.service.finding.finder import MAX_QUERY_CHARS, MAX_TAGS, ImageCriteria

_NO_NUL = {"pattern": r"^[^\x00]*$"}


def _described(name: str, **bounds: Any) -> Any:
    return Query(description=ImageCriteria.model_fields[name].description, **bounds)


def _text(name: str) -> Any:
    return _described(name, max_length=MAX_QUERY_CHARS, json_schema_extra=_NO_NUL)


async def _criteria(
    query: Annotated[str | None, _text("query")] = None,
    prompt: Annotated[str | None, _text("prompt")] = None,
    filename: Annotated[str | None, _text("filename")] = None,
    guid: Annotated[str | None, _text("guid")] = None,
    model: Annotated[str | None, _described("model", max_length=255)] = None,
    content_type: Annotated[ContentType | None, _described("content_type")] = None,
    dimensions: Annotated[str | None, _described("dimensions", pattern="^[0-9]+x[0-9]+$")] = None,
    orientation: Annotated[
        Literal["landscape", "portrait", "square"] | None, _described("orientation")
    ] = None,
    created_after: Annotated[AwareDatetime | None, _described("created_after")] = None,
    created_before: Annotated[AwareDatetime | None, _described("created_before")] = None,
    tag: Annotated[
        list[Annotated[str, Query(max_length=2 * MAX_TAG_CHARS)]] | None,
        Query(description="A tag it must have; may be given again.", max_length=MAX_TAGS),
    ] = None,
) -> dict[str, Any]:
    return {
        "query": query,
        "prompt": prompt,
        "filename": filename,
        "guid": guid,
        "model": model,
        "content_type": content_type,
        "dimensions": dimensions,
        "orientation": orientation,
        "created_after": created_after,
        "created_before": created_before,
        "tags": tag,
    }


Criteria = Annotated[dict[str, Any], Depends(_criteria)]

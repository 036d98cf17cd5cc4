"""REST: changing and deleting images, their tags, and what there is in all."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from pixyproxy.core.criteria import MAX_QUERY_CHARS
from pixyproxy.core.statistics import Stats, Tag
from pixyproxy.core.urls import IMAGES
from pixyproxy.service.curating.curation import MAX_TAGS_LISTED, TagChange
from pixyproxy.web.dependencies import AbsoluteUrls, Authenticated, Curator, KnownParameters
from pixyproxy.web.models import ImageDetailWithUrl
from pixyproxy.web.openapi import NEEDS_KEY, problems
from pixyproxy.web.submission import JSON, read_object

router = APIRouter(tags=["images"], dependencies=[Authenticated, KnownParameters])

Guid = Annotated[str, Path(description="The image's GUID.")]
_EXAMPLE = '{"add_tags": ["winter"]}'
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": TagChange.model_json_schema(),
                "examples": {"tags": {"value": {"add_tags": ["winter"], "remove_tags": ["draft"]}}},
            }
        },
    }
}


@router.patch(
    f"{IMAGES}/{{guid}}",
    openapi_extra={**NEEDS_KEY, **_BODY},
    responses=problems(400, 401, 404, 410, 413, 415, 422, 503, 507),
    operation_id="updateImage",
    summary="Change an image's tags",
)
async def update_image(
    request: Request, guid: Guid, curator: Curator, urls: AbsoluteUrls
) -> ImageDetailWithUrl:
    """Give an image tags, or take them away. Nothing else of an image can change."""
    image = await curator.update_image(guid, await read_object(request, _EXAMPLE))
    return ImageDetailWithUrl.of(image, urls)


@router.delete(
    f"{IMAGES}/{{guid}}",
    status_code=204,
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 404, 410, 422, 503, 507),
    operation_id="deleteImage",
    summary="Delete an image",
)
async def delete_image(guid: Guid, curator: Curator) -> Response:
    """Delete an image. Its GUID answers 410 from then on.

    Where the service has a trash (`PIXYPROXY_TRASH_DAYS`) it goes there and can be restored until
    its time is over; else, and then, it is deleted for good, with its bytes.

    Other processes may serve the bytes for 5 seconds more. Caches of browsers and of others in
    between were told that the bytes never change, and may keep them.
    """
    await curator.delete_image(guid)
    return Response(status_code=204)


@router.get(
    "/tags",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 422, 503),
    operation_id="listTags",
    summary="List tags",
)
async def list_tags(
    curator: Curator,
    first: Annotated[int, Query(ge=1, le=MAX_TAGS_LISTED, description="How many.")] = 20,
    prefix: Annotated[
        str | None,
        Query(
            max_length=MAX_QUERY_CHARS,
            description="What they begin with.",
            json_schema_extra={"pattern": r"^[^\x00]*$"},
        ),
    ] = None,
) -> list[Tag]:
    """Return tags and how many images have each, the most used first."""
    return await curator.list_tags(first=first, prefix=prefix)


@router.get(
    "/stats",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 422, 503),
    operation_id="getStats",
    summary="Count what is kept",
)
async def get_stats(curator: Curator) -> Stats:
    """Return how many images there are and what they take, by day, model and format."""
    return await curator.get_stats()

"""REST: images as they look while they are drawn."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from pixyproxy.core.urls import GENERATIONS
from pixyproxy.web.content import content_disposition
from pixyproxy.web.dependencies import AuthenticatedContent, Generations
from pixyproxy.web.openapi import BYTES, MAY_NEED_KEY, problems

router = APIRouter(prefix=GENERATIONS, tags=["generations"])


@router.get(
    "/{guid}/partial/{index}",
    dependencies=[AuthenticatedContent],
    openapi_extra={**MAY_NEED_KEY},
    response_class=Response,
    responses={
        200: {
            "description": "The bytes, as the model gave them.",
            "content": BYTES,
        },
        **problems(401, 404, 422),
    },
    operation_id="getPartialImage",
    summary="Read a partial image",
)
async def get_partial_image(
    guid: Annotated[str, Path(description="The generation's GUID.")],
    index: Annotated[int, Path(ge=0, le=1_000_000, description="Which one, from 0.")],
    generations: Generations,
) -> Response:
    """Return an image as it looks while it is drawn: here, only meanwhile, and never kept.

    The process that draws it has it; any other, and all of them afterwards, answer 404.
    """
    partial = generations.get_partial_image(guid, index)
    name = f"{guid}-{index}.{partial.content_type.extension}"
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": content_disposition(name),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
    }
    return Response(partial.data, headers=headers, media_type=partial.content_type)

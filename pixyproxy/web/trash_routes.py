"""REST: the trash."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pixyproxy.service.curating.batches import BatchResult, ImageBatch
from pixyproxy.service.finding.cursors import MAX_CURSOR_CHARS
from pixyproxy.web.batch_routes import EXAMPLE, batch_body
from pixyproxy.web.dependencies import Authenticated, KnownParameters
from pixyproxy.web.models import Emptied, TrashedImageDetail
from pixyproxy.web.openapi import NEEDS_KEY, problems
from pixyproxy.web.paging import Size, link_after
from pixyproxy.web.state import services_of
from pixyproxy.web.submission import read_object

router = APIRouter(prefix="/trash", tags=["images"], dependencies=[Authenticated, KnownParameters])

After = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_CHARS, description="What follows this cursor; as `Link` has it."),
]


@router.get(
    "",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 422, 503),
    operation_id="listTrash",
    summary="List the trash",
)
async def list_trash(
    request: Request, response: Response, size: Size = 20, after: After = None
) -> list[TrashedImageDetail]:
    """Return deleted images that can still be restored; what was deleted last comes first.

    There are none where the service has no trash. The `Link` header names the page that follows.
    """
    part = await services_of(request).trash_finder.list_images(first=size, after=after)
    link_after(request, response, part.edges[-1].cursor if part.has_next_page else None)
    return [TrashedImageDetail.of(edge.node) for edge in part.edges]


@router.post(
    "/restore",
    openapi_extra=batch_body(ImageBatch),
    responses=problems(400, 401, 413, 415, 422),
    operation_id="restoreImages",
    summary="Restore deleted images",
)
async def restore_images(request: Request) -> BatchResult:
    """Take images out of the trash, to where they were in every list; tell to which it was done."""
    body = await read_object(request, EXAMPLE)
    return await services_of(request).batches.restore_images(body)


@router.delete(
    "",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 422, 503, 507),
    operation_id="emptyTrash",
    summary="Empty the trash",
)
async def empty_trash(request: Request) -> Emptied:
    """Delete for good all that is in the trash, and tell how many images that is.

    None can be restored from then on; of very many the bytes go by and by.
    """
    return Emptied(image_count=await services_of(request).trash.empty())

"""REST: the same done to many images at once, and many images as one zip file."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from pixyproxy.core.exceptions import ImageNotFoundError
from pixyproxy.core.models import ImageDetail
from pixyproxy.service.curating.batches import BatchResult, ImageBatch, TagChangeBatch
from pixyproxy.service.finding.finder import MAX_PAGE_SIZE
from pixyproxy.service.serving.zipping import zip_images
from pixyproxy.service.validation import validate
from pixyproxy.web.content import ChunkedFile
from pixyproxy.web.dependencies import Authenticated, Finder, KnownParameters
from pixyproxy.web.openapi import BINARY, NEEDS_KEY, problems
from pixyproxy.web.state import services_of
from pixyproxy.web.submission import JSON, read_object

router = APIRouter(prefix="/image", tags=["images"], dependencies=[Authenticated, KnownParameters])

_ZIP = "application/zip"
_GUIDS = ["5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"]
EXAMPLE = '{"guids": ["5f2b8c1e-..."]}'
"""What is shown to who sends something else."""


def batch_body(model: type[BaseModel], **more: Any) -> dict[str, Any]:
    """Return the declaration of a body with GUIDs."""
    example = {"guids": {"value": {"guids": _GUIDS, **more}}}
    content = {JSON: {"schema": model.model_json_schema(), "examples": example}}
    return {**NEEDS_KEY, "requestBody": {"required": True, "content": content}}


@router.post(
    "/batch/update",
    openapi_extra=batch_body(TagChangeBatch, add_tags=["winter"]),
    responses=problems(400, 401, 413, 415, 422),
    operation_id="updateImages",
    summary="Change the tags of many images",
)
async def update_images(request: Request) -> BatchResult:
    """Give images tags, or take them away, and tell to which it was done and to which not."""
    body = await read_object(request, EXAMPLE)
    return await services_of(request).batches.update_images(body)


@router.post(
    "/batch/delete",
    openapi_extra=batch_body(ImageBatch),
    responses=problems(400, 401, 413, 415, 422),
    operation_id="deleteImages",
    summary="Delete many images",
)
async def delete_images(request: Request) -> BatchResult:
    """Delete images as `DELETE /image/{guid}` does, and tell to which it was done."""
    body = await read_object(request, EXAMPLE)
    return await services_of(request).batches.delete_images(body)


@router.post(
    "/batch/purge",
    openapi_extra=batch_body(ImageBatch),
    responses=problems(400, 401, 413, 415, 422),
    operation_id="purgeImages",
    summary="Delete many images for good",
)
async def purge_images(request: Request) -> BatchResult:
    """Delete images for good and at once, be they in the trash or not; tell to which it was done.

    Where the service has no trash, that is what `POST /image/batch/delete` does.
    """
    body = await read_object(request, EXAMPLE)
    return await services_of(request).batches.purge_images(body)


@router.post(
    "/zip",
    openapi_extra=batch_body(ImageBatch),
    response_class=StreamingResponse,
    responses={
        200: {"description": "The zip file.", "content": {_ZIP: BINARY}},
        **problems(400, 401, 404, 413, 415, 422, 503),
    },
    operation_id="zipImages",
    summary="Download many images",
)
async def zip_of_images(request: Request, finder: Finder) -> StreamingResponse:
    """Return a zip file of the images' files, as they are, and `images.json` with their details.

    Images that are not there any more are left out; where none is there, the answer is 404.
    """
    batch = validate(ImageBatch, await read_object(request, EXAMPLE))
    guids = list(dict.fromkeys(batch.guids))
    found: list[ImageDetail] = []
    for start in range(0, len(guids), MAX_PAGE_SIZE):
        found += await finder.get_images(guids[start : start + MAX_PAGE_SIZE])
    if not found:
        raise ImageNotFoundError
    chunks: AsyncGenerator[bytes, None] = zip_images(
        found, services_of(request).images.open_content
    )
    name = f"pixyproxy-{datetime.now(UTC):%Y%m%dT%H%M%S}.zip"
    headers = {
        "Content-Type": _ZIP,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return ChunkedFile(await anext(chunks), chunks, 200, raw)

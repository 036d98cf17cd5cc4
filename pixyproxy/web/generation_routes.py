"""REST: generations, from the moment they are written down."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.sse import format_sse_event

from pixyproxy.core.exceptions import (
    StorageException,
)
from pixyproxy.core.models import Generation, GenerationCreate, GenerationStatus
from pixyproxy.core.urls import GENERATIONS, Urls
from pixyproxy.service.generating.generations import GenerationService
from pixyproxy.service.generating.terms import Terms
from pixyproxy.web.dependencies import AbsoluteUrls, Authenticated, Generations
from pixyproxy.web.event_stream import EventStream
from pixyproxy.web.models import GenerationDetail
from pixyproxy.web.openapi import NEEDS_KEY, REPLAYED, header, problems
from pixyproxy.web.paging import Page, Size, link_pages
from pixyproxy.web.submission import (
    JSON,
    GenerationBody,
    SubmissionTerms,
    document_body,
    replay_headers,
    submit,
)

logger = logging.getLogger(__name__)
router = APIRouter(prefix=GENERATIONS, tags=["generations"], dependencies=[Authenticated])

Guid = Annotated[str, Path(description="The generation's GUID.")]
_STATUSES = tuple(status.value for status in GenerationStatus)
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": GenerationDetail,
        "description": "The generation is written down and goes on by itself.",
        "headers": {
            "Location": header("Where to ask for the generation."),
            "Idempotency-Replayed": REPLAYED,
            "Preference-Applied": header("`respond-async`, where it was asked for."),
        },
    }
}
"""What an operation declares that answers with a generation under way."""
_EVENT = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"const": "generation"},
        "id": {"enum": list(_STATUSES)},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "contentSchema": {"$ref": "#/components/schemas/GenerationDetail"},
        },
    },
}


@router.post(
    "",
    status_code=202,
    openapi_extra={
        **NEEDS_KEY,
        **document_body(several={"prompt": "a fox in three moods", "n": 3}),
    },
    responses={**ACCEPTED, **problems(400, 401, 413, 415, 422, 503, 507)},
    summary="Submit a generation",
)
async def create_generation(
    request: Request,
    body: GenerationBody,
    terms: SubmissionTerms,
    generations: Generations,
    urls: AbsoluteUrls,
) -> Response:
    """Write down what is asked for, and answer at once; the images are drawn in their turn.

    Follow it by `GET /generation/{guid}` or by its events. What was sent before under
    the same `Idempotency-Key` is answered as it is now, with `Idempotency-Replayed: true`.
    """
    return await submit_and_answer(request, body, terms, generations, urls)


@router.get(
    "",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 422, 503),
    summary="List generations",
)
async def list_generations(
    request: Request,
    response: Response,
    generations: Generations,
    urls: AbsoluteUrls,
    status: Annotated[
        str | None,
        Query(description="Only these.", json_schema_extra={"enum": list(_STATUSES)}),
    ] = None,
    page: Page = 1,
    size: Size = 20,
) -> list[GenerationDetail]:
    """Return a page of all generations, newest first. `Link` names the pages beside it."""
    found = await generations.list_generations(status=status, page=page, size=size)
    link_pages(request, response, found, page, size)
    return await _describe(found, generations, urls)


@router.get(
    "/{guid}",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 404, 503),
    summary="Read about a generation",
)
async def get_generation(
    guid: Guid, generations: Generations, urls: AbsoluteUrls
) -> GenerationDetail:
    """Return how far a generation is and what came of it."""
    generation = await generations.get_generation(guid)
    return await _describe_one(generation, generations, urls)


@router.delete(
    "/{guid}",
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 404, 409, 503),
    summary="Cancel a generation",
)
async def cancel_generation(
    guid: Guid, generations: Generations, urls: AbsoluteUrls
) -> GenerationDetail:
    """Cancel a generation that is still queued; one that was sent may be charged for."""
    generation = await generations.cancel(guid)
    return await _describe_one(generation, generations, urls)


@router.post(
    "/{guid}/retry",
    status_code=202,
    openapi_extra={**NEEDS_KEY},
    responses={**ACCEPTED, **problems(401, 404, 409, 503)},
    summary="Try a generation again",
)
async def retry_generation(
    request: Request, guid: Guid, generations: Generations, urls: AbsoluteUrls
) -> Response:
    """Queue a generation again that failed, was cancelled, or whose outcome is unknown.

    What was sent to the model before may have been charged for; this may be charged for once more.
    """
    generation = await generations.retry(guid)
    detail = await _describe_one(generation, generations, urls)
    return _accepted(request, guid, detail.model_dump_json())


@router.get(
    "/{guid}/events",
    openapi_extra={**NEEDS_KEY},
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events, to the generation's end.",
            "content": {EventStream.media_type: {"itemSchema": _EVENT}},
        },
        204: {"description": "The client has seen the end: do not connect again."},
        **problems(401, 404, 503),
    },
    summary="Follow a generation",
)
async def follow_generation(
    guid: Guid,
    generations: Generations,
    urls: AbsoluteUrls,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="The status that was told last; browsers send it by themselves.",
        ),
    ] = None,
) -> Response:
    """Tell how the generation is now, and each change of its status, until it has ended.

    Events have the name `generation`, the status as their id, and the generation as their data.
    """
    present = await generations.get_generation(guid)
    if present.status.is_final and last_event_id == present.status:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return EventStream(_tell(guid, generations, urls))


async def submit_and_answer(
    request: Request,
    body: GenerationCreate,
    terms: Terms,
    generations: GenerationService,
    urls: Urls,
) -> Response:
    """Write a generation down, and answer 202 with it."""
    submitted = await submit(request, body, terms, generations)
    generation = submitted.generation
    if submitted.replayed:
        detail = await _describe_one(generation, generations, urls)
    else:  # it has no images yet, and nothing may fail any more
        detail = GenerationDetail.of(generation, (), urls)
    return _accepted(request, generation.guid, detail.model_dump_json())


async def tell_still_running(
    request: Request,
    guid: str,
    generations: GenerationService,
    urls: Urls,
) -> Response:
    """Answer 202 with the generation that goes on, or at least with its name."""
    try:
        generation = await generations.get_generation(guid)
        detail = await _describe_one(generation, generations, urls)
    except StorageException as error:
        logger.warning("%s: %s", error.code, error.reason)
        return _accepted(request, guid, orjson.dumps({"guid": guid}))
    return _accepted(request, guid, detail.model_dump_json())


def _accepted(request: Request, guid: str, body: str | bytes) -> Response:
    headers = {"Location": Urls().generation(guid), **replay_headers(request)}
    return Response(body, status_code=202, headers=headers, media_type=JSON)


async def _tell(
    guid: str, generations: GenerationService, urls: Urls
) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(generations.watch(guid)) as watching:
            async for generation in watching:
                detail = await _describe_one(generation, generations, urls)
                yield format_sse_event(
                    event="generation", id=detail.status, data_str=detail.model_dump_json()
                )
    except StorageException as error:  # the client connects again
        logger.warning("%s: %s", error.code, error.reason)


async def _describe_one(
    generation: Generation, generations: GenerationService, urls: Urls
) -> GenerationDetail:
    (detail,) = await _describe([generation], generations, urls)
    return detail


async def _describe(
    found: Sequence[Generation], generations: GenerationService, urls: Urls
) -> list[GenerationDetail]:
    images = await generations.images_of([generation.guid for generation in found])
    return [
        GenerationDetail.of(generation, images.get(generation.guid, ()), urls)
        for generation in found
    ]

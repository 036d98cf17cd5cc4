"""REST: making, listing, finding and reading images."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault, StillRunningError
from pixyproxy.core.urls import IMAGES, Urls
from pixyproxy.service.finding.finder import MAX_PAGE_SIZE
from pixyproxy.web.criteria import Criteria
from pixyproxy.web.dependencies import (
    AbsoluteUrls,
    Authenticated,
    Finder,
    Generations,
    urls_of,
)
from pixyproxy.web.generation_routes import ACCEPTED, submit_and_answer, tell_still_running
from pixyproxy.web.models import ImageDetailWithUrl
from pixyproxy.web.openapi import NEEDS_KEY, REPLAYED, header, problems
from pixyproxy.web.paging import Part, find_page
from pixyproxy.web.routing import BareRoute
from pixyproxy.web.state import services_of, state_of
from pixyproxy.web.submission import (
    JSON,
    RESPOND_ASYNC,
    GenerationBody,
    PrefersAsync,
    SubmissionTerms,
    document_body,
    replay_headers,
    submit,
)

router = APIRouter(prefix=IMAGES, tags=["images"])
bare_router = APIRouter(prefix=IMAGES, tags=["images"], route_class=BareRoute)

Guid = Annotated[str, Path(description="The image's GUID.")]
Guids = Annotated[
    list[Annotated[str, Query(max_length=36)]] | None,
    Query(description="Just the images with these GUIDs, in this order.", max_length=MAX_PAGE_SIZE),
]

_CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "headers": {
            "Location": header("Where to read about the image."),
            "Idempotency-Replayed": REPLAYED,
        }
    }
}
_ONE_ONLY = (
    "must be 1 where the image itself is waited for; for several, send POST /generation, or "
    "Prefer: respond-async"
)


@router.post(
    "",
    status_code=201,
    response_model=ImageDetailWithUrl,
    dependencies=[Authenticated],
    openapi_extra={**NEEDS_KEY, **document_body()},
    responses={
        **_CREATED,
        **ACCEPTED,
        **problems(400, 401, 409, 410, 413, 415, 422, 429, 502, 503, 504, 507),
    },
    summary="Generate an image",
)
async def create_image(
    request: Request,
    body: GenerationBody,
    terms: SubmissionTerms,
    prefers_async: PrefersAsync,
    generations: Generations,
    urls: AbsoluteUrls,
    response: Response,
) -> ImageDetailWithUrl | Response:
    """Have the model draw the prompt, keep the image for good, and answer when it is kept.

    What is left out is left to the model. A high-quality image may take minutes: where it takes
    longer than gateways like to wait, or with `Prefer: respond-async`, the answer is 202 with the
    generation, which goes on by itself. Do not send it again then; ask for it at its `Location`.
    """
    if prefers_async:
        answer = await submit_and_answer(request, body, terms, generations, urls)
        answer.headers["Preference-Applied"] = RESPOND_ASYNC
        return answer
    if body.n > 1:
        raise ConstraintViolationError([FieldFault("n", _ONE_ONLY)])
    submitted = await submit(request, body, terms, generations, is_waited_for=True)
    try:
        detail = await generations.wait_for_image(submitted, state_of(request).sync_wait_s)
    except StillRunningError as error:
        return await tell_still_running(request, error.generation_guid, generations, urls)
    response.headers["Location"] = Urls().image(detail.guid)
    response.headers.update(replay_headers(request))
    return ImageDetailWithUrl.of(detail, urls)


@router.get(
    "",
    dependencies=[Authenticated],
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 422, 503),
    summary="List all images",
)
async def list_images(
    request: Request,
    response: Response,
    finder: Finder,
    urls: AbsoluteUrls,
    part: Part,
    guid: Guids = None,
) -> list[ImageDetailWithUrl]:
    """Return a page of all images, newest first, or the images with these GUIDs.

    The `Link` header names the pages beside it. Pages by number are for the beginning of the list;
    cursors go on to its end, and nothing is seen twice or passed over when images are added.
    """
    if guid is not None:
        details = await finder.get_images(guid)
    else:
        details = await find_page(request, response, finder, {}, part)
    return [ImageDetailWithUrl.of(detail, urls) for detail in details]


@router.get(
    "/search",
    dependencies=[Authenticated],
    openapi_extra={**NEEDS_KEY},
    responses=problems(401, 422, 503),
    summary="Search images",
)
async def search_images(
    request: Request,
    response: Response,
    finder: Finder,
    urls: AbsoluteUrls,
    criteria: Criteria,
    part: Part,
) -> list[ImageDetailWithUrl]:
    """Return a page of the images that meet all criteria, newest first; with none, of all images.

    Pages by number go to the 10,000th match, cursors to the last.
    """
    details = await find_page(request, response, finder, criteria, part)
    return [ImageDetailWithUrl.of(detail, urls) for detail in details]


@bare_router.get(
    "/{guid}",
    dependencies=[Authenticated],
    openapi_extra={**NEEDS_KEY},
    response_model=ImageDetailWithUrl,
    responses=problems(401, 404, 410, 503),
    summary="Read about an image",
)
async def get_image(request: Request, guid: Guid) -> Response:
    """Return everything about one image but its bytes."""
    image = await services_of(request).images.get_image(guid)
    detail = ImageDetailWithUrl.of(image, urls_of(request))
    return Response(detail.model_dump_json(), media_type=JSON)

"""REST: making, listing, finding and reading images."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.datastructures import URL
from starlette.exceptions import HTTPException

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import ContentType, ImageDetail, ImageDetailCreate
from pixyproxy.core.strict_json import parse_json
from pixyproxy.service.image_service import MAX_PAGE, MAX_PAGE_SIZE, MAX_QUERY_CHARS
from pixyproxy.service.validation import validate
from pixyproxy.web.content import content_headers, is_unmodified
from pixyproxy.web.dependencies import (
    Authenticated,
    AuthenticatedContent,
    Images,
    ImageUrl,
    images_of,
    make_image_url,
)
from pixyproxy.web.models import ImageDetailWithUrl
from pixyproxy.web.openapi import MAY_NEED_KEY, NEEDS_KEY, problems
from pixyproxy.web.routing import BareRoute

router = APIRouter(prefix="/image", tags=["images"])
bare_router = APIRouter(prefix="/image", tags=["images"], route_class=BareRoute)

Page = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Which page, from 1.")]
Size = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Images on a page.")]
Guid = Annotated[str, Path(description="The image's GUID.")]
Criterion = Annotated[
    str | None,
    Query(max_length=MAX_QUERY_CHARS, json_schema_extra={"pattern": r"^[^\x00]*$"}),
]


async def _image_to_create(request: Request) -> ImageDetailCreate:
    """Read the body here, not by FastAPI, which would read it before asking for the key."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise HTTPException(415, "Send the body as Content-Type: application/json.")
    try:
        body = parse_json(await request.body())
    except ValueError as error:
        raise HTTPException(400, f"Send a JSON object; {error}.") from None
    if not isinstance(body, dict):
        fault = FieldFault("body", 'must be a JSON object, such as {"prompt": "a red fox"}')
        raise ConstraintViolationError([fault])
    return validate(ImageDetailCreate, body)


_JSON = "application/json"
_CREATE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {
                "schema": ImageDetailCreate.model_json_schema(),
                "examples": {
                    "prompt": {"value": {"prompt": "a red fox in the snow"}},
                    "size": {"value": {"prompt": "a lighthouse at night", "size": "1024x1024"}},
                },
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    dependencies=[Authenticated],
    openapi_extra={**NEEDS_KEY, **_CREATE_BODY},
    responses=problems(400, 401, 413, 415, 422, 429, 502, 503, 504, 507),
    summary="Generate an image",
)
async def create_image(
    image: Annotated[ImageDetailCreate, Depends(_image_to_create)],
    images: Images,
    image_url: ImageUrl,
    response: Response,
) -> ImageDetailWithUrl:
    """Have the model draw the prompt, keep the image for good, and answer when it is kept.

    What is left out is left to the model. A high-quality image may take minutes.
    """
    detail = await images.create_image(image)
    response.headers["Location"] = f"/image/{detail.guid}"
    return _with_url(detail, image_url)


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
    images: Images,
    image_url: ImageUrl,
    page: Page = 1,
    size: Size = 20,
) -> list[ImageDetailWithUrl]:
    """Return a page of all images, newest first. The `Link` header names the pages beside it."""
    details = await images.list_images(page=page, size=size)
    _link_pages(request, response, details, page, size)
    return [_with_url(detail, image_url) for detail in details]


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
    images: Images,
    image_url: ImageUrl,
    query: Annotated[
        Criterion, Query(description="Words in prompt or filename, or a GUID.")
    ] = None,
    prompt: Annotated[Criterion, Query(description="Words that the prompt has.")] = None,
    filename: Annotated[Criterion, Query(description="Words that the filename has.")] = None,
    guid: Annotated[Criterion, Query(description="Exactly this GUID.")] = None,
    page: Page = 1,
    size: Size = 20,
) -> list[ImageDetailWithUrl]:
    """Return a page of the images that meet all criteria, newest first; with none, of all images.

    Words match whole, all of them, in any order, whatever the case.
    """
    details = await images.search_images(
        query=query, prompt=prompt, filename=filename, guid=guid, page=page, size=size
    )
    _link_pages(request, response, details, page, size)
    return [_with_url(detail, image_url) for detail in details]


@bare_router.get(
    "/{guid}",
    dependencies=[Authenticated],
    openapi_extra={**NEEDS_KEY},
    response_model=ImageDetailWithUrl,
    responses=problems(401, 404, 503),
    summary="Read about an image",
)
async def get_image(request: Request, guid: Guid) -> Response:
    """Return everything about one image but its bytes."""
    image = await images_of(request).get_image(guid)
    detail = _with_url(image, await make_image_url(request))
    return Response(detail.model_dump_json(), media_type=_JSON)


_CONTENT: dict[str, Any] = {
    "dependencies": [AuthenticatedContent],
    "openapi_extra": {**MAY_NEED_KEY},
    "response_class": Response,
    "responses": {
        200: {
            "description": "The bytes, exactly as the model gave them.",
            "content": {content_type.value: {} for content_type in ContentType},
        },
        304: {"description": "The client's copy is still good."},
        **problems(401, 404, 503),
    },
}


@bare_router.get("/{guid}/content", summary="Read an image's bytes", **_CONTENT)
@bare_router.head("/{guid}/content", summary="Read the headers of an image's bytes", **_CONTENT)
async def get_content(request: Request, guid: Guid) -> Response:
    """Serve the image file. Its URL never changes and never expires; neither do its bytes."""
    images = images_of(request)
    image = await images.get_image(guid)
    private = request.app.state.content_requires_key
    headers = content_headers(image, private=private)
    if is_unmodified(request.headers.get("if-none-match"), image.sha256):
        return Response(status_code=304, headers=headers)
    content = await images.read_content(image)
    headers["Content-Length"] = str(image.byte_size)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=image.content_type)
    return Response(content, headers=headers, media_type=image.content_type)


def _with_url(image: ImageDetail, image_url: Callable[[str], str]) -> ImageDetailWithUrl:
    return ImageDetailWithUrl.of(image, image_url(image.guid))


def _link_pages(
    request: Request, response: Response, found: Sequence[Any], page: int, size: int
) -> None:
    url = URL(scope={**request.scope, "server": None, "headers": []})
    links = []
    if page > 1:
        links.append(f'<{url.include_query_params(page=page - 1)}>; rel="prev"')
    if len(found) == size and page < MAX_PAGE:
        links.append(f'<{url.include_query_params(page=page + 1)}>; rel="next"')
    if links:
        response.headers["Link"] = ", ".join(links)

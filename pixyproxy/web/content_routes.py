"""REST: the bytes of images, as they are and in other sizes."""

from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request, Response

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.rendering import Plan
from pixyproxy.service.sizes import (
    MAX_SIDE,
    QUALITIES,
    SIDES,
    Fit,
    ImageFormat,
    Wish,
    plan_for,
    read_wish,
)
from pixyproxy.service.variants import Variants
from pixyproxy.web.conditions import Validators, is_unmodified
from pixyproxy.web.content import answer_with, content_headers
from pixyproxy.web.dependencies import AuthenticatedContent, images_of
from pixyproxy.web.openapi import MAY_NEED_KEY, header, problems
from pixyproxy.web.routing import BareRoute

bare_router = APIRouter(prefix="/image", tags=["images"], route_class=BareRoute)

Guid = Annotated[str, Path(description="The image's GUID.")]

_DOWNLOAD = {"": False, "0": False, "false": False, "1": True, "true": True}
_MAX_QUERY_FIELDS = 100
_MAX_REMEMBERED_BYTES = 200


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _ladder(rungs: tuple[int, ...]) -> str:
    return f"The nearest of {', '.join(map(str, rungs))} serves"


_SIDE = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}
_PARAMETERS = [
    _parameter("width", f"Width in pixels. {_ladder(SIDES)}; never more than the image.", **_SIDE),
    _parameter("height", "Height in pixels, likewise.", **_SIDE),
    _parameter(
        "fit",
        "With both: `cover` fills the box and cuts what stands out, `contain` shows all.",
        type="string",
        enum=[*Fit],
        default=Fit.COVER,
    ),
    _parameter(
        "format",
        "`auto`: AVIF or WebP where `Accept` names it, else PNG or JPEG.",
        type="string",
        enum=[*ImageFormat],
        default=ImageFormat.AUTO,
    ),
    _parameter(
        "quality",
        f"1 to 100, of what loses some. {_ladder(QUALITIES)}.",
        type="integer",
        minimum=1,
        maximum=100,
    ),
    _parameter(
        "download", "`1`: as an attachment.", type="string", enum=["0", "1", "false", "true"]
    ),
]
_BYTES: dict[str, Any] = {content_type.value: {} for content_type in ContentType}
_CONTENT: dict[str, Any] = {
    "dependencies": [AuthenticatedContent],
    "openapi_extra": {**MAY_NEED_KEY, "parameters": _PARAMETERS},
    "response_class": Response,
    "responses": {
        200: {
            "description": "The bytes: exactly as the model gave them, unless a width, height, "
            "fit, format or quality is asked for.",
            "headers": {"ETag": header("Names these bytes."), "Last-Modified": header("Since.")},
            "content": _BYTES,
        },
        206: {
            "description": "The part that `Range` asks for.",
            "headers": {"Content-Range": header("Which part it is.")},
            "content": _BYTES,
        },
        304: {"description": "The client's copy is still good."},
        **problems(401, 404, 412, 416, 422, 503),
    },
}


@bare_router.get("/{guid}/content", summary="Read an image's bytes", **_CONTENT)
@bare_router.head("/{guid}/content", summary="Read the headers of an image's bytes", **_CONTENT)
async def get_content(request: Request, guid: Guid) -> Response:
    """Serve the image file, or the image in another size or format.

    The URL never changes and never expires; neither do the bytes of the file. Without width,
    height, fit, format or quality it is the file.
    """
    wish, download = _read_query(request.scope["query_string"])
    image = await images_of(request).get_image(guid)
    if wish is None:
        return await _serve_original(request, image, download=download)
    return await _serve_variant(request, image, wish, download=download)


async def _serve_original(request: Request, image: ImageDetail, *, download: bool) -> Response:
    validators = Validators(f'"{image.sha256}"', image.created_at)
    headers = content_headers(
        validators,
        image.filename,
        private=request.app.state.content_requires_key,
        download=download,
        negotiated=False,
    )
    if is_unmodified(request.headers, validators):
        return Response(status_code=304, headers=headers)
    images = images_of(request)
    accel: str | None = request.app.state.accel_redirect
    if accel is not None and request.method == "GET" and "range" not in request.headers:
        headers["X-Accel-Redirect"] = f"{accel}/{images.locate_content(image)}"
        return Response(headers=headers, media_type=image.content_type)
    content = await images.open_content(image)
    return await answer_with(request, content, image.content_type, validators, headers)


async def _serve_variant(
    request: Request, image: ImageDetail, wish: Wish, *, download: bool
) -> Response:
    variants: Variants = request.state.services.variants
    plan = plan_for(image, wish, request.headers.get("accept", ""))
    # The same software makes the same bytes; a newer one may make others of the same date.
    etag = f'"{variants.name_of(image, plan)}"'
    validators = Validators(etag, image.created_at, date_is_strong=False)
    headers = content_headers(
        validators,
        _filename(image, plan),
        private=request.app.state.content_requires_key,
        download=download,
        negotiated=wish.format is ImageFormat.AUTO,
    )
    if is_unmodified(request.headers, validators):
        return Response(status_code=304, headers=headers)
    content = await variants.get(image, plan)
    return await answer_with(request, content, plan.content_type, validators, headers)


def _filename(image: ImageDetail, plan: Plan) -> str:
    stem = image.filename.rpartition(".")[0]
    return f"{stem}-{plan.width}x{plan.height}.{plan.content_type.extension}"


def _read_query(query: bytes) -> tuple[Wish | None, bool]:
    """Return what the URL asks for, and whether as a download. Raises ConstraintViolationError."""
    if not query:
        return None, False
    return _remember(query) if len(query) <= _MAX_REMEMBERED_BYTES else _parse_query(query)


@lru_cache(maxsize=1024)
def _remember(query: bytes) -> tuple[Wish | None, bool]:
    return _parse_query(query)


def _parse_query(query: bytes) -> tuple[Wish | None, bool]:
    try:
        fields = dict(parse_qsl(query.decode("latin-1"), max_num_fields=_MAX_QUERY_FIELDS))
    except ValueError:
        raise ConstraintViolationError(
            [FieldFault("query", f"must have at most {_MAX_QUERY_FIELDS} parameters")]
        ) from None
    wish = read_wish(fields)
    download = _DOWNLOAD.get(fields.get("download", ""))
    if download is None:
        allowed = tuple(filter(None, _DOWNLOAD))
        fault = FieldFault("download", f"must be one of {', '.join(allowed)}", allowed)
        raise ConstraintViolationError([fault])
    return wish, download

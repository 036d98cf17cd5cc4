"""REST: the bytes of images, as they are and in other sizes."""

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request, Response

from pixyproxy.core.cache import BoundedCache
from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.pictures.rendering import Plan
from pixyproxy.service.serving.derivatives import (
    MAX_SIDE,
    QUALITIES,
    SIDES,
    Fit,
    ImageFormat,
    Wish,
    plan_for,
    read_wish,
)
from pixyproxy.service.serving.variants import Variants
from pixyproxy.web.conditions import Validators, is_unmodified
from pixyproxy.web.content import RawResponse, Representation, answer_with, content_headers
from pixyproxy.web.dependencies import AuthenticatedContent, images_of
from pixyproxy.web.openapi import MAY_NEED_KEY, header, problems
from pixyproxy.web.routing import BareRoute

bare_router = APIRouter(prefix="/image", tags=["images"], route_class=BareRoute)

Guid = Annotated[str, Path(description="The image's GUID.")]

_DOWNLOAD = {"": False, "0": False, "false": False, "1": True, "true": True}
_MAX_QUERY_FIELDS = 100
_ENTRY_BYTES = 4000
_CONDITIONS = {
    b"accept",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"range",
}


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
        **problems(401, 404, 410, 412, 416, 422, 503),
    },
}


@bare_router.head("/{guid}/content", summary="Read the headers of an image's bytes", **_CONTENT)
@bare_router.get("/{guid}/content", summary="Read an image's bytes", **_CONTENT)  # matched first
async def get_content(request: Request, guid: Guid) -> Response:
    """Serve the image file, or the image in another size or format.

    The URL never changes and never expires; neither do the bytes of the file. Without width,
    height, fit, format or quality it is the file.
    """
    image = await images_of(request).get_image(guid)
    scope = request.scope
    conditions = {
        name.decode(): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _CONDITIONS
    }
    shown = _represent(request, image, conditions.pop("accept", ""))
    if conditions and is_unmodified(conditions, shown.validators):
        return RawResponse(304, shown.headers)
    is_head = scope["method"] == "HEAD"
    if shown.plan is not None:
        variants: Variants = scope["state"]["services"].variants
        content = await variants.get(image, shown.plan)
    elif request.app.state.accel_redirect and not is_head and "range" not in conditions:
        return _leave_to_nginx(request, shown)
    else:
        content = await images_of(request).open_content(image)
    return await answer_with(content, shown, conditions, is_head=is_head)


class Representations(BoundedCache[tuple[str, bytes, str], Representation]):
    """What was served last, by GUID, query and Accept. Only good for the very same ImageDetail."""

    def __init__(self) -> None:
        super().__init__(max_entries=10_000, max_bytes=16 * 2**20)


def _represent(request: Request, image: ImageDetail, accept: str) -> Representation:
    """Return what the URL shows to a client that accepts these types.

    Raises ConstraintViolationError.
    """
    query: bytes = request.scope["query_string"]
    representations: Representations = request.app.state.representations
    key = (image.guid, query, accept if query else "")
    shown = representations.get(key)
    if shown is not None and shown.image is image:
        return shown
    wish, download = _read_query(query)
    if wish is None:
        plan = None
        validators = Validators(f'"{image.sha256}"', image.created_at)
        filename = image.filename
    else:
        plan = plan_for(image, wish, accept)
        variants: Variants = request.state.services.variants
        # The same software makes the same bytes; a newer one may make others of the same date.
        etag = f'"{variants.name_of(image, plan)}"'
        validators = Validators(etag, image.created_at, date_is_strong=False)
        filename = _filename(image, plan)
    headers = content_headers(
        validators,
        filename,
        private=request.app.state.content_requires_key,
        download=download,
        negotiated=wish is not None and wish.format is ImageFormat.AUTO,
    )
    shown = Representation(image, plan, validators, headers)
    representations.put(key, shown, size=_ENTRY_BYTES + len(query) + len(accept))
    return shown


def _leave_to_nginx(request: Request, shown: Representation) -> Response:
    path = images_of(request).locate_content(shown.image)
    redirect = f"{request.app.state.accel_redirect}/{path}"
    headers = [(b"x-accel-redirect", redirect.encode()), (b"content-length", b"0")]
    headers.append((b"content-type", shown.content_type.encode()))
    return RawResponse(200, [*shown.headers, *headers])


def _filename(image: ImageDetail, plan: Plan) -> str:
    stem = image.filename.rpartition(".")[0]
    return f"{stem}-{plan.width}x{plan.height}.{plan.content_type.extension}"


def _read_query(query: bytes) -> tuple[Wish | None, bool]:
    """Return what the URL asks for, and whether as a download. Raises ConstraintViolationError."""
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

"""REST: the bytes of images, as they are and in other sizes."""

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request, Response

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import ImageDetail
from pixyproxy.core.urls import IMAGES
from pixyproxy.service.pictures.rendering import DerivativeSpec
from pixyproxy.service.serving.derivative_requests import (
    OPTIONS,
    DerivativeRequest,
    ImageFormat,
    read_request,
    specify,
)
from pixyproxy.web.conditions import Validators, is_unmodified
from pixyproxy.web.content import RawResponse, Representation, answer_with, content_headers
from pixyproxy.web.dependencies import AuthenticatedContent
from pixyproxy.web.openapi import BYTES, MAY_NEED_KEY, header, problems
from pixyproxy.web.routing import BareRoute
from pixyproxy.web.state import State, state_of

bare_router = APIRouter(prefix=IMAGES, tags=["images"], route_class=BareRoute)

Guid = Annotated[str, Path(description="The image's GUID.")]

_DOWNLOAD = {"": False, "0": False, "false": False, "1": True, "true": True}
_MAX_QUERY_FIELDS = 100
_ENTRYBYTES = 4000
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
    return {
        "name": name,
        "in": "query",
        "description": description,
        "allowEmptyValue": True,  # a form sends what was left empty; it counts as absent
        "schema": schema,
    }


_PARAMETERS = [
    *(_parameter(name, one.description, **one.schema) for name, one in OPTIONS.items()),
    _parameter(
        "download", "`1`: as an attachment.", type="string", enum=["0", "1", "false", "true"]
    ),
]
*_NAMES, _LAST_NAME = OPTIONS
_CONTENT: dict[str, Any] = {
    "dependencies": [AuthenticatedContent],
    "openapi_extra": {**MAY_NEED_KEY, "parameters": _PARAMETERS},
    "response_class": Response,
    "responses": {
        200: {
            "description": "The bytes: exactly as the model gave them, unless a "
            f"{', '.join(_NAMES)} or {_LAST_NAME} is asked for.",
            "headers": {"ETag": header("Names these bytes."), "Last-Modified": header("Since.")},
            "content": BYTES,
        },
        206: {
            "description": "The part that `Range` asks for.",
            "headers": {"Content-Range": header("Which part it is.")},
            "content": BYTES,
        },
        304: {"description": "The client's copy is still good."},
        **problems(401, 404, 410, 412, 416, 422, 503),
    },
}


@bare_router.head(
    "/{guid}/content",
    operation_id="headImageContent",
    summary="Read the headers of an image's bytes",
    **_CONTENT,
)
@bare_router.get(  # matched first
    "/{guid}/content",
    operation_id="getImageContent",
    summary="Read an image's bytes",
    **_CONTENT,
)
async def get_content(request: Request, guid: Guid) -> Response:
    """Serve the image file, or the image in another size or format.

    The URL never changes and never expires; neither do the bytes of the file.
    """
    state = state_of(request)
    images = state.services.images
    image = await images.get_image(guid)
    scope = request.scope
    conditions = {
        name.decode(): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _CONDITIONS
    }
    shown = _represent(request, state, image, conditions.pop("accept", ""))
    if conditions and is_unmodified(conditions, shown.validators):
        return RawResponse(304, shown.headers)
    is_head = scope["method"] == "HEAD"
    if shown.spec is not None:
        content = await state.services.derivatives.get(image, shown.spec)
    elif state.accel_redirect and not is_head and "range" not in conditions:
        return _leave_to_nginx(state, shown)
    else:
        content = await images.open_content(image)
    return await answer_with(content, shown, conditions, is_head=is_head)


def _represent(request: Request, state: State, image: ImageDetail, accept: str) -> Representation:
    """Return what the URL shows to a client that accepts these types.

    Raises ConstraintViolationError.
    """
    query: bytes = request.scope["query_string"]
    key = (image.guid, query, accept if query else "")
    shown = state.representations.get(key)
    if shown is not None and shown.image is image:
        return shown
    asked, download = _read_query(query)
    if asked is None:
        spec = None
        validators = Validators(f'"{image.sha256}"', image.created_at)
        filename = image.filename
    else:
        spec = specify(image, asked, accept)
        # The same software makes the same bytes; a newer one may make others of the same date.
        etag = f'"{state.services.derivatives.name_of(image, spec)}"'
        validators = Validators(etag, image.created_at, date_is_strong=False)
        filename = _filename(image, spec)
    headers = content_headers(
        validators,
        filename,
        private=state.content_requires_key,
        download=download,
        negotiated=asked is not None and asked.format is ImageFormat.AUTO,
    )
    shown = Representation(image, spec, validators, headers)
    state.representations.put(key, shown, size=_ENTRYBYTES + len(query) + len(accept))
    return shown


def _leave_to_nginx(state: State, shown: Representation) -> Response:
    path = state.services.images.locate_content(shown.image)
    redirect = f"{state.accel_redirect}/{path}"
    headers = [(b"x-accel-redirect", redirect.encode()), (b"content-length", b"0")]
    headers.append((b"content-type", shown.content_type.encode()))
    return RawResponse(200, [*shown.headers, *headers])


def _filename(image: ImageDetail, spec: DerivativeSpec) -> str:
    stem = image.filename.rpartition(".")[0]
    return f"{stem}-{spec.width}x{spec.height}.{spec.content_type.extension}"


def _read_query(query: bytes) -> tuple[DerivativeRequest | None, bool]:
    """Return what the URL asks for, and whether as a download. Raises ConstraintViolationError."""
    try:
        fields = dict(parse_qsl(query.decode("latin-1"), max_num_fields=_MAX_QUERY_FIELDS))
    except ValueError:
        raise ConstraintViolationError(
            [FieldFault("query", f"must have at most {_MAX_QUERY_FIELDS} parameters")]
        ) from None
    asked = read_request(fields)
    download = _DOWNLOAD.get(fields.get("download", ""))
    if download is None:
        allowed = tuple(filter(None, _DOWNLOAD))
        fault = FieldFault("download", f"must be one of {', '.join(allowed)}", allowed)
        raise ConstraintViolationError([fault])
    return asked, download

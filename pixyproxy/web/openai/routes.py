"""Routes of OpenAI's images API, and Azure's forms of them.

They are not in this service's OpenAPI document: OpenAI's own reference describes them.
"""

import time
from typing import Any

import orjson
from fastapi import APIRouter, Depends
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.service.generating.terms import Terms
from pixyproxy.service.providers import ModelList, OfferedModel
from pixyproxy.web.dependencies import public, urls_of
from pixyproxy.web.openai.delivering import Desk, HeldAnswer, HeldStream
from pixyproxy.web.openai.errors import NO_SUCH_MODEL, VARIATIONS_ARE_GONE
from pixyproxy.web.openai.paths import AZURE_DEPLOYMENTS, AZURE_V1, V1
from pixyproxy.web.openai.requests import client_try, form_of, read_images_request
from pixyproxy.web.routing import BareRoute
from pixyproxy.web.state import services_of, state_of
from pixyproxy.web.submission import IDEMPOTENCY_KEY, JSON, read_object

_KEY_HEADERS = ("x-api-key", "api-key")
_GENERATIONS = "/images/generations"
_VARIATIONS = "/images/variations"
_DEPLOYMENT = AZURE_DEPLOYMENTS + "/{deployment:path}"
_EXAMPLE = '{"prompt": "a red fox"}'


async def authenticate(connection: HTTPConnection) -> None:
    """Let in who has a key, which these clients send in one, two or three ways at once."""
    await public(connection)
    access = state_of(connection).access
    connection.scope["state"]["caller"] = access.identify(
        connection, key_headers=_KEY_HEADERS, may_repeat=True
    )


router = APIRouter(
    route_class=BareRoute, dependencies=[Depends(authenticate)], include_in_schema=False
)


@router.post(_DEPLOYMENT + _GENERATIONS)
@router.post(AZURE_V1 + _GENERATIONS)
@router.post(V1 + _GENERATIONS)
async def create_images(request: Request, deployment: str | None = None) -> Response:
    """Have images drawn, keep them, and answer when the last one is kept; or tell by events."""
    body = await read_object(request, _EXAMPLE)
    asked = read_images_request(body, route=_GENERATIONS, deployment=deployment)
    services = services_of(request)
    terms = Terms(
        caller=request.scope["state"]["caller"],
        idempotency_key=_idempotency_key(request),
        client_try=client_try(request.headers, asked.request_key),
    )
    desk = Desk(
        request=request,
        asked=asked,
        terms=terms,
        generations=services.generations,
        images=services.images,
        urls=urls_of(request),
    )
    if asked.options.stream:
        return HeldStream(desk)
    setting = state_of(request).openai_response
    form = form_of(asked, setting=setting, default_model=services.models.resolve(None))
    return HeldAnswer(desk, form=form)


@router.post(_DEPLOYMENT + _VARIATIONS)
@router.post(AZURE_V1 + _VARIATIONS)
@router.post(V1 + _VARIATIONS)
async def create_variations(
    request: Request,  # noqa: ARG001
    deployment: str | None = None,  # noqa: ARG001
) -> Response:
    """Say what to use instead: OpenAI has retired this."""
    return VARIATIONS_ARE_GONE.response()


@router.get(AZURE_V1 + "/models")
@router.get(V1 + "/models")
async def list_models(request: Request) -> Response:
    """Return the models that may be asked for, the default one first."""
    began_at = time.perf_counter()
    models = services_of(request).models
    data = [_describe(model, models) for model in models.offered()]
    return _json({"object": "list", "data": data}, began_at)


@router.get(AZURE_V1 + "/models/{name:path}")
@router.get(V1 + "/models/{name:path}")
async def get_model(request: Request, name: str) -> Response:
    """Return one model."""
    began_at = time.perf_counter()
    models = services_of(request).models
    found = [_describe(model, models) for model in models.offered() if model.name == name]
    return _json(found[0], began_at) if found else NO_SUCH_MODEL.response()


def _describe(model: OfferedModel, models: ModelList) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": models.owner,
    }
    if model.shutdown is not None:
        described["shutdown_date"] = str(model.shutdown)
    if model.stands_for is not None:
        described["pixyproxy"] = {"stands_for": model.stands_for}
    return described


def _json(body: dict[str, Any], began_at: float) -> Response:
    headers = {"openai-processing-ms": str(round((time.perf_counter() - began_at) * 1000))}
    return Response(orjson.dumps(body), headers=headers, media_type=JSON)


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist(IDEMPOTENCY_KEY)
    if len(keys) > 1:
        raise ConstraintViolationError([FieldFault(IDEMPOTENCY_KEY, "must be sent once only")])
    return keys[0] if keys else None

"""Errors: the HTTP status of each, and the one handler that answers all of them."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixyproxy.core import exceptions
from pixyproxy.core.exceptions import (
    INTERNAL_ERROR_CODE,
    INTERNAL_ERROR_MESSAGE,
    ConstraintViolationError,
    PixyProxyException,
)
from pixyproxy.core.urls import DOCS, GRAPHQL
from pixyproxy.log import request_id_var
from pixyproxy.service.validation import field_faults
from pixyproxy.web.submission import replay_headers

logger = logging.getLogger(__name__)

STATUS: Mapping[type[PixyProxyException], int] = {
    exceptions.ConstraintViolationError: 422,
    exceptions.PromptRejectedError: 422,
    exceptions.IdempotencyConflictError: 422,
    exceptions.GeneratorBusyError: 429,
    exceptions.GeneratorAccountError: 502,
    exceptions.GeneratorUnavailableError: 503,
    exceptions.GeneratorTimeoutError: 504,
    exceptions.BadGeneratorResponseError: 502,
    exceptions.GenerationNotFoundError: 404,
    exceptions.GenerationStateError: 409,
    exceptions.GenerationCancelledError: 409,
    exceptions.StillRunningError: 202,
    exceptions.ImageNotFoundError: 404,
    exceptions.ImageGoneError: 410,
    exceptions.UnreadableImageError: 422,
    exceptions.AuthenticationError: 401,
    exceptions.OverloadedError: 503,
    exceptions.DatabaseUnavailableError: 503,
    exceptions.ImageStoreError: 503,
    exceptions.StorageFullError: 507,
}

_HTTP_CODES = {413: "payload-too-large", 414: "uri-too-long", 416: "range-not-satisfiable"}
"""Where the code is not the status in words (Python 3.13 words these anew)."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """What a client is told of an error, in the terms of either face."""

    status: int
    code: str
    message: str
    errors: list[dict[str, Any]] | None = None
    headers: Mapping[str, str] | None = None


def to_answer(error: Exception) -> ErrorAnswer:
    """Return what a client is told of `error`."""
    match error:
        case RequestValidationError():
            return to_answer(ConstraintViolationError(field_faults(error.errors())))
        case PixyProxyException():
            headers = {}
            if error.retry_after_s is not None:
                headers["Retry-After"] = str(error.retry_after_s)
            if isinstance(error, exceptions.AuthenticationError):
                headers["WWW-Authenticate"] = "Bearer"
            faults = error.faults if isinstance(error, ConstraintViolationError) else ()
            errors = [fault.as_dict() for fault in faults] or None
            return ErrorAnswer(_status_of(error), error.code, error.message, errors, headers)
        case HTTPException():
            title = HTTPStatus(error.status_code).phrase
            code = _HTTP_CODES.get(error.status_code) or title.lower().replace(" ", "-")
            message = error.detail if error.detail != title else f"{title}. See {DOCS}."
            return ErrorAnswer(error.status_code, code, message, headers=error.headers)
        case _:
            return ErrorAnswer(500, INTERNAL_ERROR_CODE, INTERNAL_ERROR_MESSAGE)


def _status_of(error: PixyProxyException) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


GraphqlBody = Callable[[str, str, list[dict[str, Any]] | None, str], Any]
"""Makes GraphQL's body of a code, a message, the faults of fields, and the request's id."""


class ExceptionHandler:
    """Answers every error, in the shape of the face that the request went to."""

    def __init__(self, *, graphql_body: GraphqlBody) -> None:
        self._graphql_body = graphql_body

    async def __call__(self, request: Request, error: Exception) -> Response:
        """Return the answer to `error`, and log what the operator must know of."""
        told = to_answer(error)
        if told.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("unforeseen error", exc_info=error)
        elif isinstance(error, exceptions.StorageException):
            logger.error("%s: %s", told.code, error.reason)
        elif isinstance(error, PixyProxyException):
            logger.info("refused code=%s", told.code)
        headers = {**(told.headers or {}), **replay_headers(request)}
        if told.status == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(request)):
            headers["Allow"] = ", ".join(methods)
        request_id = request_id_var.get()
        if request.url.path == GRAPHQL:
            body = self._graphql_body(told.code, told.message, told.errors, request_id)
            accepts = request.headers.get("accept", "")
            wanted = "application/graphql-response+json"
            media_type = wanted if wanted in accepts else "application/json"
        else:
            body = _problem(told, request_id)
            media_type = "application/problem+json"
        return Response(
            orjson.dumps(body),
            status_code=told.status,
            headers=headers,
            media_type=media_type,
        )


def _methods(request: Request) -> list[str]:
    """Return all methods of the request's path; the router names those of one route only."""
    matching = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] == Match.PARTIAL
    ]
    # A path that is spelled out is no image's.
    exact = [route for route in matching if route.path == request.scope["path"]]
    return sorted({method for route in exact or matching for method in route.methods or ()})


class AnswerErrors:
    """A middleware that answers what no route could: other middlewares' and unforeseen errors."""

    def __init__(
        self, app: ASGIApp, *, answer: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what goes wrong once an answer has begun is raised on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except ClientDisconnect:
            raise
        except Exception as error:
            if begun:
                raise
            response = await self._answer(Request(scope), error)
            await response(scope, receive, send)


def _problem(told: ErrorAnswer, request_id: str) -> dict[str, Any]:
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(told.status).phrase,
        "status": told.status,
        "detail": told.message,
        "code": told.code,
        "request_id": request_id,
    }
    return problem | ({"errors": told.errors} if told.errors else {})

"""Errors as OpenAI's clients read them, so that none of them sends again what may be paid for.

OpenAI's SDKs, AI SDK and others try again after 408, 409, 429 and any 5xx. What may have been
paid for is answered 424, which none of them does; OpenAI's SDKs obey `x-should-retry` besides.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.sse import format_sse_event
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pixyproxy.core import exceptions
from pixyproxy.core.exceptions import (
    INTERNAL_ERROR_MESSAGE,
    ConstraintViolationError,
    FaultKind,
    PixyProxyException,
)
from pixyproxy.core.urls import Urls

INVALID = "invalid_request_error"
SERVER = "server_error"
_RETRY_AFTER_S = 2
"""For what may be tried again, where nothing better is known."""
_LONGEST_WAIT_S = 60
"""OpenAI's SDK for Node waits no longer: it would try again at once, unless it is told not to."""


@dataclass(frozen=True, slots=True)
class OpenAIError:
    """What a client is told of an error."""

    status: int
    code: str
    message: str
    type: str = INVALID
    param: str | None = None
    should_retry: bool = False
    retry_after_s: float | None = None
    generation_guid: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The error's object; in it, what only we tell."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        if self.generation_guid is not None:
            error["pixyproxy"] = {
                "generation": self.generation_guid,
                "retryable": self.should_retry,
            }
        return error

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Return the answer."""
        wait_s = self.retry_after_s or _RETRY_AFTER_S
        is_soon = self.should_retry and wait_s <= _LONGEST_WAIT_S
        headers = {**(headers or {}), "x-should-retry": str(is_soon).lower()}
        if self.should_retry:
            headers["Retry-After"] = str(math.ceil(wait_s))
            headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
        return Response(
            orjson.dumps({"error": self.body}),
            self.status,
            headers,
            media_type="application/json",
        )

    def event(self) -> bytes:
        """Return the event that ends a stream. Any other form is no error to some client."""
        data = orjson.dumps({"type": "error", "error": self.body})
        return format_sse_event(event="error", data_str=data.decode())


VARIATIONS_ARE_GONE = OpenAIError(
    404,
    "unknown_url",
    "Image variations are retired. Describe the image that you want, and send it to "
    "/v1/images/generations; of an image, use /v1/images/edits.",
)
NO_SUCH_MODEL = OpenAIError(
    404,
    "model_not_found",
    "No such model may be asked for here; GET /v1/models lists those that may.",
    param="model",
)


def answer_error(request: Request, error: Exception, headers: Mapping[str, str]) -> Response:
    """Return the answer to an error of a request by which nothing was begun."""
    told = error_of_request(error)
    if told.status == HTTPStatus.NOT_FOUND and isinstance(error, HTTPException):
        told = _unknown_url(request)
    return told.response(headers)


def error_of_request(error: Exception) -> OpenAIError:
    """Return what is told of an error before anything was written down, or sent to a model."""
    match error:
        case ConstraintViolationError():
            return _of_constraint(error)
        case PixyProxyException():
            kind = next(kind for kind in type(error).__mro__ if kind in _BY_KIND)
            told = _BY_KIND[kind]
            return replace(told, message=error.message, retry_after_s=error.retry_after_s)
        case HTTPException():
            return _of_status(error)
        case _:
            return OpenAIError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", INTERNAL_ERROR_MESSAGE, SERVER
            )


def error_of_generation(
    error: Exception, guid: str, *, may_be_charged: bool, urls: Urls
) -> OpenAIError:
    """Return what is told of a generation that gave no image."""
    if not may_be_charged:
        return replace(error_of_request(error), generation_guid=guid)
    code = next(
        (code for kind, code in _MAY_BE_CHARGED.items() if isinstance(error, kind)),
        "upstream_outcome_unknown",
    )
    message = error.message if isinstance(error, PixyProxyException) else INTERNAL_ERROR_MESSAGE
    return OpenAIError(
        HTTPStatus.FAILED_DEPENDENCY,
        code,
        f"{message} It may have been paid for, so do not send it again: generation {guid} at "
        f"{urls.generation(guid)} tells what became of it, and has images that come late.",
        SERVER,
        generation_guid=guid,
    )


_MAY_BE_CHARGED: Mapping[type[Exception], str] = {
    exceptions.BadGeneratorResponseError: "upstream_bad_response",
    exceptions.StorageException: "upstream_image_unavailable",
}
_BY_KIND: Mapping[type, OpenAIError] = {
    exceptions.PromptRejectedError: OpenAIError(
        400, "moderation_blocked", "", "image_generation_user_error", "prompt"
    ),
    # Not 409, which is tried again.
    exceptions.IdempotencyConflictError: OpenAIError(
        400, "idempotency_key_reused", "", "idempotency_error"
    ),
    exceptions.GenerationCancelledError: OpenAIError(400, "generation_cancelled", ""),
    exceptions.AuthenticationError: OpenAIError(401, "invalid_api_key", ""),
    exceptions.UnknownModelError: OpenAIError(404, "model_not_found", "", param="model"),
    exceptions.ImageGoneError: OpenAIError(410, "image_gone", ""),
    exceptions.GeneratorBusyError: OpenAIError(
        429, "rate_limit_exceeded", "", "rate_limit_error", should_retry=True
    ),
    exceptions.GeneratorAccountError: OpenAIError(502, "upstream_account_error", "", SERVER),
    exceptions.GeneratorUnavailableError: OpenAIError(
        503, "upstream_unavailable", "", SERVER, should_retry=True
    ),
    exceptions.OverloadedError: OpenAIError(503, "overloaded", "", SERVER, should_retry=True),
    exceptions.DatabaseUnavailableError: OpenAIError(
        503, "database_unavailable", "", SERVER, should_retry=True
    ),
    exceptions.ImageStoreError: OpenAIError(
        503, "image_store_unavailable", "", SERVER, should_retry=True
    ),
    exceptions.StorageFullError: OpenAIError(507, "storage_full", "", SERVER),
    PixyProxyException: OpenAIError(400, "invalid_request", ""),
}
_BY_STATUS: Mapping[int, str] = {
    400: "invalid_json",
    404: "unknown_url",
    405: "method_not_allowed",
    413: "request_too_large",
    414: "url_too_long",
    415: "unsupported_content_type",
    431: "headers_too_large",
}
_BY_FAULT: Mapping[FaultKind, str] = {
    FaultKind.MISSING: "missing_required_parameter",
    FaultKind.UNKNOWN: "unknown_parameter",
    FaultKind.TYPE: "invalid_type",
    FaultKind.TOO_LONG: "string_above_max_length",
    FaultKind.VALUE: "invalid_value",
}
_NO_FIELD = "body"


def _of_constraint(error: ConstraintViolationError) -> OpenAIError:
    if not error.faults:
        return OpenAIError(400, "invalid_value", error.message)
    first = error.faults[0]
    param = None if first.field == _NO_FIELD else first.field
    return OpenAIError(400, _BY_FAULT[first.kind], error.message, param=param)


def _unknown_url(request: Request) -> OpenAIError:
    path = request.scope["path"][:_MAX_PATH_CHARS]
    is_text = any(path.endswith(end) for end in _OF_TEXT)
    what = "This service draws images and writes no text." if is_text else "Nothing is here."
    return OpenAIError(
        404,
        "unsupported_endpoint" if is_text else "unknown_url",
        f"{what} Ask POST /v1/images/generations, GET /v1/models or /v1/models/{{model}}; "
        f"you sent {request.method} {path}",
    )


_OF_TEXT = ("/chat/completions", "/completions", "/responses")
_MAX_PATH_CHARS = 200


def _of_status(error: HTTPException) -> OpenAIError:
    return OpenAIError(
        error.status_code,
        _BY_STATUS.get(error.status_code, "invalid_request"),
        error.detail,
        INVALID if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else SERVER,
    )

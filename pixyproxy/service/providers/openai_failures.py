"""What the failures of a server that speaks OpenAI's API mean: by status, code and type.

Never by the words of a message, which servers change at will.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx2

from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    ConstraintViolationError,
    FaultKind,
    FieldFault,
    GeneratorAccountError,
    GeneratorBusyError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
    PromptRejectedError,
    UnknownModelError,
)
from pixyproxy.service.outbound import ResponseTooLargeError
from pixyproxy.service.providers.profiles import PARAMETERS, PARTIAL_IMAGES, STREAM

_MAX_RETRY_AFTER_S = 3600
_REJECTED = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        "content_filter",
        "responsibleaipolicyviolation",  # Azure, as the inner error's code
    }
)
_UNKNOWN_MODEL = frozenset({"deploymentnotfound", "model_not_found"})
_ACCOUNT = _UNKNOWN_MODEL | frozenset(
    {
        "account_deactivated",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_quota",
        "invalid_api_key",
    }
)
_ACCOUNT_STATUSES = frozenset({401, 402, 403, 404, 405, 407, 410})
_INVALID_STATUSES = frozenset({400, 413, 422})
_TRANSIENT_STATUSES = frozenset({408, 409, 425})
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
_SENT = "pixyproxy.sent"
_MAX_REFUSAL_BYTES = 64 * 2**10
_NOT_FOUND = (
    "The image model's server answers 404 at {path}. Trying again does not help; its operator must "
    "act: PIXYPROXY_OPENAI_BASE_URL is to lead to its API, and commonly ends in /v1; or it has no "
    "such model."
)


async def watch_sending(request: httpx2.Request) -> None:
    """Hook of the HTTP client: note in the request's extensions whether any of it was sent.

    The kind of an error alone does not tell: a proxy that hangs up on CONNECT, before it has seen
    the request, raises the same as a server that hangs up on the request.
    """

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith(".send_request_headers.started"):
            request.extensions[_SENT] = info["request"].method != b"CONNECT"

    request.extensions["trace"] = trace


def failure_of_connection(
    request: httpx2.Request, cause: BaseException | None
) -> PixyProxyException:
    """Return what it means that no whole answer came: was the request sent, or not?

    Without proof that it was not, it was.
    """
    if not request.extensions.get(_SENT, not isinstance(cause, _NOT_SENT)):
        return GeneratorUnavailableError(sent=False)
    if isinstance(cause, ResponseTooLargeError | httpx2.DecodingError):
        return BadGeneratorResponseError()
    return GeneratorTimeoutError()


def failure_of_answer(
    status: int, error: Mapping[str, Any], headers: Mapping[str, str], *, path: str = ""
) -> PixyProxyException:
    """Return what an answer without an image means, by its status and its error's codes.

    `path` is what was asked for: a base URL may lead to nothing of the kind.
    """
    retry_after_s = _retry_after_s(headers)
    inner = error.get("innererror", error.get("inner_error"))
    codes = [
        error.get("code"),
        error.get("type"),
        inner.get("code") if isinstance(inner, dict) else None,
    ]
    said = {code.lower() for code in codes if isinstance(code, str)}
    if said & _REJECTED:
        return PromptRejectedError()
    if said & _ACCOUNT or status in _ACCOUNT_STATUSES:
        is_lost = status == HTTPStatus.NOT_FOUND and path and not said & _ACCOUNT
        kind = UnknownModelError if said & _UNKNOWN_MODEL else GeneratorAccountError
        return kind(_NOT_FOUND.format(path=path) if is_lost else None)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return GeneratorBusyError(retry_after_s=retry_after_s)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRANSIENT_STATUSES:
        return GeneratorUnavailableError(retry_after_s=retry_after_s)
    if status in _INVALID_STATUSES and error:
        return ConstraintViolationError([_fault_of(error)])
    return BadGeneratorResponseError()


def _fault_of(error: Mapping[str, Any]) -> FieldFault:
    param = _param_of(error)
    if param not in ("prompt", "model", "n", STREAM, PARTIAL_IMAGES, *PARAMETERS):
        return FieldFault("model", "its server refuses this prompt or these parameters")
    if error.get("code") == "unknown_parameter":
        return FieldFault(param, "this model does not know it; leave it out", (), FaultKind.UNKNOWN)
    return FieldFault(param, "the model refuses this value")


def _param_of(error: Mapping[str, Any]) -> object:
    """Return the parameter that is refused: as OpenAI names it, or as FastAPI's servers do."""
    detail = error.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    place = first.get("loc") if isinstance(first, dict) else None
    return place[-1] if isinstance(place, list) and place else error.get("param")


def _retry_after_s(headers: Mapping[str, str]) -> int | None:
    """The wait that Retry-After (or OpenAI's retry-after-ms) asks for, within 1 s and an hour."""
    milliseconds = headers.get("retry-after-ms", "")
    value = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]+", milliseconds):
        seconds = float(milliseconds) / 1000
    elif re.fullmatch(r"[0-9]+", value):
        seconds = float(value)
    else:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return math.ceil(min(max(seconds, 1), _MAX_RETRY_AFTER_S))


async def beginning_of(response: httpx2.Response) -> bytes:
    """A refusal's body, or nothing where it is cut or too long to be one: its status tells."""
    body = bytearray()
    stream = response.aiter_bytes()
    try:
        async for piece in stream:
            body += piece
            if len(body) > _MAX_REFUSAL_BYTES:
                return b""
    except httpx2.RequestError:
        return b""
    finally:
        await stream.aclose()
    return bytes(body)

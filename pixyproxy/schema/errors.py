"""The GraphQL form of every error: a message, a code, the request's id, and no secrets."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLError

from pixyproxy.core.exceptions import (
    INTERNAL_ERROR_CODE,
    INTERNAL_ERROR_MESSAGE,
    ConstraintViolationError,
    PixyProxyException,
    StillRunningError,
    StorageException,
)
from pixyproxy.log import request_id_var

logger = logging.getLogger(__name__)

INVALID_OPERATION_CODE = "invalid-operation"


def format_error(error: GraphQLError) -> dict[str, Any]:
    """Return what a client is told of `error`."""
    cause = cause_of(error)
    formatted: dict[str, Any] = {**error.formatted}
    extensions: dict[str, Any] = {"requestId": request_id_var.get()}
    if cause is None:
        extensions["code"] = INVALID_OPERATION_CODE
    elif isinstance(cause, PixyProxyException):
        formatted["message"] = cause.message
        extensions["code"] = cause.code
        if cause.retry_after_s is not None:
            extensions["retryAfter"] = cause.retry_after_s
        if isinstance(cause, ConstraintViolationError):
            extensions["errors"] = [fault.as_dict() for fault in cause.faults]
        if isinstance(cause, StillRunningError):
            extensions["generation"] = cause.generation_guid
    else:
        formatted["message"] = INTERNAL_ERROR_MESSAGE
        extensions["code"] = INTERNAL_ERROR_CODE
    # GraphQL's own messages repeat what was sent, and lone surrogates cannot be encoded.
    formatted["message"] = formatted["message"].encode(errors="backslashreplace").decode()
    formatted["extensions"] = extensions
    return formatted


def graphql_body(
    code: str, message: str, errors: Sequence[Mapping[str, Any]] | None, request_id: str
) -> dict[str, Any]:
    """Return the body of an answer to a request that did not get as far as GraphQL."""
    extensions: dict[str, Any] = {"requestId": request_id, "code": code}
    if errors:
        extensions["errors"] = errors
    return {"errors": [{"message": message, "extensions": extensions}]}


def log_errors(errors: Sequence[GraphQLError]) -> None:
    """Log what the operator must know of, and no more: what strikes many fields is one fault."""
    for cause in {id(cause): cause for cause in map(cause_of, errors)}.values():
        if isinstance(cause, StorageException):
            logger.error("%s: %s", cause.code, cause.reason)
        elif isinstance(cause, PixyProxyException):
            logger.info("refused code=%s", cause.code)
        elif cause is None:
            logger.info("refused code=%s", INVALID_OPERATION_CODE)
        else:
            logger.error("unforeseen error", exc_info=cause)


def cause_of(error: GraphQLError) -> Exception | None:
    """Return what a resolver raised, or None where GraphQL itself finds fault."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause

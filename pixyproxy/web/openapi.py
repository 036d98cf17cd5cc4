"""The OpenAPI document: what FastAPI does not say by itself of errors and keys."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from pixyproxy.web.models import Problem

PROBLEM = "application/problem+json"
_ANYWHERE = (414, 431, 500)
_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
NEEDS_KEY: Mapping[str, Any] = {"security": [{name: []} for name in _SCHEMES]}
"""What an operation declares that asks for a key, sent in either way."""
MAY_NEED_KEY: Mapping[str, Any] = {"security": [{}, *NEEDS_KEY["security"]]}


def header(description: str) -> dict[str, Any]:
    """Return the declaration of an answer's header."""
    return {"description": description, "schema": {"type": "string"}}


REPLAYED = header("`true` where the same was sent before under the same `Idempotency-Key`.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the declarations of error answers with these statuses, and of those of any route."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": Problem,
            "content": {PROBLEM: {}},
        }
        for status in (*statuses, *_ANYWHERE)
    }


def complete_document(app: FastAPI) -> None:
    """Have `app` serve its OpenAPI document with what FastAPI leaves out or gets wrong."""
    generate: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in list(operation["responses"].items()):
                content = answer.get("content", {})
                if PROBLEM in content:  # FastAPI files the model under application/json
                    answer["content"] = {PROBLEM: content["application/json"]}
                elif status == "422":  # FastAPI takes it for granted where there are parameters
                    del operation["responses"][status]
    components = document["components"]
    components["securitySchemes"] = _SCHEMES
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)

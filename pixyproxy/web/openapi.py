"""The OpenAPI document: what FastAPI does not say by itself of errors and keys."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from pixyproxy.core.models import ContentType
from pixyproxy.web.models import Problem

PROBLEM = "application/problem+json"
_COMPONENT = "#/components/schemas/"
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


BINARY: Mapping[str, Any] = {"schema": {"type": "string", "format": "binary"}}
"""What an answer of bytes declares of each media type.

OpenAPI 3.1 would have no schema here; generators then take the bytes for text, or drop them.
"""
BYTES: Mapping[str, Any] = {
    **{content_type.value: BINARY for content_type in ContentType},
    "application/octet-stream": BINARY,
}
"""What an answer of an image's bytes declares.

The last is never sent: some generators know bytes by this name only.
"""
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


def complete_document(app: FastAPI, *, public_base_url: str | None) -> None:
    """Have `app` serve its OpenAPI document with what FastAPI leaves out or gets wrong."""
    generate: Callable[[], dict[str, Any]] = app.openapi
    if public_base_url is not None:
        app.servers = [
            {"url": public_base_url, "description": "By its public name."},
            {"url": "/", "description": "By the name that this document was reached by."},
        ]

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    components = document["components"]
    schemas: dict[str, Any] = components["schemas"]
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
            for body in operation.get("requestBody", {}).get("content", {}).values():
                body["schema"] = _as_component(body["schema"], schemas)
            for status, answer in list(operation["responses"].items()):
                content = answer.get("content", {})
                if PROBLEM in content:  # FastAPI files the model under application/json
                    answer["content"] = {PROBLEM: content["application/json"]}
                elif status == "422":  # FastAPI takes it for granted where there are parameters
                    del operation["responses"][status]
    components["securitySchemes"] = _SCHEMES
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _name_by_title(document, schemas)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that may be left out: in a URL nothing is null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    (choice,) = choices
    own = {} if "$ref" in choice else schema  # what else it says stands beside it as well
    return {name: value for name, value in {**own, **choice}.items() if name != "anyOf"}


def _as_component(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Make a body's schema a component, which generators call by its name; return the reference.

    Defaults are told in words: openapi-typescript takes what has one for required.
    """
    if "$ref" in schema:
        return schema
    for field in schema["properties"].values():
        if default := field.pop("default", None):
            field["description"] += f" Else {default}."
    schemas[schema["title"]] = schema
    return {"$ref": f"{_COMPONENT}{schema['title']}"}


def _name_by_title(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Call each component as its model is called by those who use it, not as its class is."""
    titles = {name: schema.get("title", name) for name, schema in schemas.items()}
    named = sorted((titles[name], schema) for name, schema in schemas.items())
    assert len({title for title, _ in named}) == len(schemas), "two components have one title"
    schemas.clear()
    schemas.update(named)
    _rename(document, {f"{_COMPONENT}{name}": f"{_COMPONENT}{new}" for name, new in titles.items()})


def _rename(node: Any, references: Mapping[str, str]) -> None:
    if isinstance(node, dict):
        if reference := references.get(node.get("$ref", "")):
            node["$ref"] = reference
        for child in node.values():
            _rename(child, references)
    elif isinstance(node, list):
        for child in node:
            _rename(child, references)

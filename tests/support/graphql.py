"""Calls of GraphQL, and what every error looks like."""

from typing import Any

import httpx2

DETAIL = (
    "{ guid filename prompt createdAt updatedAt contentType width height byteSize sha256 model "
    "revisedPrompt parameters tags thumbhash hasContentCredentials url }"
)
GENERATE = f"mutation($prompt: String!) {{ generateImage(prompt: $prompt) {DETAIL} }}"


async def post(
    client: httpx2.AsyncClient, query: str, variables: dict[str, Any] | None = None, **more: Any
) -> httpx2.Response:
    """POST one operation."""
    return await client.post("/graphql", json={"query": query, "variables": variables}, **more)


async def data(
    client: httpx2.AsyncClient, query: str, variables: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the data of an operation in which nothing goes wrong."""
    response = await post(client, query, variables)
    assert response.status_code == 200
    assert response.json().keys() == {"data"}, response.text
    return dict(response.json()["data"])


async def generate(client: httpx2.AsyncClient, prompt: str = "a cat") -> dict[str, Any]:
    """Return a new image."""
    return dict((await data(client, GENERATE, {"prompt": prompt}))["generateImage"])


def errors_of(response: httpx2.Response) -> list[dict[str, Any]]:
    """Return the errors of an answer, after checking the form that they all have."""
    content = response.json()
    assert content["errors"], content
    assert content.keys() <= {"data", "errors"}
    for error in content["errors"]:
        assert error.keys() <= {"message", "locations", "path", "extensions"}
        assert error["message"]
        assert error["extensions"]["requestId"] == response.headers["x-request-id"]
        assert error["extensions"]["code"]
    return list(content["errors"])


def error_of(response: httpx2.Response, code: str) -> dict[str, Any]:
    """Return the only error of an answer, which must have this code."""
    (error,) = errors_of(response)
    assert error["extensions"]["code"] == code, error
    return error

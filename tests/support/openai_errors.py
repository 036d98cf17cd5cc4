"""The one shape of the errors under /v1 and /openai."""

from typing import Any

import httpx2

_TYPES = {
    "invalid_request_error", "image_generation_user_error", "idempotency_error",
    "rate_limit_error", "server_error",
}  # fmt: skip


def assert_openai_error(
    response: httpx2.Response,
    status: int,
    code: str,
    *,
    param: str | None = None,
    should_retry: bool = False,
) -> dict[str, Any]:
    """Assert that `response` is this error, in OpenAI's shape; return the error."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-should-retry"] == str(should_retry).lower()
    assert ("retry-after" in response.headers) == should_retry
    assert ("retry-after-ms" in response.headers) == should_retry
    assert response.headers["x-request-id"]
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) - {"pixyproxy"} == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] in _TYPES
    assert error["message"]
    assert status != 424 or code.startswith("upstream_")
    return error

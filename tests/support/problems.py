"""The one shape of REST's errors, and of the command line's."""

import subprocess
from typing import Any

import httpx2


def assert_problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that `response` is this error, in the one shape; return its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["request_id"] == response.headers["x-request-id"]
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "code", "request_id"}
    return body


def assert_one_clear_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode != 0
    assert not result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line

"""Errors in OpenAI's shape: nobody sends again what may be paid for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import httpx2
import pytest

from pixyproxy.core.exceptions import (
    DatabaseUnavailableError,
    ImageStoreError,
    OverloadedError,
)
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.model_server import Behaviour, ModelServer
from tests.support.openai_errors import assert_openai_error

URL = "/v1/images/generations"
PROMPT = {"prompt": "a red fox"}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "prompt"),
        ({"prompt": 5}, "invalid_type", "prompt"),
        ({"prompt": " "}, "invalid_value", "prompt"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
        ({**PROMPT, "n": 11}, "invalid_value", "n"),
        ({**PROMPT, "n": "2"}, "invalid_type", "n"),
        ({**PROMPT, "response_format": "file"}, "invalid_value", "response_format"),
        ({**PROMPT, "stream": "yes"}, "invalid_type", "stream"),
        ({**PROMPT, "stream": True, "partial_images": 4}, "invalid_value", "partial_images"),
        ({**PROMPT, "model": "gpt-image-2", "no_such": 1}, "unknown_parameter", "no_such"),
        ({**PROMPT, "model": "gpt-image-2", "style": "vivid"}, "unknown_parameter", "style"),
        ({**PROMPT, "model": "gpt-image-2", "size": "512x512"}, "invalid_value", "size"),
        ({**PROMPT, "model": "gpt-image-1.5", "size": "2x2"}, "invalid_value", "size"),
        ({**PROMPT, "model": "gpt-image-2", "quality": "hd"}, "invalid_value", "quality"),
        ({"model": "dall-e-3", "prompt": "x" * 4_001}, "string_above_max_length", "prompt"),
    ],
)
async def test_what_will_not_do_is_refused_before_anything_is_paid(
    client: httpx2.AsyncClient, model_server: ModelServer, body: Any, code: str, param: str
) -> None:
    error = assert_openai_error(await client.post(URL, json=body), 400, code, param=param)

    assert error["type"] == "invalid_request_error"
    assert param in error["message"]
    assert model_server.requests == []


async def test_a_size_that_will_not_do_is_told_what_would(client: httpx2.AsyncClient) -> None:
    free = await client.post(URL, json={**PROMPT, "model": "gpt-image-2", "size": "512x512"})
    fixed = await client.post(URL, json={**PROMPT, "model": "gpt-image-1.5", "size": "512x512"})

    assert "655,360 to 8,294,400 pixels" in free.json()["error"]["message"]
    assert "auto, 1024x1024, 1536x1024, 1024x1536" in fixed.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b'{"prompt": ', "application/json", 400, "invalid_json"),
        (b'{"prompt": "a", "prompt": "b"}', "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid_value"),
        (b"prompt=a", "application/x-www-form-urlencoded", 415, "unsupported_content_type"),
        (b" " * (512 * 1024 + 1), "application/json", 413, "request_too_large"),
    ],
)
async def test_bodies_that_are_none(
    client: httpx2.AsyncClient, content: bytes, content_type: str, status: int, code: str
) -> None:
    response = await client.post(URL, content=content, headers={"content-type": content_type})

    assert_openai_error(response, status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1", 404, "unknown_url"),
        ("GET", "/v1/", 404, "unknown_url"),
        ("GET", "/v1/engines", 404, "unknown_url"),
        ("POST", "/v1/images/edits", 404, "unknown_url"),
        ("POST", "/v1/images/variations", 404, "unknown_url"),
        ("POST", "/openai/deployments/mine/images/variations", 404, "unknown_url"),
        ("POST", "/openai/images/generations", 404, "unknown_url"),
        ("POST", "/v1/chat/completions", 404, "unsupported_endpoint"),
        ("POST", "/v1/responses", 404, "unsupported_endpoint"),
        ("GET", "/v1/models/no/such", 404, "model_not_found"),
        ("GET", "/v1/images/generations", 405, "method_not_allowed"),
        ("DELETE", "/openai/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/" + "x" * 17_000, 414, "url_too_long"),
    ],
)
async def test_where_nothing_is(
    client: httpx2.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)

    param = "model" if code == "model_not_found" else None
    error = assert_openai_error(response, status, code, param=param)
    assert status != 405 or response.headers["allow"]
    if path.endswith("variations"):
        assert "/v1/images/edits" in error["message"]


async def test_beside_it_errors_are_problems(client: httpx2.AsyncClient) -> None:
    for path in ("/v1x", "/openaix", "/image/v1"):
        response = await client.get(path)
        assert response.headers["content-type"] == "application/problem+json"


UPSTREAM: dict[str, tuple[Behaviour, int, str, bool]] = {
    "moderation": (ms.moderation_blocked(), 400, "moderation_blocked", False),
    "a bad value": (ms.error(400, "invalid_value", param="size"), 400, "invalid_value", False),
    "our key": (ms.error(401, "invalid_api_key"), 502, "upstream_account_error", False),
    "no such model": (ms.error(404, "model_not_found"), 404, "model_not_found", False),
    "after 5xx": (ms.error(502), 424, "upstream_outcome_unknown", False),
    "cut in its answer": (ms.cut_in_body(), 424, "upstream_outcome_unknown", False),
    "closed": (ms.close(), 424, "upstream_outcome_unknown", False),
    "no data": (ms.answer(body={"created": 1}), 424, "upstream_bad_response", False),
    "empty data": (ms.answer(body={"data": []}), 424, "upstream_bad_response", False),
    "HTML": (ms.html(), 424, "upstream_bad_response", False),
}


@pytest.mark.parametrize("name", UPSTREAM)
async def test_what_the_model_does_wrong(
    client: httpx2.AsyncClient, model_server: ModelServer, name: str
) -> None:
    behaviour, status, code, should_retry = UPSTREAM[name]
    model_server.answer_with(behaviour)

    response = await client.post(URL, json=PROMPT)

    param = {"moderation": "prompt", "a bad value": "size", "no such model": "model"}.get(name)
    error = assert_openai_error(response, status, code, param=param, should_retry=should_retry)
    (generation,) = (await client.get("/generation")).json()
    assert error["pixyproxy"] == {"generation": generation["guid"], "retryable": should_retry}
    if status == 424:
        assert generation["guid"] in error["message"]
    assert model_server.posts == 1


async def test_a_rate_limit_is_passed_on(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.rate_limited("7"))
    settings = make_settings(openai_base_url=model_server.base_url, generation_timeout_s=5)
    async with open_client(settings) as client:
        response = await client.post(URL, json=PROMPT)

    error = assert_openai_error(response, 429, "rate_limit_exceeded", should_retry=True)
    assert error["type"] == "rate_limit_error"
    assert response.headers["retry-after"] == "7"
    assert response.headers["retry-after-ms"] == "7000"


async def test_who_is_to_wait_for_long_is_not_to_try_again_by_itself(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    """Told to wait for more than a minute, OpenAI's SDK for Node tries again at once."""
    model_server.answer_with(ms.rate_limited("61"))
    settings = make_settings(openai_base_url=model_server.base_url, generation_timeout_s=5)
    async with open_client(settings) as client:
        response = await client.post(URL, json=PROMPT)

    assert (response.status_code, response.headers["x-should-retry"]) == (429, "false")
    assert response.headers["retry-after"] == "61"
    assert response.json()["error"]["pixyproxy"]["retryable"] is True


async def test_a_server_that_is_not_there_is_asked_again(make_settings: MakeSettings) -> None:
    settings = make_settings(openai_base_url=ms.unused_base_url(), generation_timeout_s=0.5)
    async with open_client(settings) as client:
        first = await client.post(URL, json=PROMPT)
        second = await client.post(URL, json=PROMPT)

    for response in (first, second):
        assert_openai_error(response, 503, "upstream_unavailable", should_retry=True)


async def test_one_paid_call_of_several_makes_it_unknown(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    """One call is turned away for a rate limit, another was accepted: not to be sent again."""
    model_server.answer_with(ms.charge_then(ms.error(502)), ms.rate_limited("7"))
    settings = make_settings(
        openai_base_url=model_server.base_url, generation_timeout_s=5, model="dall-e-3"
    )
    async with open_client(settings) as client:
        response = await client.post(URL, json={**PROMPT, "n": 2})

    assert_openai_error(response, 424, "upstream_outcome_unknown")


async def test_a_full_disk_is_told_before_anything_is_paid(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url, min_free_mb=10**9)
    async with open_client(settings) as client:
        response = await client.post(URL, json=PROMPT)

    assert_openai_error(response, 507, "storage_full")
    assert model_server.requests == []


@pytest.mark.parametrize(
    ("where", "error", "code"),
    [
        (
            "data.context.DatabaseContext.begin_transaction",
            DatabaseUnavailableError(),
            "database_unavailable",
        ),
        (
            "data.files.folder.FolderStore.check_writable",
            ImageStoreError(),
            "image_store_unavailable",
        ),
    ],
)
async def test_what_keeps_is_away_before_anything_is_paid(
    client: httpx2.AsyncClient,
    model_server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    error: Exception,
    code: str,
) -> None:
    monkeypatch.setattr(f"pixyproxy.{where}", raising(error))

    response = await client.post(URL, json=PROMPT)

    assert_openai_error(response, 503, code, should_retry=True)
    assert model_server.requests == []


@pytest.mark.parametrize(
    ("where", "error", "code"),
    [
        (
            "service.keeping.keeper.ImageKeeper.keep",
            RuntimeError("SECRET"),
            "upstream_outcome_unknown",
        ),
        (
            "service.serving.originals.ImageReader.read_content",
            ImageStoreError(),
            "upstream_image_unavailable",
        ),
    ],
)
async def test_what_goes_wrong_after_it_was_paid_for_is_not_tried_again(
    client: httpx2.AsyncClient,
    model_server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    error: Exception,
    code: str,
) -> None:
    monkeypatch.setattr(f"pixyproxy.{where}", raising(error))

    response = await client.post(URL, json=PROMPT)

    told = assert_openai_error(response, 424, code)
    assert told["pixyproxy"]["generation"] in told["message"]
    assert "SECRET" not in response.text
    assert len(model_server.ledger) == 1


def raising(error: Exception) -> Callable[..., Awaitable[NoReturn]]:
    """Return what raises this in the place of a coroutine."""

    async def broken(*_: object, **__: object) -> NoReturn:
        raise error

    return broken


async def test_too_many_at_once(make_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.answer_with(ms.hang())
    settings = make_settings(openai_base_url=model_server.base_url, max_concurrent_generations=1)
    async with open_client(settings) as client, asyncio.TaskGroup() as callers:
        for _ in range(3):
            callers.create_task(client.post(URL, json=PROMPT))
        await model_server.calls_accepted(1)
        while len((await client.get("/generation?status=queued")).json()) < 2:
            await asyncio.sleep(0.05)
        response = await client.post(URL, json=PROMPT)
        model_server.release()

    error = assert_openai_error(response, 503, "overloaded", should_retry=True)
    assert error["message"] == OverloadedError.default_message
    assert response.headers["retry-after"] == "10"


async def test_an_unforeseen_fault_tells_nothing_of_itself(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("SECRET")

    monkeypatch.setattr("pixyproxy.web.openai.routes.read_images_request", broken)

    response = await client.post(URL, json=PROMPT)

    assert "SECRET" not in response.text
    assert_openai_error(response, 500, "internal_error")

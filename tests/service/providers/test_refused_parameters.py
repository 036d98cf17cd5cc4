"""Parameters that a server refuses: what the caller has not set is left out, once."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pixyproxy.core.exceptions import (
    ConstraintViolationError,
    GeneratorBusyError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
    PromptRejectedError,
)
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.providers import GenerationRequest
from pixyproxy.service.providers.openai import OpenAIProvider
from tests.support import model_server as ms
from tests.support.model_server import ModelServer

CALL = "f4b0a0a6-6d0f-4c3e-8a53-2b1d7a7cf7e5"
DEFAULTS = {"size": "1024x1024", "quality": "hd", "style": "vivid"}
STREAMED = {"stream": True, "partial_images": 2}


@pytest.fixture(scope="module")
def shared_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(shared_server: ModelServer) -> ModelServer:
    shared_server.requests.clear()
    shared_server.ledger.clear()
    return shared_server


@pytest.fixture
async def provider(server: ModelServer) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(
        base_url=server.base_url, api_key="sk-x", default_model="flux", timeout_s=30
    )
    yield provider
    await provider.aclose()


def prepared(provider: OpenAIProvider, **asked: Any) -> GenerationRequest:
    return provider.prepare(GenerationCreate(prompt="a fox", **asked))


def refused(param: str | None, code: str | None = "unknown_parameter") -> ms.Behaviour:
    return ms.error(400, code, "invalid_request_error", param)


def sent(server: ModelServer) -> list[dict[str, Any]]:
    """What was sent each time, beside the prompt and the model."""
    return [
        {name: value for name, value in request.json.items() if name not in ("prompt", "model")}
        for request in server.requests
    ]


DETAIL = {"type": "extra_forbidden", "loc": ["body", "stream"], "msg": "Extra inputs"}


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(refused("stream"), id="stream"),
        pytest.param(refused("partial_images"), id="partial-images"),
        pytest.param(refused("stream", "unsupported_parameter"), id="unsupported"),
        pytest.param(refused("stream", None), id="without-a-code"),
        pytest.param(ms.answer(422, {"detail": [DETAIL]}), id="detail"),
        pytest.param(ms.answer(400, [{"error": {"param": "stream"}}]), id="list"),
    ],
)
async def test_a_stream_that_is_refused_is_done_without(server, provider, refusal):
    server.answer_with(refusal, ms.image())
    request = prepared(provider, partial_images=2, seed=7)

    answer = await provider.generate(request, call_guid=CALL)

    assert len(answer.images) == 1
    assert answer.left_out == ("partial_images",)
    assert sent(server) == [{**STREAMED, "seed": 7}, {"seed": 7}]
    assert [entry.call for entry in server.ledger] == [CALL]


@pytest.mark.parametrize("param", DEFAULTS)
async def test_a_default_of_ours_that_is_refused_is_left_out_with_the_others(
    server, provider, param
):
    """Who does not know one of them is no DALL-E, and has defaults that are its own."""
    server.answer_with(refused(param), ms.image(ms.png()))

    answer = await provider.generate(prepared(provider, model="dall-e-3"), call_guid=CALL)

    assert answer.left_out == tuple(sorted(DEFAULTS))
    assert sent(server) == [DEFAULTS, {}]


async def test_what_the_caller_has_set_stays(server, provider):
    server.answer_with(refused("size"), ms.image(ms.png()))
    asked = prepared(provider, model="dall-e-3", quality="standard", style="natural")

    answer = await provider.generate(asked, call_guid=CALL)

    assert answer.left_out == ("size",)
    assert sent(server)[1] == {"quality": "standard", "style": "natural"}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"seed": 7, "partial_images": 2}, "seed"),
        ({"size": "64x64", "partial_images": 2}, "size"),
        ({"partial_images": 2}, "prompt"),
        ({"partial_images": 2}, None),
        ({}, "stream"),
        ({"model": "dall-e-3", "style": "natural"}, "style"),
        ({"model": "dall-e-3"}, "n"),
    ],
)
async def test_nothing_else_is_sent_again(server, provider, asked, param):
    server.answer_with(refused(param), ms.image())

    with pytest.raises(ConstraintViolationError):
        await provider.generate(prepared(provider, **asked), call_guid=CALL)

    assert len(server.requests) == 1


async def test_it_is_sent_again_once(server, provider):
    server.answer_with(refused("stream"), refused("style"), ms.image())
    streamed = GenerationRequest(
        model="dall-e-3", prompt="a fox", parameters={**DEFAULTS, "partial_images": 2}
    )

    with pytest.raises(ConstraintViolationError) as caught:
        await provider.generate(streamed, call_guid=CALL)

    assert [fault.field for fault in caught.value.faults] == ["style"]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (ms.error(500, "unknown_parameter", param="stream"), GeneratorUnavailableError),
        (ms.error(429, "rate_limit_exceeded", param="stream"), GeneratorBusyError),
        (ms.error(400, "moderation_blocked", param="stream"), PromptRejectedError),
        (ms.charge_then(ms.cut_in_body()), GeneratorTimeoutError),
        (
            ms.answer(200, {"error": {"code": "unknown_parameter", "param": "stream"}}),
            PixyProxyException,
        ),
        (
            ms.events(
                ms.event("partial_image", b64_json="cG5n", partial_image_index=0),
                ms.error_event(type="invalid_request_error", param="stream"),
            ),
            ConstraintViolationError,
        ),
        (ms.events(ms.error_event(type="invalid_request_error", param="stream")), Exception),
    ],
)
async def test_what_may_be_paid_for_is_not_sent_again(server, provider, behaviour, expected):
    server.answer_with(behaviour, ms.image())

    with pytest.raises(expected):
        await provider.generate(prepared(provider, partial_images=2), call_guid=CALL)

    assert len(server.requests) == 1

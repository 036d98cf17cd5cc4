"""Streams of a model's server, whole, cut, foreign, or none at all."""

import base64
import json
from collections.abc import AsyncIterator, Iterator

import pytest

from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    GeneratorBusyError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
    PromptRejectedError,
)
from pixyproxy.service.pictures.check import check_image
from pixyproxy.service.providers import GenerationRequest, ProviderAnswer, ProviderPartial
from pixyproxy.service.providers.openai import OpenAIProvider
from pixyproxy.service.providers.openai_streams import _events
from tests.support import model_server as ms
from tests.support.model_server import ModelServer

B64 = base64.b64encode(ms.png()).decode()


@pytest.fixture(scope="module")
def shared_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(shared_server: ModelServer) -> ModelServer:
    shared_server.requests.clear()
    return shared_server


def opened(server: ModelServer, **options) -> OpenAIProvider:
    options = {"api_key": "sk-x", "default_model": "gpt-image-2", "timeout_s": 30} | options
    return OpenAIProvider(base_url=server.base_url, **options)


async def drawn(
    server: ModelServer, *, n: int = 1, partial_images: int = 2, model="gpt-image-2", **options
) -> tuple[ProviderAnswer, list[ProviderPartial]]:
    shown: list[ProviderPartial] = []
    provider = opened(server, **options)
    request = GenerationRequest(
        model=model,
        prompt="a fox",
        parameters={"partial_images": partial_images} if partial_images else {},
        n=n,
        on_partial=shown.append,
    )
    try:
        return await provider.generate(request, call_guid="x"), shown
    finally:
        await provider.aclose()


async def test_partial_images_are_shown_and_the_last_one_is_the_answer(server):
    server.answer_with(ms.stream())
    answer, shown = await drawn(server)
    asked = server.requests[0].json
    assert (asked["stream"], asked["partial_images"]) == (True, 2)
    assert [(one.step, check_image(one.data).width) for one in shown] == [(0, 32), (1, 33)]
    (image,) = answer.images
    assert image.data is not None
    assert check_image(image.data).width == 1024
    assert answer.usage is not None
    assert answer.usage["total_tokens"] == 100


async def test_several_images_are_as_many_completed_events(server):
    server.answer_with(ms.stream())
    answer, shown = await drawn(server, n=3)
    assert len({image.data for image in answer.images}) == 3
    assert len(shown) == 2


async def test_nothing_is_streamed_that_was_not_asked_for(server):
    server.answer_with(ms.stream())
    answer, shown = await drawn(server, partial_images=0)
    assert not {"stream", "partial_images"} & set(server.requests[0].json)
    assert (len(answer.images), shown) == (1, [])


async def test_a_server_that_ignores_stream_is_served_all_the_same(server):
    server.answer_with(ms.image())
    answer, shown = await drawn(server, n=2)
    assert (len(answer.images), shown) == (2, [])
    assert answer.usage is not None


@pytest.mark.parametrize(
    "behaviour",
    [
        ms.stream(end=False),
        ms.stream(ending=b": nothing more\n\n"),
        ms.events(),
        ms.events(b": only comments\n\n"),
        ms.events(b"data: [DONE]\n\n"),
        ms.events(ms.event("partial_image", b64_json=B64, partial_image_index=0)),
        ms.events(ms.event("completed")),
        ms.events(ms.event("completed", b64_json=B64)[:200]),
    ],
    ids=["cut", "silent", "empty", "comments", "done", "partials", "no-image", "half"],
)
async def test_a_stream_that_ends_too_early_leaves_the_outcome_unknown(server, behaviour):
    server.answer_with(behaviour)
    with pytest.raises(GeneratorTimeoutError):
        await drawn(server)
    assert server.posts == 1


async def test_images_that_came_before_a_cut_are_kept(server):
    server.answer_with(ms.stream(ending=ms.event("completed", b64_json=B64), steps=1))
    answer, _ = await drawn(server, n=2)
    assert [image.data for image in answer.images] == [ms.png()]


PARTIAL = ms.event("partial_image", b64_json=B64, partial_image_index=0)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ((ms.error_event(code="moderation_blocked"),), PromptRejectedError),
        ((PARTIAL, ms.error_event(code="moderation_blocked")), PromptRejectedError),
        ((PARTIAL, ms.error_event(type="server_error")), GeneratorUnavailableError),
        ((ms.error_event(code="rate_limit_exceeded"),), GeneratorBusyError),
        ((PARTIAL, ms.error_event(code="rate_limit_exceeded")), GeneratorUnavailableError),
        ((b'data: {"error": {"code": 503, "message": "x"}}\n\n',), GeneratorUnavailableError),
        ((b'event: error\ndata: {"code": "x", "message": "y"}\n\n',), BadGeneratorResponseError),
    ],
    ids=["blocked", "blocked-late", "server", "limit", "limit-late", "number", "flat"],
)
async def test_an_error_in_a_stream_is_the_error_that_it_is(
    server, sent: tuple[bytes, ...], error: type[PixyProxyException], caplog
):
    server.answer_with(ms.events(*sent))
    with pytest.raises(error) as caught:
        await drawn(server)
    assert "UPSTREAM" not in caplog.text + caught.value.message


@pytest.mark.parametrize(
    "sent",
    [
        b'data: {"b64_json": "%s"}\n\ndata: [DONE]\n\n',
        b'data: {"object": "image.generation.chunk", "data": [{"b64_json": "%s"}]}\r\n\r\n',
        b'event: completed\ndata: {"type": "completed", "image": "%s"}\n\n',
        (
            b'event: image_generation.partial_succeeded\ndata: {"b64_json": "%s"}\n\n'
            b'event: image_generation.completed\ndata: {"usage": {"total_tokens": 3}}\n\n'
        ),
        (
            b'data: {"type": "image_generation.partial_failed", "error": {"code": "x"}}\n\n'
            b'data: {"type": "image_generation.partial_succeeded", "b64_json": "%s"}\n\n'
        ),
    ],
    ids=["bare", "chunk", "other-name", "ark", "ark-failure"],
)
async def test_events_of_other_servers_are_read(server, sent: bytes):
    server.answer_with(ms.events(sent.replace(b"%s", B64.encode())))
    answer, _ = await drawn(server, model="flux")
    assert [image.data for image in answer.images] == [ms.png()]


async def test_a_url_in_a_stream_is_resolved_against_the_servers(server):
    server.answer_with(ms.events(b'data: {"type": "completed", "url": "/images/x.png"}\n\n'))
    answer, _ = await drawn(server, model="MiniMax")
    assert [image.url for image in answer.images] == [f"{server.origin}/images/x.png"]


async def test_no_more_is_read_of_a_stream_than_of_an_answer(server):
    server.answer_with(ms.endless(content_type="text/event-stream"))
    with pytest.raises(BadGeneratorResponseError):
        await drawn(server, max_answer_bytes=200_000)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_lines_are_found_however_they_are_cut(size: int):
    sent = (
        "\ufeff: hello\r\nevent: a\r\ndata: 1\r\ndata:2\r\n\r\nid: 7\n\ndata: {}\n\n"
        "event: é\ndata: last"
    ).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(7, len(sent), size):
            yield sent[start : start + size]

    found = [(event.name, event.data) async for event in _events(sent[:7], pieces())]
    assert found == [("a", b"1\n2"), ("", b"{}"), ("é", b"last")]


async def test_what_we_do_not_know_goes_to_a_model_that_we_do_not_know(server):
    server.answer_with(ms.image())
    provider = opened(server)
    parameters = {"size": "64x64", "seed": 7, "loras": [{"name": "x"}], "asked_for": {"model": "y"}}
    request = GenerationRequest(model="flux", prompt="a fox", parameters=parameters)
    await provider.generate(request, call_guid="x")
    await provider.aclose()
    expected = {"model": "flux", "prompt": "a fox", "size": "64x64", "seed": 7}
    assert server.requests[0].json == expected | {"loras": [{"name": "x"}]}
    assert json.loads(server.requests[0].body) == server.requests[0].json

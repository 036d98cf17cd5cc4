"""Clients that others have written, each as it comes, against a real process."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any
from urllib.request import urlopen

import openai
import pytest

from tests.support import model_server as ms
from tests.support.foreign_clients import run_node, run_python
from tests.support.model_server import ModelServer
from tests.support.servers import Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, ModelServer]]:
    """One service for all of them, and the model server that it draws by."""
    folder = tmp_path_factory.mktemp("clients") / "service"
    with (
        ModelServer() as server,
        Service(folder, openai_base_url=server.base_url) as service,
    ):
        yield service, server


@pytest.fixture
def service(drawing: tuple[Service, ModelServer]) -> Service:
    return drawing[0]


@pytest.fixture
def server(drawing: tuple[Service, ModelServer]) -> ModelServer:
    """The model server, as if new."""
    server = drawing[1]
    server.forget()
    server.answer_with(ms.image())
    return server


@pytest.fixture
def base_url(service: Service, server: ModelServer) -> str:
    return f"{service.origin}/v1"


def is_png(encoded: str) -> bool:
    return base64.b64decode(encoded, validate=True).startswith(b"\x89PNG")


def is_served(url: str) -> bool:
    with urlopen(url) as response:
        return response.headers["content-type"] == "image/png" and is_png(
            base64.b64encode(response.read()).decode()
        )


# OpenAI's own SDKs


def test_openai_for_python(base_url: str, server: ModelServer) -> None:
    client = openai.OpenAI(base_url=base_url, api_key="none")

    answer = client.images.generate(model="gpt-image-2", prompt="a red fox", n=2)
    assert [is_png(item.b64_json or "") for item in answer.data or ()] == [True, True]
    assert answer.usage is not None
    assert answer.usage.total_tokens == ms.usage(2)["total_tokens"]
    assert answer._request_id

    by_url = (
        client.images.generate(model="gpt-image-2", prompt="a red fox", response_format="url").data
        or []
    )
    assert is_served(by_url[0].url or "")
    assert by_url[0].b64_json is None

    events = list(client.images.generate(model="gpt-image-2", prompt="a red fox", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]
    assert is_png(events[0].b64_json)

    assert [model.id for model in client.models.list()] == ["gpt-image-2"]
    with pytest.warns(match="deprecated"), pytest.raises(openai.NotFoundError, match="edits"):
        client.images.create_variation(image=b"x")
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="gpt-image-2", prompt="a red fox", size="512x512")
    assert (refused.value.code, refused.value.param) == ("invalid_value", "size")
    with pytest.raises(openai.NotFoundError, match="writes no text"):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert len(server.ledger) == 3


def test_openai_for_python_by_azures_paths(service: Service, server: ModelServer) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=service.origin, api_key="none", api_version="2025-04-01-preview"
    )

    answer = client.images.generate(model="my-drawing", prompt="a red fox")

    assert is_png((answer.data or [])[0].b64_json or "")
    assert server.requests[-1].json["model"] == "my-drawing"


@pytest.mark.parametrize("stream", [False, True])
def test_openai_for_python_does_not_pay_twice(
    base_url: str, server: ModelServer, stream: bool
) -> None:
    server.answer_with(ms.charge_then(ms.error(502)))
    client = openai.OpenAI(base_url=base_url, api_key="none")

    with pytest.raises(openai.APIStatusError) as failed:
        client.images.generate(model="gpt-image-2", prompt="a red fox", stream=stream)

    assert failed.value.status_code == 424
    assert failed.value.code == "upstream_outcome_unknown"
    assert failed.value.request_id
    assert "generation" in failed.value.message
    assert len(server.ledger) == 1


def test_openai_for_node(base_url: str, server: ModelServer) -> None:
    answer = run_node("openai.mjs", "generate", base_url)
    assert isinstance(answer["created"], int)
    assert [is_png(image) for image in answer["images"]] == [True, True]
    assert answer["usage"] == ms.usage(2)

    by_url = run_node("openai.mjs", "url", base_url)
    assert by_url["keys"] == ["pixyproxy", "url"]
    assert is_served(by_url["url"])

    (event,) = run_node("openai.mjs", "stream", base_url)
    assert event["type"] == "image_generation.completed"
    assert is_png(event["image"])
    assert event["usage"] == ms.usage(1)

    models = run_node("openai.mjs", "models", base_url)
    assert models["ids"] == ["gpt-image-2"]
    assert models["one"]["object"] == "model"

    gone = run_node("openai.mjs", "variation", base_url)
    assert gone["name"] == "NotFoundError"
    assert "/v1/images/edits" in gone["message"]


def test_openai_for_node_tries_again_and_pays_once(
    service: Service, base_url: str, server: ModelServer
) -> None:
    server.answer_with(ms.after_release(ms.image()))
    before = service.log.count("goes to try")

    def release() -> None:
        ends_at = time.monotonic() + 60
        while service.log.count("goes to try") == before and time.monotonic() < ends_at:
            time.sleep(0.05)
        server.release()

    waiting = threading.Thread(target=release)
    waiting.start()
    answer = run_node("openai.mjs", "retry", base_url)
    waiting.join()

    assert answer["replayed"] == "true"
    assert [is_png(image) for image in answer["images"]] == [True]
    assert len(server.ledger) == 1


def test_openai_for_node_does_not_pay_twice(base_url: str, server: ModelServer) -> None:
    server.answer_with(ms.charge_then(ms.error(502)))

    told = run_node("openai.mjs", "error", base_url)
    streamed = run_node("openai.mjs", "streamError", base_url)

    assert (told["status"], told["code"]) == (424, "upstream_outcome_unknown")
    assert (told["type"], told["name"]) == ("server_error", "APIError")
    assert told["requestID"]
    assert (streamed["status"], streamed["code"]) == (424, "upstream_outcome_unknown")
    assert len(server.ledger) == 2


# AI SDK


@pytest.mark.parametrize("provider", ["openai", "compatible"])
@pytest.mark.parametrize("model", ["gpt-image-2", "some-model"])
def test_ai_sdk(base_url: str, server: ModelServer, provider: str, model: str) -> None:
    answer = run_node("ai.mjs", provider, base_url, model)

    assert answer.get("types") == ["image/png"], answer
    assert is_png(answer["images"][0])
    assert len(server.ledger) == 1


def test_ai_sdk_reads_urls_by_its_compatible_provider(base_url: str, server: ModelServer) -> None:
    answer = run_node("ai.mjs", "compatible", base_url, "dall-e-3")

    assert answer.get("types") == ["image/png"], answer


def test_ai_sdk_gets_three_images_of_three_identical_requests(
    base_url: str, server: ModelServer
) -> None:
    server.answer_with(*(ms.image(ms.png(seed=seed)) for seed in (1, 2, 3)))

    answer = run_node("ai.mjs", "openai", base_url, "some-model", "3")

    assert len({*answer["images"]}) == 3
    assert len(server.ledger) == 3


@pytest.mark.parametrize("provider", ["openai", "compatible"])
def test_ai_sdk_does_not_pay_twice(base_url: str, server: ModelServer, provider: str) -> None:
    server.answer_with(ms.charge_then(ms.error(502)))

    told = run_node("ai.mjs", provider, base_url, "gpt-image-2")

    assert told["status"] == 424, told
    assert len(server.ledger) == 1


# LangChain


def test_langchain_for_python(base_url: str, server: ModelServer) -> None:
    assert is_served(run_python("langchain_images.py", base_url, "dall-e-3"))
    assert len(server.ledger) == 1


@pytest.mark.parametrize("n", [1, 2])
def test_langchain_for_javascript(base_url: str, server: ModelServer, n: int) -> None:
    by_url = run_node("langchain.mjs", base_url, "url", str(n))
    in_base64 = run_node("langchain.mjs", base_url, "b64_json", str(n))

    urls = [by_url] if n == 1 else [item["image_url"] for item in by_url]
    images = [in_base64] if n == 1 else [item["image_url"]["url"] for item in in_base64]
    assert len({*urls}) == len(images) == n
    assert all(map(is_served, urls))
    assert all(map(is_png, images))
    assert len(server.ledger) == 2 * n


# LiteLLM


@pytest.mark.parametrize("model", ["gpt-image-2", "some-model"])
def test_litellm(base_url: str, server: ModelServer, model: str) -> None:
    answer = run_python("litellm_images.py", base_url, model)

    assert "error" not in answer, answer
    assert is_png(answer["data"][0]["b64_json"])
    assert len(server.ledger) == 1


def test_litellm_does_not_pay_twice(base_url: str, server: ModelServer) -> None:
    server.answer_with(ms.charge_then(ms.error(502)))

    assert run_python("litellm_images.py", base_url, "gpt-image-2")["error"]
    assert len(server.ledger) == 1


# Clients in Go and Rust: what they send, byte by byte, and what their types can read

GO = (
    "POST /v1/images/generations HTTP/1.1\r\n"
    "Host: {host}\r\n"
    "User-Agent: Go-http-client/1.1\r\n"
    "Content-Length: {length}\r\n"
    "Accept: application/json\r\n"
    "Authorization: Bearer none\r\n"
    "Content-Type: application/json\r\n"
    "Accept-Encoding: gzip\r\n"
    "\r\n"
)
RUST = (
    "POST /v1/images/generations HTTP/1.1\r\n"
    "authorization: Bearer none\r\n"
    "openai-organization: org\r\n"
    "content-type: application/json\r\n"
    "accept: */*\r\n"
    "host: {host}\r\n"
    "content-length: {length}\r\n"
    "\r\n"
)
GO_BODIES = [
    (
        b'{"prompt":"a red fox","model":"gpt-image-2","n":1,"quality":"high","size":"1024x1024",'
        b'"background":"opaque","moderation":"low","output_compression":80,"output_format":"webp"}'
    ),
    (
        b'{"prompt":"a red fox \\u0026 a \\u003chare\\u003e","model":"dall-e-3","n":1,'
        b'"quality":"hd","size":"1024x1024","style":"vivid","response_format":"b64_json"}'
    ),
    b'{"prompt":"a red fox"}',
]
RUST_BODIES = [
    (
        b'{"prompt":"a red fox","model":"gpt-image-2","n":1,"quality":"low",'
        b'"output_format":"jpeg","size":"auto","moderation":"auto","background":"auto","user":"u"}'
    ),
    b'{"prompt":"a red fox","model":"some-model","response_format":"url"}',
]
RUST_STREAM = (
    b'{"prompt":"a red fox","model":"gpt-image-1","quality":"auto","stream":true,'
    b'"partial_images":0,"size":"1024x1024"}'
)


def replay(service: Service, head: str, body: bytes) -> tuple[int, bytes]:
    """Send these bytes and return the answer's status and body."""
    host = service.origin.removeprefix("http://")
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(head.format(host=host, length=len(body)).encode() + body)
        response = HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


def assert_readable_by_strict_types(body: dict[str, Any]) -> None:
    """Assert that Go's int64 and Rust's u32 and closed lists of words can hold an answer."""
    assert type(body["created"]) is int
    assert 0 <= body["created"] < 2**32
    assert body.get("background", "opaque") in {"transparent", "opaque"}
    assert body.get("quality", "low") in {"standard", "hd", "high", "medium", "low", "auto"}
    assert body.get("output_format", "png") in {"png", "jpeg", "webp"}
    assert None not in body.values()
    for item in body["data"]:
        assert len({"url", "b64_json"} & set(item)) == 1
        assert all(isinstance(item[name], str) for name in ("url", "b64_json") if name in item)
    if "usage" in body:
        assert_whole(body["usage"])


def assert_whole(usage: dict[str, Any]) -> None:
    for name in ("total_tokens", "input_tokens", "output_tokens"):
        assert type(usage[name]) is int
    for name in ("text_tokens", "image_tokens"):
        assert type(usage["input_tokens_details"][name]) is int


@pytest.mark.parametrize("body", GO_BODIES)
def test_go_openai(service: Service, server: ModelServer, body: bytes) -> None:
    status, answer = replay(service, GO, body)

    assert status == 200, answer
    assert_readable_by_strict_types(json.loads(answer))


@pytest.mark.parametrize("body", RUST_BODIES)
def test_async_openai(service: Service, server: ModelServer, body: bytes) -> None:
    status, answer = replay(service, RUST, body)

    assert status == 200, answer
    assert_readable_by_strict_types(json.loads(answer))


def test_async_openai_streams(service: Service, server: ModelServer) -> None:
    status, answer = replay(service, RUST, RUST_STREAM)

    assert status == 200, answer
    line = next(line for line in answer.splitlines() if line.startswith(b"data: "))
    event = json.loads(line.removeprefix(b"data: "))
    assert type(event["created_at"]) is int
    assert event["background"] in {"auto", "transparent", "opaque"}
    assert event["quality"] in {"auto", "low", "medium", "high"}
    assert event["output_format"] in {"png", "jpeg", "webp"}
    assert isinstance(event["size"], str)
    assert_whole(event["usage"])


@pytest.mark.parametrize("head", [GO, RUST])
def test_errors_have_no_number_for_a_code(service: Service, server: ModelServer, head: str) -> None:
    server.answer_with(ms.error(502))
    status, answer = replay(service, head, GO_BODIES[0])

    assert status == 424, answer
    error = json.loads(answer)["error"]
    assert all(isinstance(error[name], str | None) for name in ("message", "type", "param", "code"))

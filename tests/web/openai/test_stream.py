"""stream=true: events of the generation, comments in between, and errors as a last event."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from pixyproxy.web.openai import delivering
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.clients import eventually
from tests.support.model_server import ModelServer
from tests.support.openai_errors import assert_openai_error
from tests.support.servers import Service

URL = "/v1/images/generations"
STREAM = {"prompt": "a red fox", "stream": True}
ALL_FIELDS = {
    "type", "b64_json", "created_at", "size", "quality", "background", "output_format", "usage",
}  # fmt: skip


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stream's head be held back, and a comment be due, after a tenth of a second."""
    monkeypatch.setattr(delivering, "HELD_BACK_S", 0.1)
    monkeypatch.setattr(delivering, "HEARTBEAT_S", 0.1)


def read_stream(text: str) -> tuple[list[dict[str, Any]], int]:
    """Return the events of a whole stream, and how many comments there were."""
    *blocks, rest = text.split("\n\n")
    assert rest == ""
    events = []
    for block in blocks:
        if block.startswith(":"):
            continue
        event, data = block.splitlines()
        body = json.loads(data.removeprefix("data: "))
        assert event == f"event: {body['type']}"
        events.append(body)
    return events, sum(block.startswith(":") for block in blocks)


async def is_gone(client: httpx2.AsyncClient, url: str) -> bool:
    return (await client.get(url)).status_code == 404


async def events_of(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a stream as they come."""
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


@pytest.mark.parametrize("partial_images", [None, 0])
async def test_an_image_comes_with_all_fields(
    client: httpx2.AsyncClient, model_server: ModelServer, partial_images: int | None
) -> None:
    response = await client.post(URL, json={**STREAM, "partial_images": partial_images})

    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    (event,), _ = read_stream(response.text)
    assert set(event) == {*ALL_FIELDS, "pixyproxy"}
    assert event["type"] == "image_generation.completed"
    assert type(event["created_at"]) is int
    assert event["size"] == "1024x1024"
    assert (event["quality"], event["background"], event["output_format"]) == (
        "auto",
        "auto",
        "png",
    )
    assert event["usage"] == ms.usage(1)
    content = await client.get(event["pixyproxy"]["url"])
    assert base64.b64decode(event["b64_json"], validate=True) == content.content
    assert "stream" not in model_server.requests[0].json


async def test_without_a_stream_no_partial_images_are_asked_for(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    response = await client.post(URL, json={"prompt": "a red fox", "partial_images": 2})

    assert response.status_code == 200, response.text
    assert not {"stream", "partial_images"} & set(model_server.requests[0].json)


async def test_a_url_that_is_asked_for_comes_beside_the_bytes(client: httpx2.AsyncClient) -> None:
    asked = {**STREAM, "response_format": "url", "safety_identifier": "user-17"}
    (event,), _ = read_stream((await client.post(URL, json=asked)).text)

    assert event["b64_json"]
    assert "url" not in event
    assert event["pixyproxy"]["url"].endswith("/content")
    assert event["safety_identifier"] == "user-17"


async def test_each_image_has_its_event_and_tokens_are_counted_once(
    client: httpx2.AsyncClient,
) -> None:
    events, _ = read_stream((await client.post(URL, json={**STREAM, "n": 3})).text)

    assert [event["pixyproxy"]["index"] for event in events] == [0, 1, 2]
    assert len({event["pixyproxy"]["guid"] for event in events}) == 3
    assert sum(event["usage"]["total_tokens"] for event in events) == ms.usage(3)["total_tokens"]


async def test_unknown_usage_is_four_zeros(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.item(b64_json=base64.b64encode(ms.png()).decode()))

    (event,), _ = read_stream((await client.post(URL, json=STREAM)).text)

    assert event["usage"] == {
        "total_tokens": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
    }


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (ms.moderation_blocked(), 400, "moderation_blocked"),
        (ms.error(401), 502, "upstream_account_error"),
        (ms.error(502), 424, "upstream_outcome_unknown"),
    ],
)
async def test_an_early_fault_has_its_status(
    client: httpx2.AsyncClient,
    model_server: ModelServer,
    behaviour: ms.Behaviour,
    status: int,
    code: str,
) -> None:
    model_server.answer_with(behaviour)

    response = await client.post(URL, json=STREAM)

    param = "prompt" if status == 400 else None
    assert_openai_error(response, status, code, param=param)


async def test_what_is_refused_before_has_its_status_too(client: httpx2.AsyncClient) -> None:
    response = await client.post(URL, json={**STREAM, "size": "5x5"})

    assert_openai_error(response, 400, "invalid_value", param="size")


@pytest.mark.usefixtures("impatient")
async def test_a_late_fault_is_the_last_event_and_nested(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.charge_then(ms.error(502))))

    asking = asyncio.create_task(client.post(URL, json=STREAM))
    await model_server.calls_accepted(1)
    await asyncio.sleep(0.5)
    model_server.release()
    response = await asking

    assert response.status_code == 200
    (event,), comments = read_stream(response.text)
    assert comments >= 2
    (generation,) = (await client.get("/generation")).json()
    assert event["type"] == "error"
    error = event["error"]
    assert (error["type"], error["code"]) == ("server_error", "upstream_outcome_unknown")
    assert error["param"] is None
    assert generation["guid"] in error["message"]
    assert error["pixyproxy"] == {"generation": generation["guid"], "retryable": False}


@pytest.fixture
async def service_client(
    tmp_path: Any, model_server: ModelServer
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a real process."""
    with Service(tmp_path / "service", openai_base_url=model_server.base_url) as service:
        async with httpx2.AsyncClient(base_url=service.origin, timeout=60) as client:
            yield client


async def test_partial_images_come_before_the_image_and_are_not_kept(
    service_client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.stream(between=ms.until_released()))
    seen = []
    async with service_client.stream("POST", URL, json={**STREAM, "partial_images": 2}) as response:
        async for event in events_of(response):
            seen.append(event)
            if len(seen) == 2:
                model_server.release()

    assert [event["type"].rpartition(".")[2] for event in seen] == [
        "partial_image",
        "partial_image",
        "completed",
    ]
    for index, event in enumerate(seen[:2]):
        assert set(event) == (ALL_FIELDS - {"usage"}) | {"partial_image_index", "pixyproxy"}
        assert event["partial_image_index"] == index
        assert event["size"] == f"{32 + index}x32"
        assert base64.b64decode(event["b64_json"], validate=True) == ms.picture(
            32 + index, 32, index
        )
        url = event["pixyproxy"]["url"]
        assert url.endswith(f"/generation/{event['pixyproxy']['generation']}/partial/{index}")
        await eventually(partial(is_gone, service_client, url))
    (image,) = (await service_client.get("/image")).json()
    assert image["guid"] == seen[2]["pixyproxy"]["guid"]


async def test_an_upstream_that_knows_no_streams_gives_the_image_all_the_same(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.image())

    events, _ = read_stream((await client.post(URL, json={**STREAM, "partial_images": 2})).text)

    assert model_server.requests[0].json["stream"] is True
    assert [event["type"] for event in events] == ["image_generation.completed"]
    (image,) = (await client.get("/image")).json()
    assert image["guid"] == events[0]["pixyproxy"]["guid"]


@pytest.mark.slow
async def test_while_it_is_drawn_something_comes_every_10_to_15_seconds(
    service_client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    loop = asyncio.get_running_loop()
    model_server.answer_with(ms.after_release(ms.image()))
    came_at = [loop.time()]
    pieces = []
    async with service_client.stream("POST", URL, json=STREAM) as response:
        assert 8 < loop.time() - came_at[0] < 15
        async for piece in response.aiter_bytes():
            came_at.append(loop.time())
            pieces.append(piece)
            if len(pieces) == 2:
                model_server.release()

    gaps = [after - before for before, after in pairwise(came_at)]
    assert all(8 < gap < 15 for gap in gaps[:2])
    (event,), comments = read_stream(b"".join(pieces).decode())
    assert comments == 2
    assert event["type"] == "image_generation.completed"
    (image,) = (await service_client.get("/image")).json()
    assert image["guid"] == event["pixyproxy"]["guid"]


async def test_who_goes_away_leaves_the_image_to_be_kept(
    service_client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    for asked in (STREAM, {"prompt": "a red fox"}):
        with pytest.raises(httpx2.ReadTimeout):
            await service_client.post(URL, json=asked, timeout=httpx2.Timeout(60, read=0.5))
    model_server.release()

    while len((await service_client.get("/image")).json()) < 2:
        await asyncio.sleep(0.1)
    assert len(model_server.ledger) == 2


async def test_it_is_held_longer_than_rest_waits(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url, sync_wait_s=0.001)
    async with open_client(settings) as client:
        (event,), _ = read_stream((await client.post(URL, json=STREAM)).text)

    assert event["type"] == "image_generation.completed"

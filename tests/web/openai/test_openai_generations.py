"""POST /v1/images/generations: what is asked for, and how it is answered."""

import asyncio
import base64
import hashlib
from typing import Any

import httpx2
import pytest

from pixyproxy.core.models import GenerationCreate
from pixyproxy.web.openai.requests import AnswerOptions
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.model_server import ModelServer
from tests.support.openai_errors import assert_openai_error

URL = "/v1/images/generations"
PROMPT = {"prompt": "a red fox"}
KEY = "fZ0_kQ7mT3xW9sVb2LrJ"


async def generate(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post(URL, json={**PROMPT, **fields})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["openai-processing-ms"].isdecimal()
    assert response.headers["x-request-id"]
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({}, "b64_json"),
        ({"model": "gpt-image-2"}, "b64_json"),
        ({"model": "Qwen/Qwen-Image"}, "b64_json"),
        ({"model": "dall-e-3"}, "url"),
        ({"model": "gpt-image-2", "response_format": "url"}, "url"),
        ({"model": "dall-e-3", "response_format": "b64_json"}, "b64_json"),
        ({"model": None, "response_format": None, "stream": None, "n": None}, "b64_json"),
    ],
)
async def test_an_image_comes_in_one_form(
    client: httpx2.AsyncClient, model_server: ModelServer, fields: dict[str, Any], form: str
) -> None:
    body = await generate(client, **fields)

    (item,) = body["data"]
    assert {"url", "b64_json"} & set(item) == {form}
    sent = model_server.requests[0].json
    assert "response_format" not in sent
    facts = item["pixyproxy"]
    content = (await client.get(facts["url"])).content
    if form == "url":
        assert item["url"] == facts["url"] == f"http://localhost:8000/image/{facts['guid']}/content"
    else:
        assert base64.b64decode(item["b64_json"], validate=True) == content
    detail = (await client.get(f"/image/{facts['guid']}")).json()
    assert facts == {
        "guid": detail["guid"],
        "url": detail["url"],
        "content_type": "image/png",
        "width": detail["width"],
        "height": detail["height"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "generation": detail["generation_guid"],
    }


async def test_null_is_the_same_as_nothing(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    names = {*GenerationCreate.model_fields, *AnswerOptions.model_fields, "svg", "seed"}
    await generate(client, **dict.fromkeys(names - {"prompt"}))

    assert model_server.requests[0].json == {**PROMPT, "model": "gpt-image-2"}


@pytest.mark.parametrize(
    ("setting", "model", "form"),
    [("url", "gpt-image-2", "url"), ("b64_json", "dall-e-3", "b64_json")],
)
async def test_the_operator_may_choose_the_form(
    make_settings: MakeSettings, model_server: ModelServer, setting: str, model: str, form: str
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url, openai_response=setting)
    async with open_client(settings) as client:
        (unasked,) = (await generate(client, model=model))["data"]
        other = "url" if form == "b64_json" else "b64_json"
        (asked,) = (await generate(client, model=model, response_format=other))["data"]

    assert form in unasked
    assert other not in unasked
    assert other in asked
    assert form not in asked


async def test_what_is_told_beside_the_images(client: httpx2.AsyncClient) -> None:
    body = await generate(
        client, model="gpt-image-2", size="1024x1024", quality="high", background="opaque",
        output_format="webp", n=2, user="someone", safety_identifier="user-17",
    )  # fmt: skip

    assert type(body.pop("created")) is int
    items = body.pop("data")
    assert len(items) == len({item["pixyproxy"]["guid"] for item in items}) == 2
    assert body == {
        "background": "opaque",
        "output_format": "webp",
        "quality": "high",
        "size": "1024x1024",
        "usage": ms.usage(2),
        "safety_identifier": "user-17",
    }


async def test_no_auto_no_null_and_no_half_usage(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(
        ms.answer(
            body={
                "created": 1.5,
                "data": [{"b64_json": base64.b64encode(ms.png(80, 48)).decode()}],
                "usage": {"total_tokens": 3, "prompt_tokens": 3},
            }
        )
    )

    body = await generate(client, size="auto", quality="auto", background="auto", moderation="auto")

    assert type(body["created"]) is int
    assert set(body) == {"created", "data", "output_format", "size"}
    assert body["size"] == "80x48"
    assert set(body["data"][0]) == {"b64_json", "pixyproxy"}


async def test_a_revised_prompt_is_told(client: httpx2.AsyncClient) -> None:
    (item,) = (await generate(client, model="dall-e-3"))["data"]

    assert item["revised_prompt"] == "a red fox, in great detail"


async def test_who_does_not_name_a_model_gets_the_default_ones_form(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url, model="dall-e-3")
    async with open_client(settings) as client:
        (item,) = (await generate(client))["data"]

    assert "url" in item


@pytest.mark.parametrize(
    "path",
    [
        "/openai/v1/images/generations",
        "/openai/deployments/my-drawing/gpt/images/generations?api-version=2025-04-01-preview",
    ],
)
async def test_azures_paths(
    client: httpx2.AsyncClient, model_server: ModelServer, path: str
) -> None:
    response = await client.post(path, json={**PROMPT, "model": "gpt-image-2"})

    assert response.status_code == 200, response.text
    named = "my-drawing/gpt" if "deployments" in path else "gpt-image-2"
    assert model_server.requests[0].json["model"] == named


async def test_three_identical_requests_at_once_are_three(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(*(ms.image(ms.png(seed=seed)) for seed in (1, 2, 3)))

    bodies = await asyncio.gather(*(generate(client, model="some-model") for _ in range(3)))

    assert len(model_server.ledger) == 3
    assert len({body["data"][0]["b64_json"] for body in bodies}) == 3


async def test_it_is_held_longer_than_rest_waits(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = make_settings(openai_base_url=model_server.base_url, sync_wait_s=0.01)
    async with open_client(settings) as client:
        waiting = asyncio.create_task(generate(client))
        await model_server.calls_accepted(1)
        assert (await client.post("/image", json=PROMPT)).status_code == 202
        model_server.release()
        body = await waiting

    assert len(body["data"]) == 1


async def test_an_idempotency_key_wins(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    headers = {"Idempotency-Key": "order-17"}
    first = await client.post(URL, json=PROMPT, headers=headers)
    again = await client.post(URL, json=PROMPT, headers={**headers, "x-stainless-retry-count": "1"})
    other = await client.post(URL, json={"prompt": "a hare"}, headers=headers)

    assert first.status_code == again.status_code == 200
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["data"] == first.json()["data"]
    error = assert_openai_error(other, 400, "idempotency_key_reused")
    assert error["type"] == "idempotency_error"
    assert len(model_server.ledger) == 1


@pytest.mark.parametrize("keys", [["a b"], ["one", "two"]])
async def test_an_idempotency_key_must_be_one(
    client: httpx2.AsyncClient, model_server: ModelServer, keys: list[str]
) -> None:
    headers = [("Idempotency-Key", key) for key in keys]
    response = await client.post(URL, json=PROMPT, headers=headers)

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert model_server.requests == []


async def test_behind_tls_the_url_is_what_the_client_called(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    asked = {**PROMPT, "response_format": "url"}
    headers = {"Host": "images.example:34567", "X-Forwarded-Proto": "https", "api-key": KEY}
    schemes = []
    for trusted in ("127.0.0.1", "10.0.0.1"):
        settings = make_settings(
            openai_base_url=model_server.base_url, api_keys=KEY, trusted_proxies=trusted
        )
        async with open_client(settings) as client:
            (item,) = (await client.post(URL, json=asked, headers=headers)).json()["data"]
        scheme, _, rest = item["url"].partition("://")
        assert rest.startswith("images.example:34567/image/")
        schemes.append(scheme)

    assert schemes == ["https", "http"]


async def test_a_url_outlives_the_process(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url)
    async with open_client(settings) as client:
        (item,) = (await generate(client, response_format="url"))["data"]
    async with open_client(settings) as client:
        response = await client.get(item["url"])

    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"


B64 = base64.b64encode(ms.png()).decode()


@pytest.mark.parametrize(
    "answered",
    [
        {"images": [{"b64_json": B64}]},
        {"data": [{"b64_json": f"data:image/png;base64,{B64}"}]},
        {"data": [{"url": "/files/relative.png"}]},
        {"images": [{"url": "/files/relative.png"}], "timings": {"inference": 1}},
    ],
)
async def test_an_answer_of_another_form_is_an_image_all_the_same(
    client: httpx2.AsyncClient, model_server: ModelServer, answered: dict[str, Any]
) -> None:
    model_server.serve_file("relative.png", ms.file(ms.png()))
    model_server.answer_with(ms.answer(body=answered))

    (item,) = (await generate(client))["data"]

    assert item["b64_json"] == B64

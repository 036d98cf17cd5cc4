"""GET /v1/models: the models that may be asked for."""

from datetime import date

import pytest

from tests.conftest import MakeSettings, open_client, open_with_services
from tests.support.model_server import ModelServer


async def test_the_sketch_is_the_only_model_without_a_server(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        listed = await client.get("/v1/models")
        one = await client.get("/openai/v1/models/sketch?api-version=preview")

    sketch = {"id": "sketch", "object": "model", "created": 0, "owned_by": "pixyproxy"}
    assert listed.json() == {"object": "list", "data": [sketch]}
    assert one.json() == sketch


async def test_of_a_server_that_is_not_openais_the_default_model_is_known(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(openai_base_url="http://127.0.0.1:9/v1", model="Qwen/Qwen-Image")
    async with open_client(settings) as client:
        listed = (await client.get("/v1/models")).json()["data"]
        plain = await client.get("/v1/models/Qwen/Qwen-Image")
        encoded = await client.get("/v1/models/Qwen%2FQwen-Image")

    assert [model["id"] for model in listed] == ["Qwen/Qwen-Image"]
    assert plain.json() == encoded.json() == listed[0]


@pytest.mark.parametrize("base_url", [None, "https://api.openai.com/v1"])
async def test_of_openais_those_that_draw(
    make_settings: MakeSettings, base_url: str | None
) -> None:
    settings = make_settings(
        generator="openai", openai_base_url=base_url, openai_api_key="sk-its-own",
        model="gpt-image-2.6-sunburst",
    )  # fmt: skip
    async with open_client(settings) as client:
        listed = {model["id"]: model for model in (await client.get("/v1/models")).json()["data"]}

    assert next(iter(listed)) == "gpt-image-2.6-sunburst"
    assert listed["gpt-image-2-2026-04-21"] == {
        "id": "gpt-image-2-2026-04-21",
        "object": "model",
        "created": 1776729600,
        "owned_by": "api.openai.com",
    }
    assert all(type(model["created"]) is int for model in listed.values())


async def test_the_day_on_which_a_model_ends_is_told(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(generator="openai", openai_api_key="sk-its-own", model="gpt-image-2")
    async with open_with_services(settings) as (client, services):
        monkeypatch.setattr(services.models, "_today", lambda: date(2026, 11, 30))
        ending = (await client.get("/v1/models/gpt-image-1.5")).json()
        lasting = (await client.get("/v1/models/gpt-image-2")).json()
        monkeypatch.setattr(services.models, "_today", lambda: date(2026, 12, 1))
        ended = await client.get("/v1/models/gpt-image-1.5")

    assert ending["shutdown_date"] == "2026-12-01"
    assert "shutdown_date" not in lasting
    assert ended.status_code == 404


async def test_a_model_that_another_stands_for_is_listed_and_answered_in_its_own_form(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = make_settings(
        openai_base_url=model_server.base_url,
        model="gpt-image-2",
        model_map={"dall-e-3": "gpt-image-2"},
    )
    async with open_client(settings) as client:
        listed = (await client.get("/v1/models")).json()["data"]
        response = await client.post(
            "/v1/images/generations", json={"model": "dall-e-3", "prompt": "a red fox"}
        )

    assert [model["id"] for model in listed] == ["gpt-image-2", "dall-e-3"]
    assert listed[1]["pixyproxy"] == {"stands_for": "gpt-image-2"}
    assert set(response.json()["data"][0]) >= {"url"}
    assert model_server.requests[0].json["model"] == "gpt-image-2"


async def test_what_we_do_not_know_reaches_a_model_that_we_do_not_know(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url, model="flux")
    async with open_client(settings) as client:
        response = await client.post(
            "/v1/images/generations", json={"prompt": "a red fox", "seed": 7, "guidance": 3.5}
        )

    assert response.status_code == 200, response.text
    asked = model_server.requests[0].json
    assert (asked["seed"], asked["guidance"]) == (7, 3.5)

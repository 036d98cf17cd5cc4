"""Partial images, models that stand for others, and parameters that we do not know: end to end."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pixyproxy.service.pictures.check import check_image
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.clients import eventually
from tests.support.generations import submit
from tests.support.graphql import data
from tests.support.model_server import ModelServer
from tests.support.problems import assert_problem
from tests.support.processes import PATIENT, ROOT, environment
from tests.support.servers import Service
from tests.support.sockets import opened

FOLLOW = """subscription($guid: ID!) {
  generation(guid: $guid) { status partialImages { index url } images { guid } }
}"""


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, model: ModelServer) -> Iterator[Service]:
    settings = {
        "openai_base_url": model.base_url,
        "openai_api_key": "sk-x",
        "model_map": "dall-e-3=gpt-image-2, my-old-name=flux",
    }
    with Service(tmp_path_factory.mktemp("partial"), **settings) as service:
        yield service


@pytest.fixture
async def client(service: Service, model: ModelServer) -> AsyncIterator[httpx2.AsyncClient]:
    model.requests.clear()
    async with httpx2.AsyncClient(base_url=service.origin, trust_env=False, timeout=60) as client:
        yield client


@asynccontextmanager
async def following(client: httpx2.AsyncClient, guid: str) -> AsyncIterator[Any]:
    """Yield what gives the next event: its name and its data."""
    async with client.stream("GET", f"/generation/{guid}/events") as response:
        lines = response.aiter_lines()

        async def next_event() -> tuple[str, dict[str, Any]]:
            fields: dict[str, str] = {}
            async for line in lines:
                name, _, value = line.partition(": ")
                if name and value:
                    fields[name] = value
                elif "data" in fields:
                    break
            if fields["event"] == "partial":
                assert "id" not in fields
            return fields["event"], json.loads(fields["data"])

        yield next_event


async def test_partial_images_are_shown_while_they_are_drawn(
    client: httpx2.AsyncClient, service: Service, model: ModelServer
) -> None:
    model.answer_with(ms.stream(between=ms.until_released()))
    generation = await submit(client, partial_images=2)
    guid = generation["guid"]
    assert generation["parameters"] == {"partial_images": 2}

    async with following(client, guid) as next_event, opened(service) as socket:
        assert (await next_event())[1]["status"] == "running"
        for index in range(2):
            url = f"{service.origin}/generation/{guid}/partial/{index}"
            assert await next_event() == ("partial", {"index": index, "url": url})
            shown = await client.get(url)
            assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
            assert shown.headers["cache-control"] == "no-store"
            assert shown.headers["x-content-type-options"] == "nosniff"
            assert check_image(shown.content).width == 32 + index
        await socket.start()
        await socket.subscribe("1", FOLLOW, guid=guid)
        message = await socket.receive()
        told = message["payload"]["data"]["generation"]
        assert [one["index"] for one in told["partialImages"]] == [0, 1]
        assert told["partialImages"][1]["url"] == url
        assert (await client.get(f"/generation/{guid}/partial/2")).status_code == 404

        model.release()
        name, ended = await next_event()
        assert (name, ended["status"], len(ended["images"])) == ("generation", "succeeded", 1)
        while told["status"] == "RUNNING":
            told = (await socket.receive())["payload"]["data"]["generation"]
        assert (told["status"], len(told["images"])) == ("SUCCEEDED", 1)

    assert_problem(await client.get(url), 404, "partial-image-not-found")
    asked = await data(
        client, "query($guid: ID!) { generation(guid: $guid) { partialImages { index } } }",
        {"guid": guid},
    )  # fmt: skip
    assert asked["generation"]["partialImages"] == []
    listed = await data(client, "{ images { guid parameters } }")
    kept = [image["guid"] for image in listed["images"] if image["parameters"]]
    assert kept == [ended["images"][0]["guid"]]


async def test_they_are_served_by_the_process_that_draws_alone(
    make_settings: MakeSettings, model: ModelServer
) -> None:
    model.forget()
    model.answer_with(ms.stream(between=ms.until_released()))
    settings = make_settings(openai_base_url=model.base_url)
    async with open_client(settings) as client, open_client(settings) as beside:
        guid = (await submit(client, partial_images=1))["guid"]
        url = f"/generation/{guid}/partial/0"
        await eventually(partial(is_shown, client, url))
        assert (await beside.get(f"/generation/{guid}")).json()["status"] == "running"
        assert_problem(await beside.get(url), 404, "partial-image-not-found")
        model.release()


async def is_shown(client: httpx2.AsyncClient, url: str) -> bool:
    return (await client.get(url)).status_code == 200


async def test_graphql_asks_for_partial_images_and_follows_them(
    client: httpx2.AsyncClient, service: Service, model: ModelServer
) -> None:
    model.answer_with(ms.stream())
    submitted = await data(
        client, 'mutation { submitGeneration(prompt: "a fox", partialImages: 3) { guid } }'
    )
    guid = submitted["submitGeneration"]["guid"]
    async with opened(service) as socket:
        await socket.start()
        await socket.subscribe("1", FOLLOW, guid=guid)
        status = ""
        while status != "SUCCEEDED":
            status = (await socket.receive())["payload"]["data"]["generation"]["status"]
    assert model.requests[0].json["partial_images"] == 3


async def test_what_only_we_have_set_is_done_without_where_it_is_refused(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    by_name = ("unknown_parameter", "invalid_request_error")
    model.answer_with(
        ms.error(400, *by_name, "stream"), ms.image(), ms.error(400, *by_name, "size"), ms.image()
    )
    model.ledger.clear()
    streamed = await client.post("/image", json={"prompt": "a fox", "partial_images": 1})
    default = await client.post(
        "/v1/images/generations", json={"prompt": "a fox", "model": "dall-e-2"}
    )
    assert (streamed.status_code, default.status_code) == (201, 200), default.text
    assert streamed.json()["parameters"] == {}
    kept = await client.get(f"/image/{default.json()['data'][0]['pixyproxy']['guid']}")
    assert kept.json()["parameters"] == {}
    assert [request.json.get("size") for request in model.requests if request.is_generation] == [
        None, None, "1024x1024", None,
    ]  # fmt: skip
    assert len(model.ledger) == 2


async def test_a_cut_stream_is_an_unknown_outcome(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    model.answer_with(ms.stream(end=False))
    response = await client.post("/image", json={"prompt": "a fox", "partial_images": 1})
    assert_problem(response, 504, "generator-timeout")
    assert model.posts == 1


async def test_what_is_asked_of_dall_e_goes_to_the_model_that_stands_for_it(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    model.answer_with(ms.image())
    asked = {"quality": "hd", "size": "1792x1024", "style": "vivid"}
    response = await client.post("/image", json={"prompt": "a fox", "model": "dall-e-3", **asked})
    assert response.status_code == 201, response.text
    sent = {"model": "gpt-image-2", "quality": "high", "size": "1536x1024"}
    assert model.requests[0].json == {"prompt": "a fox", **sent}
    kept = response.json()
    assert kept["parameters"]["asked_for"] == {"model": "dall-e-3", **asked}
    assert (kept["width"], kept["height"]) == (1536, 1024)


async def test_what_we_do_not_know_reaches_a_model_that_we_do_not_know(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    model.answer_with(ms.image())
    more = {"seed": 7, "negative_prompt": "a dog", "loras": [{"name": "x", "weight": 0.5}]}
    response = await client.post("/image", json={"prompt": "a fox", "model": "flux", **more})
    assert response.status_code == 201, response.text
    assert response.json()["parameters"] == more
    drawn = await data(
        client,
        'mutation($extra: JSON) { generateImage(prompt: "a fox", model: "my-old-name", '
        "extra: $extra) { parameters } }",
        {"extra": more},
    )
    assert drawn["generateImage"]["parameters"] == {**more, "asked_for": {"model": "my-old-name"}}
    inline = await data(
        client,
        'mutation { generateImage(prompt: "a fox", model: "flux", extra: {seed: 7}) '
        "{ parameters } }",
    )
    assert inline["generateImage"]["parameters"] == {"seed": 7}
    sent = [request.json for request in model.requests]
    assert sent[0] == sent[1] == {"prompt": "a fox", "model": "flux", **more}

    model.requests.clear()
    for path in ("/image", "/generation"):
        refused = await client.post(path, json={"prompt": "a fox", "seed": 7})
        problem = assert_problem(refused, 422, "constraint-violation")
        assert [fault["field"] for fault in problem["errors"]] == ["seed"]
    assert model.posts == 0


async def test_a_key_stands_for_what_we_do_not_know_too(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    model.answer_with(ms.image())
    headers = {"Idempotency-Key": "one"}
    asked = {"prompt": "a fox", "model": "flux", "seed": 7}
    first = await client.post("/image", json=asked, headers=headers)
    again = await client.post("/image", json=asked, headers=headers)
    assert again.json() == first.json()
    other = await client.post("/image", json={**asked, "seed": 8}, headers=headers)
    assert_problem(other, 422, "idempotency-conflict")
    assert model.posts == 1


async def test_relative_urls_and_lists_of_errors_are_read(
    client: httpx2.AsyncClient, model: ModelServer
) -> None:
    model.serve_file("x.png", ms.file(ms.png()))
    model.answer_with(ms.item(url="/files/x.png"))
    drawn = await client.post("/image", json={"prompt": "a fox", "model": "flux"})
    assert drawn.status_code == 201, drawn.text
    model.answer_with(ms.answer(400, [{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}]))
    refused = await client.post("/image", json={"prompt": "a fox", "model": "flux"})
    assert_problem(refused, 422, "constraint-violation")


async def test_a_model_that_openai_has_switched_off_is_told_and_refused(tmp_path: Path) -> None:
    settings = {"openai_api_key": "sk-x", "generator": "openai", "model": "dall-e-3"}
    with Service(tmp_path, **settings) as service:
        async with httpx2.AsyncClient(base_url=service.origin, trust_env=False) as client:
            ready = await client.get("/health/ready")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            assert ready.json()["checks"]["model"] == "model-retired"
            refused = await client.post("/image", json={"prompt": "a fox"})
            problem = assert_problem(refused, 422, "constraint-violation")
            assert problem["errors"][0]["field"] == "model"
            assert "gpt-image-2.6-sunburst" in problem["errors"][0]["message"]
        assert "OpenAI has switched off the model dall-e-3" in service.log


async def test_the_command_line_sets_what_we_do_not_know(
    tmp_path: Path, model: ModelServer
) -> None:
    model.requests.clear()
    model.answer_with(ms.image())
    arguments = ["--model", "flux", "--set", "seed=7", "--set", "negative_prompt=a dog"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pixyproxy", "generate", "a fox", *arguments),
        cwd=tmp_path,
        env=environment(openai_base_url=model.base_url, **PATIENT) | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["parameters"] == {"seed": 7, "negative_prompt": "a dog"}
    assert model.requests[0].json["seed"] == 7

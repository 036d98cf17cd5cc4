"""From prompt to kept image, through both faces, with a model server at its best and worst."""

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pixyproxy.core.models import GenerationCreate
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.service import ImageGenerator
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.clients import eventually
from tests.support.files import files_in
from tests.support.model_server import Behaviour, ModelServer

KEY = "sk-the-models-own-key"
PROMPT = "a prompt that must not reach the log"


@pytest.fixture
def model_settings(make_settings: MakeSettings, model_server: ModelServer) -> MakeSettings:
    """Settings for an application that draws by the model server."""
    return lambda **values: make_settings(
        **{"openai_base_url": model_server.base_url, "openai_api_key": KEY} | values
    )


@pytest.fixture
async def drawing(model_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application on SQLite that draws by the model server."""
    async with open_client(model_settings()) as client:
        yield client


async def create(client: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    return await client.post("/image", json={"prompt": PROMPT, **fields})


async def test_a_prompt_becomes_a_kept_image(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    drawn = ms.png(48, 32, seed=7)
    model_server.answer_with(ms.image(drawn))
    response = await create(client, size="1024x1024", quality="high")
    assert response.status_code == 201
    detail = response.json()
    assert detail["sha256"] == hashlib.sha256(drawn).hexdigest()
    assert (detail["width"], detail["height"], detail["byte_size"]) == (48, 32, len(drawn))
    assert detail["parameters"] == {"size": "1024x1024", "quality": "high"}
    assert detail["model"] == "gpt-image-2"

    (request,) = model_server.requests
    assert request.json == {
        "model": "gpt-image-2",
        "prompt": PROMPT,
        "size": "1024x1024",
        "quality": "high",
    }
    assert (await client.get(detail["url"])).content == drawn
    assert (await client.get("/image")).json() == [detail]
    assert (await client.get("/image/search", params={"prompt": "PROMPT not"})).json() == [detail]
    query = {"query": f'{{image(guid: "{detail["guid"]}") {{sha256 url}}}}'}
    shown = (await client.post("/graphql", json=query)).json()["data"]["image"]
    assert shown == {"sha256": detail["sha256"], "url": detail["url"]}


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
async def test_the_bytes_decide_the_format_and_are_stored_untouched(
    drawing: httpx2.AsyncClient, model_server: ModelServer, image_format: str
) -> None:
    drawn = ms.picture(40, 30, seed=1, image_format=image_format)
    model_server.answer_with(ms.image(drawn))
    detail = (await create(drawing)).json()
    assert detail["content_type"] == f"image/{image_format.lower()}"
    content = await drawing.get(detail["url"])
    assert content.content == drawn
    assert content.headers["content-type"] == detail["content_type"]
    assert detail["filename"].endswith(image_format.lower().replace("jpeg", "jpg"))


async def test_an_image_given_by_url_is_fetched_before_the_answer(
    drawing: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    drawn = ms.png(20, 20, seed=3)
    model_server.answer_with(ms.image(drawn, as_url=True, revised_prompt="a better prompt"))
    response = await create(drawing)
    detail = response.json()
    assert detail["revised_prompt"] == "a better prompt"
    assert model_server.origin not in response.text
    assert (await drawing.get(detail["url"])).content == drawn
    assert [request.method for request in model_server.requests] == ["POST", "GET"]
    assert model_server.requests[1].headers["authorization"] == f"Bearer {KEY}"


async def test_dall_e_is_sent_the_specifications_defaults(
    drawing: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    detail = (await create(drawing, model="dall-e-3")).json()
    defaults = {"size": "1024x1024", "quality": "hd", "style": "vivid"}
    assert detail["parameters"] == defaults
    assert model_server.requests[0].json == {"model": "dall-e-3", "prompt": PROMPT, **defaults}


@pytest.mark.parametrize(
    ("fields", "field", "allowed"),
    [
        ({"size": "1000x1000"}, "size", None),
        ({"quality": "hd"}, "quality", ["low", "medium", "high", "auto"]),
        ({"style": "vivid"}, "style", None),
        ({"model": "dall-e-3", "size": "512x512"}, "size", ["1024x1024", "1792x1024", "1024x1792"]),
        ({"background": "transparent", "output_format": "jpeg"}, "background", None),
        ({"output_compression": 50}, "output_compression", None),
        ({"output_compression": 101, "output_format": "webp"}, "output_compression", None),
        ({"output_format": "gif"}, "output_format", ["png", "jpeg", "webp"]),
        ({"prompt": ""}, "prompt", None),
        ({"prompt": " \n"}, "prompt", None),
        ({"prompt": "x" * 32_001}, "prompt", None),
        ({"prompt": "nul \x00"}, "prompt", None),
        ({"prompt": "lone \ud800"}, "prompt", None),
        ({"prompt": 5}, "prompt", None),
        ({"prompt": None}, "prompt", None),
        ({"n": 2}, "n", None),
    ],
)
async def test_what_the_model_would_refuse_is_refused_before_anything_is_paid(
    drawing: httpx2.AsyncClient,
    model_server: ModelServer,
    fields: dict[str, Any],
    field: str,
    allowed: list[str] | None,
) -> None:
    import json

    body = json.dumps({"prompt": PROMPT, **fields}).encode()
    headers = {"content-type": "application/json"}
    response = await drawing.post("/image", content=body, headers=headers)
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "constraint-violation"
    (fault,) = problem["errors"]
    assert fault["field"] == field
    assert fault["message"]
    assert fault.get("allowed") == allowed
    assert not model_server.requests


BAD_IMAGE = (502, "bad-generator-response")
FAILURES: dict[str, tuple[Behaviour, tuple[int, str]]] = {
    "moderation": (ms.moderation_blocked(), (422, "prompt-rejected")),
    "quota": (
        ms.error(429, "insufficient_quota", "insufficient_quota"),
        (502, "generator-account"),
    ),
    "billing": (ms.error(400, "billing_hard_limit_reached"), (502, "generator-account")),
    "wrong key": (ms.echo_key(), (502, "generator-account")),
    "unknown model": (ms.error(404, "model_not_found"), (502, "generator-account")),
    "rate limit": (ms.rate_limited("7"), (429, "generator-busy")),
    "parameter": (ms.error(400, "invalid_value", param="size"), (422, "constraint-violation")),
    "500": (ms.error(500), (503, "generator-unavailable")),
    "503 in HTML": (ms.html(503), (503, "generator-unavailable")),
    "huge error": (ms.huge_error(), (503, "generator-unavailable")),
    "closed": (ms.close(), (504, "generator-timeout")),
    "cut in the head": (ms.cut_in_head(), (504, "generator-timeout")),
    "cut in the body": (ms.cut_in_body(), (504, "generator-timeout")),
    "cut in a chunk": (ms.cut_in_chunk(), (504, "generator-timeout")),
    "HTML": (ms.html(), BAD_IMAGE),
    "empty body": (ms.answer(), BAD_IMAGE),
    "bad JSON": (ms.answer(body=b'{"data": ['), BAD_IMAGE),
    "no data": (ms.answer(body={"created": 1}), BAD_IMAGE),
    "data null": (ms.answer(body={"data": None}), BAD_IMAGE),
    "data empty": (ms.answer(body={"data": []}), BAD_IMAGE),
    "bad base64": (ms.item(b64_json="@@@@"), BAD_IMAGE),
    "no image in data": (ms.item(b64_json=None), BAD_IMAGE),
    "longer than it says": (ms.body_beyond_content_length(), BAD_IMAGE),
    "gzip bomb": (ms.gzip_bomb(), BAD_IMAGE),
    "endless": (ms.endless(), BAD_IMAGE),
    "redirect": (ms.redirect("http://169.254.169.254/latest/meta-data"), BAD_IMAGE),
    "truncated PNG": (ms.image(ms.TRUNCATED_PNG), BAD_IMAGE),
    "truncated JPEG": (ms.image(ms.TRUNCATED_JPEG), BAD_IMAGE),
    "SVG": (ms.image(ms.SVG), BAD_IMAGE),
    "HTML as image": (ms.image(ms.HTML), BAD_IMAGE),
    "GIF that is a script": (ms.image(ms.GIF_POLYGLOT), BAD_IMAGE),
    "169 megapixels": (ms.image(ms.bomb_png()), BAD_IMAGE),
    "empty image": (ms.item(b64_json=""), BAD_IMAGE),
    "URL of a file": (ms.item(url="file:///etc/passwd"), BAD_IMAGE),
    "URL with a key": (ms.item(url="http://user:pw@127.0.0.1/x"), BAD_IMAGE),
    "URL of metadata": (ms.item(url="http://169.254.169.254/latest/meta-data"), BAD_IMAGE),
    "URL of loopback": (ms.item(url="http://127.0.0.1:9/x"), BAD_IMAGE),
    "URL of loopback, spelt oddly": (ms.item(url="http://2130706433/x"), BAD_IMAGE),
    "URL of NAT64": (ms.item(url="http://[64:ff9b::7f00:1]/x"), BAD_IMAGE),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_each_failure_is_its_error_after_one_post_with_nothing_kept_and_nothing_told(
    model_settings: MakeSettings,
    model_server: ModelServer,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    behaviour, expected = FAILURES[name]
    model_server.answer_with(behaviour)
    settings = model_settings(generation_timeout_s=5)
    caplog.set_level(logging.INFO)
    async with open_client(settings) as client:
        response = await create(client)
        assert (response.status_code, response.json()["code"]) == expected
        mutation = {"query": f'mutation {{generateImage(prompt: "{PROMPT}") {{guid}}}}'}
        in_graphql = await client.post("/graphql", json=mutation)
        (error,) = in_graphql.json()["errors"]
        assert error["extensions"]["code"] == expected[1]
        assert error["extensions"]["requestId"] == in_graphql.headers["x-request-id"]
        assert (await client.get("/image")).json() == []
    assert model_server.posts == 2  # one for each face
    assert files_in(settings.images) == []
    for told in (response.text, in_graphql.text, caplog.text):
        for secret in (KEY, "UPSTREAM WORDS", "<html", "latest/meta-data"):
            assert secret.lower() not in told.lower()
    assert PROMPT not in caplog.text
    if name == "rate limit":
        assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    "behaviour",
    [
        ms.file(ms.HTML, "image/png"),
        ms.file(ms.SVG, "image/png"),
        ms.file(ms.TRUNCATED_PNG),
        ms.redirect("http://169.254.169.254/latest"),
        ms.redirect("file:///etc/passwd"),
        ms.gzip_bomb(content_type="image/png"),
        ms.endless(content_type="image/png"),
        ms.error(404),
    ],
)
async def test_a_url_that_leads_to_no_image_is_a_bad_response(
    drawing: httpx2.AsyncClient, model_server: ModelServer, behaviour: Behaviour
) -> None:
    url = model_server.serve_file("drawn.png", behaviour)
    model_server.answer_with(ms.item(url=url))
    response = await create(drawing)
    assert (response.status_code, response.json()["code"]) == BAD_IMAGE
    assert url not in response.text
    assert model_server.posts == 1
    assert (await drawing.get("/image")).json() == []


async def test_a_url_that_fails_for_a_moment_is_tried_again_for_the_image_is_paid(
    drawing: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    drawn = ms.png(seed=11)
    outcomes = [ms.error(503), ms.cut_in_body(), ms.file(drawn)]

    async def behave(exchange: ms.Exchange) -> None:
        await outcomes.pop(0)(exchange)

    model_server.answer_with(ms.item(url=model_server.serve_file("drawn.png", behave)))
    detail = (await create(drawing)).json()
    assert (await drawing.get(detail["url"])).content == drawn
    assert model_server.posts == 1


@pytest.mark.parametrize(
    "behaviour",
    [ms.hang(), ms.drip(b" " * 1000, interval_s=0.1)],
    ids=["hangs", "drips"],
)
async def test_the_deadline_ends_what_does_not_end(
    model_settings: MakeSettings, model_server: ModelServer, behaviour: Behaviour
) -> None:
    model_server.answer_with(behaviour)
    async with open_client(model_settings(generation_timeout_s=0.5)) as client:
        response = await create(client)
    assert (response.status_code, response.json()["code"]) == (504, "generator-timeout")
    assert model_server.posts == 1


async def test_an_unreachable_model_is_unavailable(make_settings: MakeSettings) -> None:
    settings = make_settings(openai_base_url=ms.unused_base_url(), generation_timeout_s=0.8)
    async with open_client(settings) as client:
        response = await create(client)
    assert (response.status_code, response.json()["code"]) == (503, "generator-unavailable")


async def test_the_client_may_hang_up_and_the_image_is_kept_all_the_same(
    drawing: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    asking = asyncio.create_task(create(drawing))
    await model_server.requests_arrived(1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    model_server.release()

    async def is_kept() -> bool:
        return len((await drawing.get("/image")).json()) == 1

    await eventually(is_kept)
    assert model_server.posts == 1


async def test_more_than_run_and_wait_are_refused_at_once(
    model_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_client(model_settings(max_concurrent_generations=2)) as client:
        admitted = [asyncio.create_task(create(client)) for _ in range(2 * 3)]
        await model_server.requests_arrived(2)
        refused = await create(client)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        assert model_server.posts == 2
        model_server.release()
        assert [(await task).status_code for task in admitted] == [201] * 6
    assert model_server.posts == 6


async def test_who_waits_for_a_turn_is_told_so_in_time_and_the_generation_goes_on(
    model_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = model_settings(max_concurrent_generations=1, sync_wait_s=0.3)
    async with open_client(settings) as client:
        answers = await asyncio.gather(create(client), create(client))
        assert [answer.status_code for answer in answers] == [202, 202]
        assert model_server.posts == 1
        model_server.release()

        async def are_kept() -> bool:
            return len((await client.get("/image")).json()) == 2

        await eventually(are_kept)
    assert model_server.posts == 2


async def test_too_little_space_is_said_before_anything_is_paid(
    model_settings: MakeSettings, model_server: ModelServer
) -> None:
    async with open_client(model_settings(min_free_mb=10**9)) as client:
        response = await create(client)
        ready = await client.get("/health/ready")
    assert (response.status_code, response.json()["code"]) == (507, "storage-full")
    assert ready.status_code == 503
    assert ready.json()["checks"]["images"] == "storage-full"
    assert not model_server.requests


async def test_sketches_need_no_key_and_no_network(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        first = (await create(client, size="320x200", output_format="webp")).json()
        again = (await create(client, size="320x200", output_format="webp")).json()
        assert first["sha256"] == again["sha256"]
        assert first["guid"] != again["guid"]
        assert (first["width"], first["height"], first["content_type"]) == (320, 200, "image/webp")
        assert first["model"] == "sketch"


async def test_sixteen_generations_at_once_are_sixteen_images(
    model_settings: MakeSettings, model_server: ModelServer
) -> None:
    async with open_client(model_settings(max_concurrent_generations=16)) as client:
        responses = await asyncio.gather(*(create(client) for _ in range(16)))
        assert {response.status_code for response in responses} == {201}
        assert len({response.json()["guid"] for response in responses}) == 16
        assert len({response.json()["filename"] for response in responses}) == 16
        assert len((await client.get("/image?size=100")).json()) == 16
    assert model_server.posts == 16


async def test_an_image_that_was_kept_is_there_though_its_sibling_failed(
    drawing: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.image(), ms.error(500))
    both = 'mutation { a: generateImage(prompt: "a") {guid} b: generateImage(prompt: "b") {guid} }'
    answer = (await drawing.post("/graphql", json={"query": both})).json()
    (kept,) = (await drawing.get("/image")).json()
    assert answer["data"] == {"a": {"guid": kept["guid"]}, "b": None}
    assert "extensions" not in answer
    assert answer["errors"][0]["path"] == ["b"]


async def test_a_kept_image_is_named_where_its_own_field_is_null(
    drawing: httpx2.AsyncClient,
) -> None:
    query = """mutation {
        seen: generateImage(prompt: "a") { guid }
        unseen: generateImage(prompt: "b") { guid url(width: 0) }
    }"""
    answer = (await drawing.post("/graphql", json={"query": query})).json()
    (unseen,) = (await drawing.get("/image/search?query=b")).json()
    assert answer["data"]["seen"]["guid"]
    assert answer["data"]["unseen"] is None
    assert answer["extensions"] == {"kept": [unseen["guid"]]}
    assert [error["path"] for error in answer["errors"]] == [["unseen", "url"]]


async def test_a_paid_image_is_held_until_it_can_be_kept(
    model_settings: MakeSettings, model_server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = model_settings()
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_client(settings) as client:
        asking = asyncio.create_task(create(client))
        await model_server.requests_arrived(1)
        away = settings.images.rename(settings.images.with_name("away"))
        model_server.release()

        async def is_held() -> bool:
            return "cannot be kept yet" in caplog.text

        await eventually(is_held)
        away.rename(settings.images)
        response = await asking
        assert response.status_code == 201
        assert (await client.get(response.json()["url"])).status_code == 200
    assert model_server.posts == 1


@pytest.mark.slow
async def test_a_paid_image_that_cannot_be_kept_to_the_end_is_named_in_the_log(
    model_settings: MakeSettings, model_server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = model_settings(sync_wait_s=0.2)
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_client(settings) as client:
        asking = asyncio.create_task(create(client))
        await model_server.requests_arrived(1)
        settings.images.rename(settings.images.with_name("away"))
        model_server.release()
        assert (await asking).status_code == 202
    assert re.search(r"paid image [0-9a-f-]{36} was not kept: the service stopped", caplog.text)


async def test_the_upstreams_request_id_is_logged_with_a_success(
    drawing: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await create(drawing)
    assert "upstream-request-id=req_0123456789abcdef" in caplog.text


async def test_a_drawn_image_is_fetched_though_the_service_stops(
    model_settings: MakeSettings, model_server: ModelServer
) -> None:
    drawn = ms.png(seed=5)
    fetch = ms.after_release(ms.file(drawn))
    model_server.answer_with(ms.item(url=model_server.serve_file("drawn.png", fetch)))
    settings = model_settings()
    application = AsyncExitStack()
    client = await application.enter_async_context(open_client(settings))
    asking = asyncio.create_task(create(client))
    await model_server.requests_arrived(2)
    closing = asyncio.create_task(application.aclose())
    for _ in range(100):  # let it come as far as it comes without the file
        await asyncio.sleep(0)
    model_server.release()
    await closing
    assert (await asking).status_code == 201
    assert len(files_in(settings.images)) == 1


async def test_the_generator_needs_a_repository_a_base_url_and_a_key_and_no_more(
    database: Database,
    model_server: ModelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    repository = ImageRepository(database.open_context)
    generator = ImageGenerator(repository, model_server.base_url, KEY)
    asked = GenerationCreate(prompt="a fox", size="1024x640")
    assert generator.repo is repository
    assert str(generator.client.base_url).startswith(model_server.base_url)
    detail = await generator.generate_image(asked, "dall-e-3", "natural", "standard", "1024x1792")
    await generator.aclose()
    assert detail.parameters == {"style": "natural", "quality": "standard", "size": "1024x1792"}
    async with database.open_context() as context:
        assert await repository.get_images(context, [detail.guid]) == [detail]
    assert [path.stem for path in files_in(tmp_path / "images")] == [detail.guid]

"""Generations by GraphQL, on both databases: submitted, asked for, cancelled, tried again."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pixyproxy.schema.context import Context
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.graphql import data, error_of, generate, post
from tests.support.model_server import ModelServer
from tests.support.rows import raw

FIELDS = (
    "{ guid status prompt model parameters n modelServed upstreamRequestId usage queuedAt "
    "startedAt answeredAt storedAt finishedAt error { code message errors } "
    "images { guid prompt url generation { guid } } }"
)
ASK = f"query($guid: ID!) {{ generation(guid: $guid) {FIELDS} }}"
SUBMIT = f"""mutation($prompt: String! = "a cat", $n: Int! = 1, $id: String) {{
    submitGeneration(prompt: $prompt, n: $n, clientRequestId: $id) {FIELDS}
}}"""
GENERATE = """mutation($prompt: String! = "a cat", $id: String) {
    generateImage(prompt: $prompt, clientRequestId: $id) { guid generation { guid } }
}"""
FINAL = {"SUCCEEDED", "REFUSED", "FAILED", "CANCELLED", "UNKNOWN"}
DEADLINE_S = 60


async def submit(client: httpx2.AsyncClient, **variables: Any) -> dict[str, Any]:
    """Return a generation that was submitted now."""
    return dict((await data(client, SUBMIT, variables))["submitGeneration"])


async def ask(client: httpx2.AsyncClient, guid: str) -> dict[str, Any]:
    return dict((await data(client, ASK, {"guid": guid}))["generation"])


async def ended(client: httpx2.AsyncClient, guid: str) -> dict[str, Any]:
    """Return the generation when it has ended, which over HTTP only asking again tells."""
    async with asyncio.timeout(DEADLINE_S):
        while (generation := await ask(client, guid))["status"] not in FINAL:
            await asyncio.sleep(0.02)
    return generation


async def change(client: httpx2.AsyncClient, field: str, guid: str) -> httpx2.Response:
    query = f"mutation($guid: ID!) {{ {field}(guid: $guid) {FIELDS} }}"
    return await post(client, query, {"guid": guid})


@pytest.fixture
async def busy_client(
    make_settings: MakeSettings, database_url: str, model_server: ModelServer
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application that makes one call at a time, which waits to be released."""
    model_server.answer_with(ms.after_release(ms.image()))
    settings = make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-x",
        max_concurrent_generations=1,
        sync_wait_s=0.5,
    )
    async with open_client(settings) as client:
        yield client
        model_server.release()


async def test_a_generation_is_submitted_and_gives_its_images(client: httpx2.AsyncClient) -> None:
    submitted = await submit(client, prompt="a cat 🐈", n=3)
    assert uuid.UUID(submitted["guid"]).version == 4
    assert submitted["status"] in {"QUEUED", "RUNNING", "SUCCEEDED"}
    generation = await ended(client, submitted["guid"])
    assert (generation["status"], generation["error"]) == ("SUCCEEDED", None)
    assert (generation["prompt"], generation["n"]) == ("a cat 🐈", 3)
    assert generation["model"] == generation["modelServed"] == "gpt-image-2"
    assert generation["usage"]["total_tokens"] > 0
    times = [generation[f"{step}At"] for step in ("queued", "answered", "stored", "finished")]
    assert times == sorted(times)
    assert all(time.endswith("Z") for time in times)
    images = generation["images"]
    assert len({image["guid"] for image in images}) == 3
    for image in images:
        assert image["generation"] == {"guid": generation["guid"]}
        assert (await client.get(image["url"])).status_code == 200


async def test_an_image_that_was_waited_for_has_its_generation(client: httpx2.AsyncClient) -> None:
    image = (await data(client, GENERATE))["generateImage"]
    generation = await ask(client, image["generation"]["guid"])
    assert generation["status"] == "SUCCEEDED"
    assert [each["guid"] for each in generation["images"]] == [image["guid"]]


@pytest.mark.parametrize("guid", ["", "nonsense", "\x00", str(uuid.UUID(int=0))])
async def test_no_generation_is_null(client: httpx2.AsyncClient, guid: str) -> None:
    assert await data(client, ASK, {"guid": guid}) == {"generation": None}
    for field in ("cancelGeneration", "retryGeneration"):
        error = error_of(await change(client, field, guid), "generation-not-found")
        assert error["path"] == [field]


async def test_generations_are_listed(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.moderation_blocked(), ms.image())
    guids = []
    for _ in range(3):
        guids.append((await submit(client))["guid"])
        await ended(client, guids[-1])

    async def page(arguments: str = "") -> list[str]:
        found = await data(client, f"{{ generations{arguments} {{ guid }} }}")
        return [generation["guid"] for generation in found["generations"]]

    assert await page() == guids[::-1]
    assert await page("(page: 2, size: 2)") == guids[:1]
    assert await page("(status: REFUSED)") == guids[:1]
    assert await page("(status: SUCCEEDED, size: 1)") == guids[2:]
    assert await page("(status: null)") == guids[::-1]
    assert await page("(status: QUEUED)") == []
    refused = await post(client, "{ generations(size: 101) { guid } }")
    assert error_of(refused, "constraint-violation")["extensions"]["errors"][0]["field"] == "size"
    error_of(await post(client, "{ generations(status: queued) { guid } }"), "invalid-operation")


async def test_why_there_is_no_image(client: httpx2.AsyncClient, model_server: ModelServer) -> None:
    model_server.answer_with(ms.error(500))
    failed = await ended(client, (await submit(client))["guid"])
    assert (failed["status"], failed["images"]) == ("FAILED", [])
    assert failed["error"]["code"] == "generator-unavailable"
    assert "UPSTREAM" not in failed["error"]["message"]


async def test_retrying_draws_the_same_generation(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.error(500), ms.image())
    guid = (await submit(client))["guid"]
    assert (await ended(client, guid))["status"] == "FAILED"
    retried = (await change(client, "retryGeneration", guid)).json()["data"]["retryGeneration"]
    assert retried["guid"] == guid
    done = await ended(client, guid)
    assert (done["status"], len(done["images"])) == ("SUCCEEDED", 1)
    error = error_of(await change(client, "retryGeneration", guid), "generation-state")
    assert "has succeeded" in error["message"]
    assert model_server.posts == 2


async def test_what_is_queued_can_be_cancelled_and_what_runs_cannot(
    busy_client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    running = (await submit(busy_client))["guid"]
    await model_server.calls_accepted(1)
    queued = await submit(busy_client)
    assert queued["status"] == "QUEUED"
    cancelled = (await change(busy_client, "cancelGeneration", queued["guid"])).json()
    assert cancelled["data"]["cancelGeneration"]["status"] == "CANCELLED"
    error = error_of(await change(busy_client, "cancelGeneration", running), "generation-state")
    assert "running" in error["message"]
    model_server.release()
    assert (await ended(busy_client, running))["status"] == "SUCCEEDED"
    assert model_server.posts == 1


async def test_who_has_waited_long_enough_is_told_what_goes_on(
    busy_client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    response = await post(busy_client, GENERATE)
    error = error_of(response, "still-running")
    assert "Do not send it again" in error["message"]
    guid = error["extensions"]["generation"]
    assert (await ask(busy_client, guid))["status"] in {"QUEUED", "RUNNING"}
    model_server.release()
    assert (await ended(busy_client, guid))["status"] == "SUCCEEDED"


async def test_all_waiting_of_one_request_ends_at_one_time() -> None:
    now = asyncio.get_running_loop().time()
    for left_s in (100.0, 0.0, -5.0):
        context = Context(None, None, "somebody", now + left_s)  # type: ignore[arg-type]
        assert max(0, left_s - 60) <= context.wait_s <= max(0, left_s)


async def test_a_siblings_error_hides_nothing_that_was_submitted(
    client: httpx2.AsyncClient,
) -> None:
    query = """mutation {
        submitGeneration(prompt: "a cat") { guid }
        bad: submitGeneration(prompt: "") { guid }
    }"""
    content = (await post(client, query)).json()
    assert content["data"] is None
    assert [error["path"] for error in content["errors"]] == [["bad"]]
    (guid,) = content["extensions"]["submitted"]
    assert (await ended(client, guid))["status"] == "SUCCEEDED"


async def test_a_client_request_id_is_paid_for_once(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    first = await post(client, SUBMIT, {"id": "order-1"})
    assert "Idempotency-Replayed" not in first.headers
    assert first.json().keys() == {"data"}
    guid = first.json()["data"]["submitGeneration"]["guid"]
    for _ in range(2):
        again = await post(client, SUBMIT, {"id": "order-1"})
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json()["extensions"] == {"replayed": ["order-1"]}
        assert again.json()["data"]["submitGeneration"]["guid"] == guid
        await ended(client, guid)
    other = await post(client, SUBMIT, {"id": "order-1", "prompt": "a dog"})
    error_of(other, "idempotency-conflict")
    assert "Idempotency-Replayed" not in other.headers
    assert model_server.posts == 1


async def test_both_faces_know_the_same_keys(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    body, headers = {"prompt": "a cat"}, {"Idempotency-Key": "order-2"}
    made = await client.post("/image", json=body, headers=headers)
    assert made.status_code == 201
    waited = await post(client, GENERATE, {"id": "order-2"})
    assert waited.headers["Idempotency-Replayed"] == "true"
    image = waited.json()["data"]["generateImage"]
    assert image["guid"] == made.json()["guid"]
    submitted = await post(client, SUBMIT, {"id": "order-2"})
    assert submitted.json()["data"]["submitGeneration"]["guid"] == image["generation"]["guid"]

    await data(client, GENERATE, {"id": "order-3"})
    again = await client.post("/image", json=body, headers={"Idempotency-Key": "order-3"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert model_server.posts == 2


async def test_a_replay_that_is_refused_again_says_that_it_is_one(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.moderation_blocked())
    error_of(await post(client, GENERATE, {"id": "order-4"}), "prompt-rejected")
    again = await post(client, GENERATE, {"id": "order-4"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["extensions"] == {"replayed": ["order-4"]}
    assert again.json()["errors"][0]["extensions"]["code"] == "prompt-rejected"
    assert model_server.posts == 1


@pytest.mark.parametrize("id_", ["", "two words", "ä", "x" * 256])
async def test_what_is_no_client_request_id(
    client: httpx2.AsyncClient, model_server: ModelServer, id_: str
) -> None:
    for query in (SUBMIT, GENERATE):
        error_of(await post(client, query, {"id": id_}), "constraint-violation")
    assert model_server.posts == 0


@pytest.mark.parametrize("n", [0, 11, -1])
async def test_how_many_images_may_be_asked_for(client: httpx2.AsyncClient, n: int) -> None:
    error = error_of(await post(client, SUBMIT, {"n": n}), "constraint-violation")
    assert error["extensions"]["errors"][0]["field"] == "n"


@contextmanager
def counted_reads() -> Iterator[list[str]]:
    """Yield the SELECT statements that are sent from now on, of any engine."""
    statements: list[str] = []

    def note(*event: Any) -> None:
        statement = event[2]
        if "FROM images" in statement or (
            "FROM generations" in statement and "WHERE generations.guid IN" in statement
        ):
            statements.append(statement)

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)


async def test_a_list_costs_one_statement_more(client: httpx2.AsyncClient) -> None:
    for number in range(4):
        await generate(client, f"number {number}")
    with counted_reads() as statements:
        found = await data(client, "{ images { guid generation { guid status } } }")
        assert len(statements) == 2
        guids = {image["generation"]["guid"] for image in found["images"]}
        assert len(guids) == 4
    with counted_reads() as statements:
        listed = await data(client, "{ generations { guid images { guid } } }")
        assert len(statements) == 1  # the list itself is not counted
    connection = "{ imageConnection { nodes { guid generation { guid images { guid } } } } }"
    with counted_reads() as statements:
        await data(client, connection)
        assert len(statements) == 4  # the ids, the images, their generations, and those' images
    assert {generation["guid"] for generation in listed["generations"]} == guids
    assert all(len(generation["images"]) == 1 for generation in listed["generations"])


async def test_an_image_from_before_generations_has_none(
    client: httpx2.AsyncClient, database_url: str
) -> None:
    guid = (await generate(client))["guid"]
    raw(database_url, "UPDATE images SET generation_guid = NULL")
    query = f'{{ images {{ guid generation {{ guid }} }} search(guid: "{guid}") {{ guid }} }}'
    assert await data(client, query) == {
        "images": [{"guid": guid, "generation": None}],
        "search": [{"guid": guid}],
    }

"""Sending a request again: one key, one generation, one paid call."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.generations import ended
from tests.support.model_server import ModelServer
from tests.support.problems import assert_problem

KEY = {"Idempotency-Key": "5f2b8c1e-order-17"}
KEYS = ("fZ0_kQ7mT3xW9sVb2LrJ", "Y4nC8pRq1vHdE6uKs0aX")
REPLAYED = "idempotency-replayed"


async def send(
    client: httpx2.AsyncClient,
    path: str,
    headers: Mapping[str, str] | list[tuple[str, str]] = KEY,
    **fields: Any,
) -> httpx2.Response:
    return await client.post(path, json={"prompt": "a fox", **fields}, headers=headers)


@pytest.fixture
async def hasty(
    make_settings: MakeSettings, database_url: str, model_server: ModelServer
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client, on each database, of a service that hardly waits and gives up soon."""
    settings = make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-its-own",
        sync_wait_s=0.01,
    )
    async with open_client(settings) as client:
        yield client


@pytest.mark.parametrize("path", ["/image", "/generation"])
async def test_two_at_once_make_one_paid_call(
    client: httpx2.AsyncClient, model_server: ModelServer, path: str
) -> None:
    answers = await asyncio.gather(*(send(client, path) for _ in range(2)))

    assert len({answer.json()["guid"] for answer in answers}) == 1
    assert [answer.is_success for answer in answers] == [True, True]
    assert sorted(REPLAYED in answer.headers for answer in answers) == [False, True]
    (generation,) = (await client.get("/generation")).json()
    await ended(client, generation["guid"])
    assert len(model_server.ledger) == 1
    assert len((await client.get("/image")).json()) == 1


async def test_without_a_key_each_is_a_request_of_its_own(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    answers = [await send(client, "/image", {}) for _ in range(2)]

    assert len({answer.json()["guid"] for answer in answers}) == 2
    assert [answer.headers.get(REPLAYED) for answer in answers] == [None, None]
    assert len(model_server.ledger) == 2


async def test_a_key_is_its_callers_own(
    make_settings: MakeSettings, database_url: str, model_server: ModelServer
) -> None:
    settings = make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-its-own",
        api_keys=",".join(KEYS),
    )
    async with open_client(settings) as client:
        answers = [await send(client, "/image", {**KEY, "X-API-Key": key}) for key in KEYS]
        again = await send(client, "/image", {**KEY, "Authorization": f"Bearer {KEYS[0]}"})

    assert [answer.headers.get(REPLAYED) for answer in answers] == [None, None]
    assert answers[0].json()["guid"] != answers[1].json()["guid"]
    assert again.headers[REPLAYED] == "true"
    assert again.json() == answers[0].json()
    assert len(model_server.ledger) == 2


@pytest.mark.parametrize("path", ["/image", "/generation"])
@pytest.mark.parametrize("other", [{"prompt": "a hare"}, {"size": "512x512"}])
async def test_a_key_with_another_request_is_refused(
    client: httpx2.AsyncClient, model_server: ModelServer, path: str, other: dict[str, Any]
) -> None:
    first = await send(client, "/image")
    refused = await send(client, path, **other)

    assert_problem(refused, 422, "idempotency-conflict")
    assert REPLAYED not in refused.headers
    assert (await send(client, "/image")).json() == first.json()
    assert len(model_server.ledger) == 1


async def test_what_succeeded_is_answered_again(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    first = await send(client, "/image")
    again = await send(client, "/image", n=1)
    generation = await send(client, "/generation")

    assert (first.status_code, again.status_code) == (201, 201)
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == generation.headers[REPLAYED] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json() == first.json()
    assert generation.status_code == 202
    assert generation.json()["status"] == "succeeded"
    assert generation.json()["images"] == [first.json()]
    assert len(model_server.ledger) == 1


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "reads"),
    [
        (ms.error(500), 503, "generator-unavailable", "failed"),
        (ms.error(401, code="invalid_api_key"), 502, "generator-account", "failed"),
        (ms.error(400, "invalid_value", param="size"), 422, "constraint-violation", "failed"),
        (ms.moderation_blocked(), 422, "prompt-rejected", "refused"),
        (ms.close(), 504, "generator-timeout", "unknown"),
    ],
)
async def test_what_failed_is_the_same_error_again(
    client: httpx2.AsyncClient,
    model_server: ModelServer,
    behaviour: ms.Behaviour,
    status: int,
    code: str,
    reads: str,
) -> None:
    model_server.answer_with(behaviour, ms.image())
    first = await send(client, "/image")
    again = await send(client, "/image")
    generation = await send(client, "/generation")

    told, told_again = (assert_problem(answer, status, code) for answer in (first, again))
    assert told_again["detail"] == told["detail"]
    assert told_again.get("errors") == told.get("errors")
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == generation.headers[REPLAYED] == "true"
    assert generation.status_code == 202
    assert (generation.json()["status"], generation.json()["images"]) == (reads, [])
    assert generation.json()["error"]["code"] == code
    assert model_server.posts == 1


async def test_what_runs_is_waited_for_again(
    hasty: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    first = await send(hasty, "/image")
    again = await send(hasty, "/image")
    generation = await send(hasty, "/generation")

    assert [answer.status_code for answer in (first, again, generation)] == [202] * 3
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == generation.headers[REPLAYED] == "true"
    assert {answer.json()["guid"] for answer in (first, again, generation)} == {
        first.json()["guid"]
    }
    assert generation.json()["status"] == "running"
    model_server.release()
    end = await ended(hasty, first.json()["guid"])
    assert end["status"] == "succeeded"
    kept = await send(hasty, "/image")
    assert (kept.status_code, kept.headers[REPLAYED]) == (201, "true")
    assert [kept.json()] == end["images"]
    assert len(model_server.ledger) == 1


async def test_what_was_cancelled_stays_so(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = make_settings(
        openai_base_url=model_server.base_url,
        openai_api_key="sk-its-own",
        max_concurrent_generations=1,
    )
    async with open_client(settings) as client:
        await send(client, "/generation", {})
        queued = await send(client, "/generation")
        await client.delete(queued.headers["location"])
        again = await send(client, "/image")
        model_server.release()

    assert_problem(again, 409, "generation-cancelled")
    assert again.headers[REPLAYED] == "true"


@pytest.mark.parametrize("path", ["/image", "/generation"])
@pytest.mark.parametrize(
    "keys",
    [[""], ["two words"], ["x" * 256], ["caf\u00e9"], ["\t"], ["a", "a"], ["a", "b"], ["", ""]],
)
async def test_a_key_that_is_none_is_refused_before_anything_is_paid(
    make_settings: MakeSettings, model_server: ModelServer, path: str, keys: list[str]
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url, openai_api_key="sk-its-own")
    async with open_client(settings) as client:
        headers = [("Idempotency-Key", key.encode("latin-1")) for key in keys]
        response = await client.post(path, json={"prompt": "a fox"}, headers=headers)
        assert (await client.get("/generation")).json() == []

    body = assert_problem(response, 422, "constraint-violation")
    assert [fault["field"] for fault in body["errors"]] == ["Idempotency-Key"]
    assert not model_server.requests


@pytest.mark.parametrize("key", ["0", "~" * 255, '"quoted"', "!"])
async def test_any_printable_text_is_a_key(make_settings: MakeSettings, key: str) -> None:
    async with open_client(make_settings()) as client:
        answers = [await send(client, "/image", {"Idempotency-Key": key}) for _ in range(2)]

    assert answers[0].json() == answers[1].json()

"""GraphQL over WebSockets, by a real client against a real server."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from pixyproxy.schema.sockets import INIT_WITHIN_S, MAX_OPERATIONS
from tests.conftest import MakeSettings, open_with_services
from tests.support import model_server as ms
from tests.support.graphql import data
from tests.support.model_server import ModelServer
from tests.support.servers import Service
from tests.support.sockets import BEARER, DEADLINE_S, FOLLOW, KEY, SUBPROTOCOL, Client, opened

FRIEND = "https://app.example.org"
SUBMIT = 'mutation { submitGeneration(prompt: "a cat") { guid } }'
NOBODY = "00000000-0000-4000-8000-000000000000"
SCOPE = {
    "type": "websocket",
    "path": "/graphql",
    "raw_path": b"/graphql",
    "query_string": b"",
    "root_path": "",
    "scheme": "ws",
    "headers": [(b"host", b"localhost:8000")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 8000),
    "subprotocols": [SUBPROTOCOL],
}


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, model: ModelServer) -> Iterator[Service]:
    """A server with a key, to whose model every call must be released."""
    model.answer_with(ms.after_release(ms.image()))
    settings = {
        "api_keys": KEY,
        "cors_origins": FRIEND,
        "openai_base_url": model.base_url,
        "openai_api_key": "sk-x",
        "graphql_max_body_kib": 8,
    }
    with Service(tmp_path_factory.mktemp("sockets"), **settings) as service:
        yield service


def post(service: Service, query: str) -> Any:
    response = httpx2.post(
        f"{service.origin}/graphql", json={"query": query}, headers=BEARER, trust_env=False
    )
    return response.json()["data"]


async def followed(client: Client, id_: str) -> list[dict[str, Any]]:
    """Return what a subscription gives, to its end."""
    seen = []
    while (message := await client.receive())["type"] == "next":
        assert message["id"] == id_
        assert message["payload"].keys() == {"data"}, message
        seen.append(message["payload"]["data"]["generation"])
    assert message == {"type": "complete", "id": id_}
    return seen


async def until_logged(service: Service, text: str, count: int) -> None:
    """Wait until the service has written it so often, which nothing else tells."""
    async with asyncio.timeout(DEADLINE_S):
        while service.log.count(text) < count:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("runs_elsewhere", [False, True], ids=["same process", "another process"])
async def test_each_change_is_told_to_the_end(
    tmp_path: Path, database_url: str, model_server: ModelServer, runs_elsewhere: bool
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = {
        "database_url": database_url,
        "images": tmp_path / "images",
        "openai_base_url": model_server.base_url,
        "openai_api_key": "sk-x",
    }
    with Service(tmp_path / "a", **settings) as a, Service(tmp_path / "b", **settings) as b:
        running = post(a, SUBMIT)["submitGeneration"]["guid"]
        async with opened(b if runs_elsewhere else a) as client:
            await client.start(None)
            await client.subscribe("1", guid=running)
            first = (await client.receive())["payload"]["data"]["generation"]
            assert first == {"guid": running, "status": "RUNNING", "images": []}
            model_server.release()
            (last,) = await followed(client, "1")
            assert (last["guid"], last["status"]) == (running, "SUCCEEDED")
            (image,) = last["images"]
            assert image["url"].startswith(f"http://127.0.0.1:{(b if runs_elsewhere else a).port}/")
            assert httpx2.get(image["url"], trust_env=False).status_code == 200
            await client.subscribe("1", guid=running)
            assert await followed(client, "1") == [last]
    assert "Traceback" not in a.log + b.log


async def test_the_socket_is_logged_once_and_the_caller_named(service: Service) -> None:
    ended = "REQUEST END method=WEBSOCKET path=/graphql status=101"
    before = service.log.count(ended)
    started = service.log.count("REQUEST START method=WEBSOCKET")
    async with opened(service) as client:
        await client.start()
        await client.subscribe("1", guid=NOBODY)
        await client.error("1")
    await until_logged(service, ended, before + 1)
    assert service.log.count("REQUEST START method=WEBSOCKET") == started + 1
    line = [line for line in service.log.splitlines() if ended in line][-1]
    assert "route=/graphql caller=key-" in line
    assert KEY not in service.log


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({}, BEARER),
        ({}, {"authorization": f"bearer {KEY}"}),
        ({}, {"X-API-Key": KEY}),
        ({}, {"x-api-key": KEY, "more": {"a": 1}}),
        (BEARER, None),
        (BEARER, {}),
        ({"X-API-Key": KEY}, None),
        ({"Authorization": "Basic of-a-gateway"}, BEARER),
    ],
)
async def test_who_has_the_key_is_let_in(service: Service, headers: Any, payload: Any) -> None:
    async with opened(service, additional_headers=headers) as client:
        await client.start(payload)


@pytest.mark.parametrize(
    ("headers", "payload", "code"),
    [
        ({}, None, 4401),
        ({}, {}, 4401),
        ({}, {"key": KEY}, 4401),
        ({}, {"Authorization": "Bearer wrong"}, 4403),
        ({}, {"Authorization": KEY}, 4403),
        ({}, {"Authorization": None}, 4403),
        ({}, {"Authorization": "Bearer \ud800"}, 4403),
        ({}, {"X-API-Key": [KEY]}, 4403),
        ({}, {"X-API-Key": KEY, "x-api-key": KEY}, 4403),
        ({}, BEARER | {"X-API-Key": "wrong"}, 4403),
        ({"X-API-Key": "wrong"}, None, 4403),
        (BEARER, {"X-API-Key": "wrong"}, 4403),
        ({}, [], 4400),
        ({}, "Bearer", 4400),
    ],
)
async def test_who_has_not_is_not(service: Service, headers: Any, payload: Any, code: int) -> None:
    async with opened(service, additional_headers=headers) as client:
        await client.send(type="connection_init", payload=payload)
        assert await client.close_code() == code
    assert "Traceback" not in service.log


async def test_nothing_is_served_before_the_key_came(service: Service) -> None:
    async with opened(service, additional_headers=BEARER) as client:
        await client.subscribe("1", guid=NOBODY)
        assert await client.close_code() == 4401


@pytest.mark.slow
async def test_who_says_nothing_is_shut_out(service: Service) -> None:
    async with opened(service) as client:
        await client.send(type="ping")
        assert await client.receive() == {"type": "pong"}
        async with asyncio.timeout(INIT_WITHIN_S + DEADLINE_S):
            assert await client.close_code() == 4408


@pytest.mark.parametrize(
    "message",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type": 1}',
        '{"type": "start"}',
        '{"type": "connection_init"',
        '{"type": "ping", "type": "ping"}',
        "[" * 5000,
        b'{"type": "ping"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{a}"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{a}"}}',
        '{"type": "subscribe", "id": [], "payload": {"query": "{a}"}}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": ""}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}}',
    ],
)
async def test_a_malformed_message_closes_the_socket(
    service: Service, message: str | bytes
) -> None:
    async with opened(service) as client:
        await client.start()
        await client.connection.send(message)
        assert await client.close_code() == 4400
    assert "Traceback" not in service.log


async def test_too_large_a_message_closes_the_socket(service: Service) -> None:
    async with opened(service) as client:
        await client.start()
        await client.connection.send(json.dumps({"type": "ping"}).ljust(8 * 1024))
        assert await client.receive() == {"type": "pong"}
        await client.connection.send(json.dumps({"type": "ping"}).ljust(8 * 1024 + 1))
        assert await client.close_code() == 1009


async def test_what_must_come_once_comes_once(service: Service) -> None:
    async with opened(service) as client:
        await client.start()
        await client.send(type="connection_init", payload=BEARER)
        assert await client.close_code() == 4429
    guid = post(service, SUBMIT)["submitGeneration"]["guid"]
    async with opened(service) as client:
        await client.start()
        await client.subscribe("1", guid=guid)
        await client.subscribe("1", guid=guid)
        assert await client.close_code() == 4409


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}"]
)
async def test_pages_of_other_origins_are_refused(service: Service, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(service, origin=origin.format(port=service.port)):
            pass
    response = refused.value.response
    assert response.status_code == 403
    assert json.loads(response.body or b"")["errors"][0]["extensions"]["code"] == "forbidden"


@pytest.mark.parametrize("origin", [None, FRIEND, "http://127.0.0.1:{port}"])
async def test_pages_of_ours_are_not(service: Service, origin: str | None) -> None:
    async with opened(service, origin=origin and origin.format(port=service.port)) as client:
        assert client.connection.subprotocol == SUBPROTOCOL
        await client.start()


@pytest.mark.parametrize("subprotocol", [None, "graphql-ws", "graphql-transport-wss"])
async def test_other_protocols_are_refused(service: Service, subprotocol: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(service, subprotocol=subprotocol, additional_headers=BEARER):
            pass
    assert refused.value.response.status_code == 400
    assert b"graphql-transport-ws" in (refused.value.response.body or b"")


@pytest.mark.parametrize(
    ("status", "subprotocol", "origin"),
    [(400, "graphql-ws", None), (403, SUBPROTOCOL, "http://evil.example")],
)
async def test_a_refusal_is_logged_as_a_request_and_as_no_error(
    tmp_path: Path, status: int, subprotocol: str, origin: str | None
) -> None:
    with Service(tmp_path) as service, pytest.raises(InvalidStatus) as refused:
        async with opened(service, subprotocol=subprotocol, origin=origin):
            pass
    request_id = refused.value.response.headers["x-request-id"]
    lines = [line for line in service.log.splitlines() if f" {request_id} " in line]
    requests = [line.partition(" REQUEST ")[2] for line in lines if " REQUEST " in line]
    assert [request.split()[0] for request in requests] == ["START", "END"]
    assert f"status={status}" in requests[1].split()
    assert " ERROR " not in service.log
    assert "Traceback" not in service.log


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        (FOLLOW, "generation-not-found", "no generation"),
        ("subscription { generation { guid } }", "invalid-operation", "is required"),
        ("subscription { nothing }", "invalid-operation", "Cannot query field"),
        ("subscription {", "invalid-operation", "Syntax Error"),
        ("subscription($guid: Int!) { generation(guid: $guid) { guid } }", "invalid-operation", ""),
        (
            f"subscription {{ {' '.join(f'a{n}: __typename' for n in range(16))} }}",
            "invalid-operation",
            "more than 15 aliases",
        ),
        (
            'subscription { a: generation(guid: "") { guid } b: generation(guid: "") { guid } }',
            "invalid-operation",
            "only one top level field",
        ),
        ("{ images { guid ", "invalid-operation", "Syntax Error"),
        ("{ images { nothing } }", "invalid-operation", "Cannot query field"),
        (
            "mutation { " + " ".join(f"a{n}: {SUBMIT[11:-1]}" for n in range(5)) + "}",
            "invalid-operation",
            "more than 4 generations",
        ),
    ],
)
async def test_what_will_not_do_is_an_error_of_its_operation(
    service: Service, model: ModelServer, query: str, code: str, message: str
) -> None:
    posts = model.posts
    async with opened(service) as client:
        await client.start()
        await client.subscribe("1", query, guid=NOBODY)
        message_ = await client.receive()
        assert (message_["type"], message_["id"]) == ("error", "1")
        assert {error["extensions"]["code"] for error in message_["payload"]} == {code}
        assert any(message in error["message"] for error in message_["payload"]), message_
        await client.send(type="ping", payload={"a": 1})
        assert await client.receive() == {"type": "pong"}
    assert model.posts == posts


async def test_queries_are_answered_once(service: Service) -> None:
    async with opened(service) as client:
        await client.start()
        for _ in range(2):  # the id is free again
            await client.subscribe("q", "query($guid: ID!) { node(id: $guid) { id } }", guid=NOBODY)
            payload = {"data": {"node": None}}
            assert await client.receive() == {"id": "q", "type": "next", "payload": payload}
            assert await client.receive() == {"id": "q", "type": "complete"}
        await client.subscribe("e", "{ images(size: 0) { id } }")
        message = await client.receive()
        assert (message["type"], message["payload"]["data"]) == ("next", None)
        (error,) = message["payload"]["errors"]
        assert error["extensions"]["code"] == "constraint-violation"
        assert await client.receive() == {"id": "e", "type": "complete"}


async def test_persisted_queries_are_declined_over_sockets_too(service: Service) -> None:
    async with opened(service) as client:
        await client.start()
        extensions = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
        await client.send(type="subscribe", id="1", payload={"extensions": extensions})
        assert (await client.error("1"))["message"] == "PersistedQueryNotSupported"


async def test_mutations_say_what_they_say_over_http(
    tmp_path: Path, model_server: ModelServer
) -> None:
    settings = {"openai_base_url": model_server.base_url, "openai_api_key": "sk-x"}
    mutation = """mutation {
        a: generateImage(prompt: "a cat", clientRequestId: "order-1") { guid }
        unseen: generateImage(prompt: "a dog") { url(width: 0) }
        bad: generateImage(prompt: "") { guid }
    }"""
    with Service(tmp_path, **settings) as service:
        async with opened(service) as client:
            await client.start(None)
            answers = []
            for id_ in ("1", "2"):
                await client.subscribe(id_, mutation)
                answers.append((await client.receive())["payload"])
                assert await client.receive() == {"id": id_, "type": "complete"}
    assert "Traceback" not in service.log
    first, again = answers
    assert first["data"]["a"] == again["data"]["a"]
    assert first["data"]["a"]["guid"]
    assert (first["data"]["unseen"], first["data"]["bad"]) == (None, None)
    assert first["extensions"].keys() == {"kept"}
    assert len(first["extensions"]["kept"]) == 1
    assert again["extensions"]["replayed"] == ["order-1"]
    assert model_server.posts == 3


TWO = 'mutation { a: generateImage(prompt: "a") { guid } b: generateImage(prompt: "b") { guid } }'


@pytest.mark.parametrize("leaves", ["complete", "close", "close at once", "break"])
async def test_a_mutation_goes_on_when_its_socket_closes(
    tmp_path: Path, model_server: ModelServer, leaves: str
) -> None:
    """Even what it has not begun yet: the second field."""
    model_server.answer_with(ms.after_release(ms.image()))
    settings = {"openai_base_url": model_server.base_url, "openai_api_key": "sk-x"}
    with Service(tmp_path, **settings) as service:
        async with opened(service) as client:
            await client.start(None)
            await client.subscribe("1", TWO)
            if leaves != "close at once":
                async with asyncio.timeout(DEADLINE_S):
                    while not model_server.posts:
                        await asyncio.sleep(0.02)
            if leaves == "complete":
                await client.send(type="complete", id="1")
                await client.send(type="ping")
                assert await client.receive() == {"type": "pong"}
            elif leaves == "break":
                client.connection.transport.abort()
        model_server.release()
        await until_logged(service, "REQUEST END method=WEBSOCKET", 1)
        response = httpx2.get(f"{service.origin}/image", trust_env=False)
        assert sorted(image["prompt"] for image in response.json()) == ["a", "b"]
    assert "Traceback" not in service.log
    assert model_server.posts == 2


async def test_a_mutation_is_answered_before_the_service_stops(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = {
        "openai_base_url": model_server.base_url,
        "openai_api_key": "sk-x",
        "drain_s": 30,
    }
    with Service(tmp_path, **settings) as service:
        async with opened(service) as client, opened(service) as idle:
            await client.start(None)
            await idle.start(None)
            await client.subscribe("1", 'mutation { generateImage(prompt: "a cat") { guid } }')
            async with asyncio.timeout(DEADLINE_S):
                while not model_server.posts:
                    await asyncio.sleep(0.02)
            service.process.send_signal(signal.SIGTERM)
            assert await idle.close_code() == 1001
            model_server.release()
            assert (await client.receive())["payload"]["data"]["generateImage"]["guid"]
            assert await client.receive() == {"id": "1", "type": "complete"}
            assert await client.close_code() == 1001
        service.process.send_signal(signal.SIGTERM)
    assert "Traceback" not in service.log


async def test_mutations_that_nobody_waits_for_are_bounded(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = {
        "openai_base_url": model_server.base_url,
        "openai_api_key": "sk-x",
        "max_concurrent_generations": 64,
    }
    with Service(tmp_path, **settings) as service:
        async with opened(service) as client:
            await client.start(None)
            for _ in range(MAX_OPERATIONS):
                await client.subscribe("1", 'mutation { generateImage(prompt: "a cat") { guid } }')
                await client.send(type="complete", id="1")
            await client.subscribe("more", 'mutation { generateImage(prompt: "a cat") { guid } }')
            assert "at most" in (await client.error("more"))["message"]
            model_server.release()
        await until_logged(service, "REQUEST END method=WEBSOCKET", 1)
    assert model_server.posts == MAX_OPERATIONS


async def test_subscriptions_are_bounded_and_their_ids_free_again(service: Service) -> None:
    guid = post(service, SUBMIT)["submitGeneration"]["guid"]
    async with opened(service) as client:
        await client.start()
        for number in range(MAX_OPERATIONS):
            await client.subscribe(str(number), guid=guid)
            assert (await client.receive())["id"] == str(number)
        await client.subscribe("more", guid=guid)
        assert "at most" in (await client.error("more"))["message"]
        await client.send(type="complete", id="7")
        await client.send(type="complete", id="unknown")
        await client.subscribe("7", guid=guid)
        message = await client.receive()
        assert (message["type"], message["id"]) == ("next", "7")


@pytest.mark.parametrize("leaves", ["complete", "close"])
async def test_nothing_is_left_of_a_follower_who_goes(
    make_settings: MakeSettings, model_server: ModelServer, leaves: str
) -> None:
    """In this process, to see what is left."""
    model_server.answer_with(ms.after_release(ms.image()))
    settings = make_settings(openai_base_url=model_server.base_url, openai_api_key="sk-x")
    async with open_with_services(settings) as (http, services):
        guid = (await data(http, SUBMIT))["submitGeneration"]["guid"]
        received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def give(**message: Any) -> None:
            await received.put({"type": "websocket.receive", "text": json.dumps(message)})

        await received.put({"type": "websocket.connect"})
        await give(type="connection_init")
        await give(type="subscribe", id="1", payload={"query": FOLLOW, "variables": {"guid": guid}})
        app = http._transport.app  # type: ignore[attr-defined]
        serving = asyncio.create_task(app(SCOPE, received.get, sent.put))
        kinds = [(await sent.get())["type"] for _ in range(3)]
        assert kinds == ["websocket.accept", "websocket.send", "websocket.send"]
        followers = services.engine.watch._followers
        assert followers.keys() == {guid}
        if leaves == "complete":
            await give(type="complete", id="1")
            async with asyncio.timeout(DEADLINE_S):
                while followers:
                    await asyncio.sleep(0)
        await received.put({"type": "websocket.disconnect", "code": 1005})
        await serving
        assert followers == {}
        assert sent.empty()
        model_server.release()


@pytest.mark.slow
async def test_a_service_that_drains_closes_its_sockets(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = {
        "openai_base_url": model_server.base_url,
        "openai_api_key": "sk-x",
        "drain_s": 2,
    }
    with Service(tmp_path, **settings) as service:
        guid = post(service, SUBMIT)["submitGeneration"]["guid"]
        async with opened(service) as idle, opened(service) as following:
            await idle.start(None)
            await following.start(None)
            await following.subscribe("1", guid=guid)
            assert (await following.receive())["type"] == "next"
            service.process.send_signal(signal.SIGTERM)
            assert await idle.close_code() == 1001
            assert await following.close_code() == 1001
        async with opened(service) as late:
            assert await late.close_code() == 1001
        model_server.release()
    assert service.process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in service.log

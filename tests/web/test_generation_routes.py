"""Generations over REST: submitted, listed, followed, cancelled and tried again."""

import asyncio
import re
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pymysql
import pytest
import sqlalchemy as sa
from fastapi.sse import KEEPALIVE_COMMENT
from sqlalchemy.engine import make_url

from pixyproxy.web.event_stream import EventStream
from pixyproxy.web.submission import preferences
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.generations import ended, read_event, read_events, submit
from tests.support.guids import NOT_GUIDS
from tests.support.mariadb import MariaDB
from tests.support.model_server import ModelServer
from tests.support.problems import assert_problem
from tests.support.servers import Service

NO_GUID = "c8d1e6f0-2b47-4a95-9e13-6d0f8b2a7c54"
FIELDS = {
    "guid", "status", "prompt", "model", "parameters", "n", "model_served", "upstream_request_id",
    "usage", "error", "queued_at", "started_at", "answered_at", "stored_at", "finished_at",
    "images",
}  # fmt: skip
OpenDrawing = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def open_drawing(
    make_settings: MakeSettings, database_url: str, model_server: ModelServer
) -> OpenDrawing:
    """Return what opens a client, on each database, of a service that draws by the model server."""

    def open_it(**values: Any) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        settings = make_settings(
            database_url=database_url,
            openai_base_url=model_server.base_url,
            openai_api_key="sk-its-own",
            **values,
        )
        return open_client(settings)

    return open_it


# Submitting


async def test_a_generation_is_submitted_and_read(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    submitted = await submit(client, "a red fox", size="1024x1024")
    url = f"/generation/{submitted['guid']}"

    assert set(submitted) == FIELDS
    assert submitted["status"] == "running"
    assert (submitted["prompt"], submitted["model"]) == ("a red fox", "gpt-image-2")
    assert (submitted["parameters"], submitted["n"]) == ({"size": "1024x1024"}, 1)
    assert (submitted["images"], submitted["error"], submitted["finished_at"]) == ([], None, None)
    assert submitted["queued_at"].endswith("Z")
    assert (await client.get(url)).json() == submitted

    model_server.release()
    end = await ended(client, submitted["guid"])
    assert set(end) == FIELDS
    assert end["status"] == "succeeded"
    assert end["upstream_request_id"] == "req_0123456789abcdef"
    assert end["usage"]["total_tokens"] == 100
    assert end["queued_at"] <= end["answered_at"] <= end["stored_at"] <= end["finished_at"]
    assert (await client.get(url)).json() == end
    (image,) = end["images"]
    assert image["generation_guid"] == end["guid"]
    assert (await client.get(f"/image/{image['guid']}")).json() == image
    assert (await client.get(image["url"])).status_code == 200


async def test_several_images_of_one_generation(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    end = await ended(client, (await submit(client, n=3, size="1024x640"))["guid"])

    assert (end["status"], end["n"], len(end["images"])) == ("succeeded", 3, 3)
    listed = (await client.get("/image")).json()
    assert listed == end["images"][::-1]
    assert len({image["sha256"] for image in listed}) == 3
    assert [entry.n for entry in model_server.ledger] == [3]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"n": 0}, "n"), ({"n": 11}, "n"), ({"size": "huge"}, "size"), ({"prompt": " "}, "prompt")],
)
async def test_a_bad_wish_is_refused_before_it_is_written_down(
    make_settings: MakeSettings, body: dict[str, Any], field: str
) -> None:
    async with open_client(make_settings()) as client:
        response = await client.post("/generation", json={"prompt": "a fox", **body})
        assert (await client.get("/generation")).json() == []

    problem = assert_problem(response, 422, "constraint-violation")
    assert [fault["field"] for fault in problem["errors"]] == [field]


async def test_more_images_than_one_are_not_waited_for(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        response = await client.post("/image", json={"prompt": "a fox", "n": 2})

    (fault,) = assert_problem(response, 422, "constraint-violation")["errors"]
    assert fault["field"] == "n"
    assert "POST /generation" in fault["message"]


# Waiting no longer


async def test_who_has_waited_long_enough_is_told_where_it_goes_on(
    open_drawing: OpenDrawing, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_drawing(sync_wait_s=0.01) as client:
        response = await client.post("/image", json={"prompt": "a fox"})
        assert response.status_code == 202
        generation = response.json()
        assert set(generation) == FIELDS
        assert generation["status"] == "running"
        assert response.headers["location"] == f"/generation/{generation['guid']}"
        assert "preference-applied" not in response.headers
        model_server.release()
        (image,) = (await ended(client, generation["guid"]))["images"]
        assert (await client.get("/image")).json() == [image]
    assert len(model_server.ledger) == 1


@pytest.mark.slow
async def test_where_it_goes_on_is_told_though_the_database_is_gone(
    make_settings: MakeSettings, model_server: ModelServer, tmp_path: Path
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    (tmp_path / "mariadb").mkdir()
    with MariaDB(tmp_path / "mariadb") as mariadb:
        mysql = make_url(mariadb.url)
        with pymysql.connect(host=mysql.host, port=mysql.port or 0, user="root") as connection:
            connection.cursor().execute("CREATE DATABASE fragile")
        settings = make_settings(
            database_url=f"{mariadb.url}/fragile",
            openai_base_url=model_server.base_url,
            openai_api_key="sk-its-own",
            sync_wait_s=4,
        )
        async with open_client(settings, timeout=60) as client:
            asking = asyncio.create_task(client.post("/image", json={"prompt": "a fox"}))
            await model_server.calls_accepted(1)
            mariadb.kill()
            response = await asking
            mariadb.start()
            model_server.release()
            guid = response.json()["guid"]
            assert len((await ended(client, guid))["images"]) == 1
    assert response.status_code == 202
    assert response.json() == {"guid": guid}
    assert response.headers["location"] == f"/generation/{guid}"


async def test_who_prefers_not_to_wait_does_not(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    response = await client.post(
        "/image", json={"prompt": "a fox", "n": 2}, headers={"Prefer": "Respond-Async, wait=10"}
    )

    assert response.status_code == 202
    assert response.headers["preference-applied"] == "respond-async"
    guid = response.json()["guid"]
    assert response.headers["location"] == f"/generation/{guid}"
    model_server.release()
    assert len((await ended(client, guid))["images"]) == 2


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ([], set()),
        ([""], set()),
        (["respond-async"], {"respond-async"}),
        (["RESPOND-ASYNC ; foo=1"], {"respond-async"}),
        (["wait=5,respond-async"], {"wait", "respond-async"}),
        (["wait=5", 'foo; bar="a, b"', " respond-async"], {"wait", "foo", "respond-async"}),
        (['foo="bar, respond-async"'], {"foo"}),
        (['foo="\\", respond-async, \\""'], {"foo"}),
        (["foo; respond-async"], {"foo"}),
        (["respond-async-not"], {"respond-async-not"}),
        (['"' * 1001 + ", respond-async"], {'"' * 1001 + ", respond-async"}),
    ],
)
def test_preferences_are_read_as_the_rfc_says(headers: list[str], names: set[str]) -> None:
    assert preferences(headers) - {""} == names


# Reading


async def test_generations_are_listed_newest_first(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.image(), ms.moderation_blocked(), ms.image())
    ends = [
        await ended(client, (await submit(client, f"fox {number}"))["guid"]) for number in range(3)
    ]
    first = await client.get("/generation?size=2")
    second = await client.get(first.links["next"]["url"])

    assert first.json() + second.json() == ends[::-1]
    assert first.headers["link"] == '</generation?size=2&page=2>; rel="next"'
    assert second.headers["link"] == '</generation?size=2&page=1>; rel="prev"'
    assert (await client.get("/generation?status=refused")).json() == [ends[1]]
    assert (await client.get("/generation?status=succeeded")).json() == [ends[2], ends[0]]
    assert (await client.get("/generation?status=queued")).json() == []
    linked = await client.get("/generation?status=succeeded&size=1")
    assert linked.links["next"]["url"] == "/generation?status=succeeded&size=1&page=2"


async def test_a_page_asks_for_all_its_images_at_once(client: httpx2.AsyncClient) -> None:
    for number in range(3):
        await ended(client, (await submit(client, f"fox {number}", n=2))["guid"])
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        listed = (await client.get("/generation")).json()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)

    assert [len(generation["images"]) for generation in listed] == [2, 2, 2]
    assert len([each for each in statements if re.search(r"FROM\s+images", each)]) == 1


@pytest.mark.parametrize("status", ["", "done", "SUCCEEDED", "queued,running", "\x00"])
async def test_an_unknown_status_is_told_which_there_are(
    make_settings: MakeSettings, status: str
) -> None:
    async with open_client(make_settings()) as client:
        response = await client.get("/generation", params={"status": status})

    (fault,) = assert_problem(response, 422, "constraint-violation")["errors"]
    assert fault["field"] == "status"
    assert fault["allowed"] == [
        "queued", "running", "succeeded", "refused", "failed", "cancelled", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [("page", "0"), ("size", "101"), ("page", "x")])
async def test_pages_have_bounds(make_settings: MakeSettings, field: str, value: str) -> None:
    async with open_client(make_settings()) as client:
        response = await client.get("/generation", params={field: value})

    (fault,) = assert_problem(response, 422, "constraint-violation")["errors"]
    assert fault["field"] == field


@pytest.mark.parametrize(
    ("method", "suffix"), [("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/events")]
)
async def test_what_is_not_there_is_not_found(
    client: httpx2.AsyncClient, method: str, suffix: str
) -> None:
    there = (await submit(client))["guid"]
    await ended(client, there)
    for guid in (NO_GUID, there.upper(), f"{there}%20", *NOT_GUIDS):
        response = await client.request(method, f"/generation/{guid}{suffix}")
        code = "not-found" if "%2f" in guid else "generation-not-found"
        assert_problem(response, 404, code)


# Steering


async def test_only_what_is_queued_is_cancelled(
    open_drawing: OpenDrawing, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_drawing(max_concurrent_generations=1) as client:
        running, queued = await submit(client, "runs"), await submit(client, "waits")
        assert (running["status"], queued["status"]) == ("running", "queued")
        refused = await client.delete(f"/generation/{running['guid']}")
        assert "charged" in assert_problem(refused, 409, "generation-state")["detail"]

        cancelled = await client.delete(f"/generation/{queued['guid']}")
        assert cancelled.status_code == 200
        assert cancelled.json()["status"] == "cancelled"
        assert cancelled.json()["finished_at"]
        assert (await client.get(f"/generation/{queued['guid']}")).json() == cancelled.json()
        again = await client.delete(f"/generation/{queued['guid']}")
        assert_problem(again, 409, "generation-state")
        model_server.release()
        assert (await ended(client, running["guid"]))["status"] == "succeeded"
    assert [entry.prompt for entry in model_server.ledger] == ["runs"]


async def test_what_failed_or_was_cancelled_is_tried_again(
    open_drawing: OpenDrawing, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.error(500), ms.after_release(ms.image()))
    async with open_drawing(max_concurrent_generations=1) as client:
        failed = await ended(client, (await submit(client, "fails"))["guid"])
        assert (failed["status"], failed["error"]["code"]) == ("failed", "generator-unavailable")
        await submit(client, "holds")
        waiting = await submit(client, "waits")
        await client.delete(f"/generation/{waiting['guid']}")
        for guid in (failed["guid"], waiting["guid"]):
            response = await client.post(f"/generation/{guid}/retry")
            assert response.status_code == 202
            assert response.headers["location"] == f"/generation/{guid}"
            assert (response.json()["guid"], response.json()["status"]) == (guid, "queued")
            assert response.json()["error"] is None
            assert_problem(await client.post(f"/generation/{guid}/retry"), 409, "generation-state")
        model_server.release()
        for guid in (failed["guid"], waiting["guid"]):
            end = await ended(client, guid)
            assert (end["status"], end["error"], len(end["images"])) == ("succeeded", None, 1)
    assert [entry.prompt for entry in model_server.ledger] == ["holds", "fails", "waits"]


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (ms.image(), "succeeded"),
        (ms.moderation_blocked(), "refused"),
        (ms.after_release(ms.image()), "running"),
    ],
)
async def test_what_must_not_be_tried_again_is_not(
    client: httpx2.AsyncClient, model_server: ModelServer, behaviour: ms.Behaviour, status: str
) -> None:
    model_server.answer_with(behaviour)
    generation = await submit(client)
    if status != "running":
        generation = await ended(client, generation["guid"])
    assert generation["status"] == status

    response = await client.post(f"/generation/{generation['guid']}/retry")

    assert_problem(response, 409, "generation-state")
    assert (await client.get(f"/generation/{generation['guid']}")).json() == generation
    await model_server.requests_arrived(1)
    model_server.release()
    assert model_server.posts == 1


# Too much


async def test_what_is_waited_for_is_refused_where_what_is_not_still_queues(
    open_drawing: OpenDrawing, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_drawing(max_concurrent_generations=1) as client:

        def ask() -> asyncio.Task[httpx2.Response]:
            return asyncio.create_task(client.post("/image", json={"prompt": "a fox"}))

        asked = [ask()]
        await model_server.calls_accepted(1)
        asked += [ask(), ask()]
        async with asyncio.timeout(20):
            while len((await client.get("/generation")).json()) < 3:
                await asyncio.sleep(0.01)
        refused = await client.post("/image", json={"prompt": "one too many"})
        assert_problem(refused, 503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        queued = await submit(client, "queued all the same")
        assert queued["status"] == "queued"
        model_server.release()
        assert (await ended(client, queued["guid"]))["status"] == "succeeded"
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [201] * 3
    assert len(model_server.ledger) == 4


async def test_the_queue_has_an_end(open_drawing: OpenDrawing, model_server: ModelServer) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_drawing(max_concurrent_generations=1, max_queued_generations=2) as client:
        guids = [(await submit(client, f"fox {number}"))["guid"] for number in range(3)]
        refused = await client.post("/generation", json={"prompt": "one too many"})
        assert_problem(refused, 503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        assert [each["guid"] for each in (await client.get("/generation")).json()] == guids[::-1]
        model_server.release()
        for guid in guids:
            await ended(client, guid)


# Following


@asynccontextmanager
async def following(
    client: httpx2.AsyncClient, guid: str, **headers: str
) -> AsyncIterator[AsyncGenerator[dict[str, Any], None]]:
    """Open a stream of events; yield what yields a generation for each."""
    async with client.stream("GET", f"/generation/{guid}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"

        async def events() -> AsyncGenerator[dict[str, Any], None]:
            lines: list[str] = []
            async for line in response.aiter_lines():
                if line:
                    lines.append(line)
                elif not lines[0].startswith(":"):
                    yield read_event("\n".join(lines))
                    lines.clear()

        yield events()


def open_service(
    service: Service, timeout_s: float = 30
) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    return httpx2.AsyncClient(base_url=service.origin, trust_env=False, timeout=timeout_s)


async def test_each_change_is_told_as_it_happens(
    tmp_path: Path, database_url: str, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()), ms.image())
    settings = {
        "database_url": database_url,
        "openai_base_url": model_server.base_url,
        "max_concurrent_generations": 1,
    }
    with Service(tmp_path, **settings) as service:
        async with open_service(service) as client:
            await submit(client, "runs")
            guid = (await submit(client, "waits"))["guid"]
            async with following(client, guid) as events:
                assert (await anext(events))["status"] == "queued"
                model_server.release()
                later = [event async for event in events]
            assert [event["status"] for event in later] == ["running", "succeeded"]
            assert later[0]["images"] == []
            assert (await client.get("/image")).json()[0] == later[1]["images"][0]
            assert (await client.get(f"/generation/{guid}")).json() == later[1]
    assert "Traceback" not in service.log


async def test_what_another_process_runs_is_followed_too(
    tmp_path: Path, database_url: str, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = {
        "database_url": database_url,
        "images": tmp_path / "images",
        "openai_base_url": model_server.base_url,
    }
    (tmp_path / "images").mkdir()
    with Service(tmp_path / "a", **settings) as runs, Service(tmp_path / "b", **settings) as tells:
        async with open_service(runs) as runner, open_service(tells) as teller:
            guid = (await submit(runner))["guid"]
            await model_server.calls_accepted(1)
            async with following(teller, guid) as events:
                assert (await anext(events))["status"] == "running"
                model_server.release()
                (end,) = [event async for event in events]
            assert (end["status"], len(end["images"])) == ("succeeded", 1)
            content = await teller.get(f"/image/{end['images'][0]['guid']}/content")
            assert len(content.content) == end["images"][0]["byte_size"]
    assert len(model_server.ledger) == 1


async def test_a_client_that_goes_away_leaves_nothing_behind(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    with Service(tmp_path, openai_base_url=model_server.base_url) as service:
        async with open_service(service) as client:
            guid = (await submit(client))["guid"]
            for _time in range(3):
                async with following(client, guid) as events:
                    await anext(events)
            async with asyncio.timeout(20):
                while len(re.findall(f"REQUEST END .*{guid}/events status=200", service.log)) < 3:
                    await asyncio.sleep(0.01)
            assert len(re.findall(f"REQUEST START .*{guid}/events", service.log)) == 3
            model_server.release()
            assert (await ended(client, guid))["status"] == "succeeded"
    assert "Traceback" not in service.log
    assert " ERROR " not in service.log


async def test_a_stream_ends_when_the_service_stops(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = {"openai_base_url": model_server.base_url, "max_concurrent_generations": 1}
    with Service(tmp_path, **settings) as service:
        async with open_service(service) as client:
            running, queued = await submit(client, "runs"), await submit(client, "waits")
            async with (
                following(client, running["guid"]) as of_running,
                following(client, queued["guid"]) as of_queued,
            ):
                assert (await anext(of_running))["status"] == "running"
                assert (await anext(of_queued))["status"] == "queued"
                service.process.send_signal(signal.SIGTERM)
                assert [event async for event in of_queued] == []
                model_server.release()
                (end,) = [event async for event in of_running]
        assert await asyncio.to_thread(service.process.wait, 60) in {0, -signal.SIGTERM}
    assert (end["status"], len(end["images"])) == ("succeeded", 1)
    assert "Traceback" not in service.log


async def test_who_has_seen_the_end_is_told_to_stop(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.error(500), ms.after_release(ms.image()))
    guid = (await submit(client))["guid"]
    failed = await ended(client, guid)
    url = f"/generation/{guid}/events"

    stopped = await client.get(url, headers={"Last-Event-ID": "failed"})
    assert (stopped.status_code, stopped.content) == (204, b"")
    for seen in ("running", "succeeded", "", "x"):
        again = await client.get(url, headers={"Last-Event-ID": seen})
        assert read_events(again.text) == [failed]

    await client.post(f"/generation/{guid}/retry")
    await model_server.calls_accepted(1)
    following = asyncio.create_task(client.get(url, headers={"Last-Event-ID": "failed"}))
    model_server.release()
    assert read_events((await following).text)[-1]["status"] == "succeeded"


class Connection:
    """An ASGI server's end of a connection; `is_slow` as long as its client reads nothing."""

    scope: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.3"}}  # noqa: RUF012

    def __init__(self, *, is_slow: bool = False) -> None:
        self.sent: list[bytes] = []
        self.heard_heartbeat = asyncio.Event()
        self.gone = asyncio.Event()
        self.begun = asyncio.Event()
        self._is_slow = is_slow

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.begun.set()
            if self._is_slow:
                await asyncio.Event().wait()
            self.sent.append(message["body"])
            if message["body"] == KEEPALIVE_COMMENT:
                self.heard_heartbeat.set()


async def test_the_heart_beats_while_nothing_happens() -> None:
    connection = Connection()

    async def events() -> AsyncGenerator[bytes, None]:
        yield b"first"
        await connection.heard_heartbeat.wait()
        yield b"last"

    async with asyncio.timeout(20):
        stream = EventStream(events(), heartbeat_s=0.001)
        await stream(connection.scope, connection.receive, connection.send)

    assert connection.sent[0] == b"first"
    assert connection.sent[1] == KEEPALIVE_COMMENT == b": ping\n\n"
    assert connection.sent[-2:] == [b"last", b""]


@pytest.mark.parametrize("is_slow", [False, True])
async def test_the_events_are_closed_when_the_client_goes(*, is_slow: bool) -> None:
    connection = Connection(is_slow=is_slow)
    closed = asyncio.Event()

    async def events() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    stream = EventStream(events())
    serving = asyncio.create_task(stream(connection.scope, connection.receive, connection.send))
    async with asyncio.timeout(20):
        await connection.begun.wait()
        connection.gone.set()
        await serving

    assert closed.is_set()


async def test_what_goes_wrong_with_the_events_is_not_hidden() -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        yield b"first"
        raise RuntimeError

    connection = Connection()
    with pytest.raises(RuntimeError):
        await EventStream(events())(connection.scope, connection.receive, connection.send)


# Browsers on other origins


async def test_a_page_of_another_origin_may_submit_and_cancel(make_settings: MakeSettings) -> None:
    origin = "https://app.example"
    async with open_client(make_settings(cors_origins=origin)) as client:
        for method, headers in (("POST", "idempotency-key, prefer"), ("DELETE", "x-api-key")):
            preflight = await client.options(
                f"/generation/{NO_GUID}",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": method,
                    "Access-Control-Request-Headers": headers,
                },
            )
            assert preflight.status_code == 200
        response = await client.post(
            "/generation", json={"prompt": "a fox"}, headers={"Origin": origin}
        )

    exposed = response.headers["access-control-expose-headers"]
    assert {"Location", "Idempotency-Replayed", "Preference-Applied", "Retry-After"} <= set(
        exposed.split(", ")
    )

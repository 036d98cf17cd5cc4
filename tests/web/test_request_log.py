import asyncio
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from pixyproxy.app import create_app
from pixyproxy.log import LineFormatter
from pixyproxy.web.state import state_in
from tests.conftest import MakeSettings, open_client
from tests.support.model_server import ModelServer, hang
from tests.support.problems import assert_problem

KEY = "fZ0_kQ7mT3xW9sVb2LrJ"
START = re.compile(r"REQUEST START method=(\S+) path=(.*)")
END = re.compile(
    r"REQUEST END method=(\S+) path=(.*) status=(\d{3}) duration_ms=\d+\.\d "
    r"route=(\S+) caller=(\S+)"
)


class Lines(logging.Handler):
    """Formats each record at once, as the service does, while its request is running."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(LineFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def requests(self) -> tuple[list[str], list[str]]:
        """The START and the END lines."""
        starts = [line for line in self.lines if "] REQUEST START" in line]
        ends = [line for line in self.lines if "] REQUEST END" in line]
        return starts, ends

    def ended(self) -> dict[str, tuple[str, ...]]:
        """What each END line says, by request-id: method, path, status, route, caller."""
        said = {}
        for line in self.requests()[1]:
            match = END.search(line)
            assert match, line
            said[line.split()[3]] = match.groups()
        return said


@pytest.fixture
def log() -> Any:
    """The lines that are logged during the test."""
    handler = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
async def locked(make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client, without a key, of a service that wants one."""
    settings = make_settings(api_keys=KEY, cors_origins="https://app.example")
    async with open_client(settings) as client:
        yield client


CASES = [
    ("GET", "/image", 401, "/image"),
    ("POST", "/image", 401, "/image"),
    ("DELETE", "/image", 405, "-"),
    ("GET", "/image/search", 401, "/image/search"),
    ("GET", "/image/x", 401, "/image/{guid}"),
    ("GET", "/image/x/content", 404, "/image/{guid}/content"),
    ("HEAD", "/image/x/content", 404, "/image/{guid}/content"),
    ("PUT", "/image/x/content", 405, "-"),
    ("POST", "/generation", 401, "/generation"),
    ("GET", "/generation", 401, "/generation"),
    ("GET", "/generation/x", 401, "/generation/{guid}"),
    ("DELETE", "/generation/x", 401, "/generation/{guid}"),
    ("POST", "/generation/x/retry", 401, "/generation/{guid}/retry"),
    ("GET", "/generation/x/events", 401, "/generation/{guid}/events"),
    ("GET", "/health/live", 200, "/health/live"),
    ("HEAD", "/health/live", 405, "-"),
    ("GET", "/health/ready", 200, "/health/ready"),
    ("POST", "/graphql", 401, "/graphql"),
    ("GET", "/graphql?query={__typename}", 401, "/graphql"),
    ("GET", "/docs", 200, "/docs"),
    ("HEAD", "/docs", 200, "/docs"),
    ("GET", "/openapi.json", 200, "-"),
    ("GET", "/nowhere", 404, "-"),
    ("OPTIONS", "/nowhere", 404, "-"),
    ("OPTIONS", "/image", 405, "-"),
    ("TRACE", "/nowhere", 404, "-"),
    ("GET", f"/{'x' * 17_000}", 414, "-"),
]


@pytest.mark.parametrize(("method", "path", "status", "route"), CASES)
async def test_each_request_has_one_start_and_one_end(
    locked: httpx2.AsyncClient, log: Lines, method: str, path: str, status: int, route: str
) -> None:
    response = await locked.request(method, path)

    assert response.status_code == status
    (start,), (end,) = log.requests()
    request_id = response.headers["x-request-id"]
    assert start.split()[3] == end.split()[3] == request_id
    logged_path = path.partition("?")[0][:256]
    assert START.search(start).groups() == (method, logged_path)
    assert log.ended()[request_id][:3] == (method, logged_path, str(status))
    if status != 405:  # the router names a route whose method does not fit, or not
        assert log.ended()[request_id][3] == route


async def test_a_preflight_is_logged_too(locked: httpx2.AsyncClient, log: Lines) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    response = await locked.options("/image", headers=headers)

    starts, ends = log.requests()
    assert (len(starts), len(ends)) == (1, 1)
    assert response.headers["x-request-id"] in log.ended()


async def test_a_websocket_is_logged_too(make_settings: MakeSettings, log: Lines) -> None:
    app = create_app(make_settings())
    sent: list[Any] = []
    incoming = [{"type": "websocket.connect"}]
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": [(b"host", b"localhost")],
        "subprotocols": ["graphql-ws"],
        "state": {},
    }

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)

    assert sent[0]["type"] == "websocket.http.response.start"
    ((method, path, status, _, _),) = log.ended().values()
    assert (method, path, status) == ("WEBSOCKET", "/graphql", "400")
    assert len(log.requests()[0]) == 1


async def test_a_caller_is_named_without_the_key(locked: httpx2.AsyncClient, log: Lines) -> None:
    await locked.get("/image", headers={"X-API-Key": KEY})
    await locked.get("/image", headers={"Authorization": f"Bearer {KEY}wrong"})

    callers = [said[4] for said in log.ended().values()]
    assert re.fullmatch(r"key-[0-9a-f]{8}", callers[0])
    assert callers[1] == "-"
    assert KEY not in "\n".join(log.lines)


async def test_ids_are_unique_among_a_thousand_concurrent_requests(
    make_settings: MakeSettings, log: Lines
) -> None:
    async with open_client(make_settings()) as client:
        answers = await asyncio.gather(*(client.get("/nowhere") for _ in range(1_000)))

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 1_000
    assert {answer.json()["request_id"] for answer in answers} == set(ids)
    starts, ends = log.requests()
    assert sorted(line.split()[3] for line in starts) == sorted(ids)
    assert sorted(line.split()[3] for line in ends) == sorted(ids)
    assert all(re.fullmatch(r"[\w.]+-\d{8}T\d{9}-\d+-\d+", each) for each in ids)


async def test_the_id_is_on_every_line_of_its_request(
    make_settings: MakeSettings, log: Lines
) -> None:
    async with open_client(make_settings()) as client:
        log.lines.clear()
        prompts = [f"fox {number}" for number in range(5)]
        answers = await asyncio.gather(
            *(client.post("/image", json={"prompt": prompt, "size": "64x64"}) for prompt in prompts)
        )

    for answer in answers:
        own = [line for line in log.lines if line.split()[3] == answer.headers["x-request-id"]]
        guid = answer.json()["guid"]
        assert [line for line in log.lines if guid in line] == [
            line for line in own if guid in line
        ]
        assert "REQUEST START" in own[0]
        assert "generation sent" in own[1]
        assert re.search(r"\bcall \S+ answered\b", own[2])
        assert "image kept" in own[3]
        assert "REQUEST END" in own[4]


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/a%0ab", "/a\\x0ab"),
        ("/a%0d%0aREQUEST%20END", "/a\\x0d\\x0aREQUEST END"),
        ("/%1b[31mred%00", "/\\x1b[31mred\\x00"),
        ("/%E2%80%A8%C2%85%7f", "/\\x2028\\x85\\x7f"),
        ("/f%F0%9F%A6%8A", "/f🦊"),
    ],
)
async def test_a_line_is_one_line(
    make_settings: MakeSettings, log: Lines, path: str, logged: str
) -> None:
    async with open_client(make_settings()) as client:
        await client.get(path, headers={"X-Request-ID": "mine\\nyours", "User-Agent": "a\tb"})

    assert not [line for line in log.lines if not line.isprintable()]
    ((_, said, status, _, _),) = log.ended().values()
    assert (said, status) == (logged, "404")


@pytest.mark.parametrize("path", ["/image/5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05", "/image"])
async def test_the_unforeseen_is_logged_once_and_told_to_nobody(
    make_settings: MakeSettings, log: Lines, path: str
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("a secret of the inside")

    settings = make_settings(cors_origins="https://app.example")
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:

        async def broken(scope: Any, receive: Any, send: Any) -> None:
            names = ("images", "finder", "curation", "generations")
            services = type("Services", (), dict.fromkeys(names, Broken()))
            broken_state = replace(state_in(state), services=services)
            await app({**scope, "state": broken_state.as_lifespan_state()}, receive, send)

        transport = httpx2.ASGITransport(broken)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            response = await client.get(path, headers={"Origin": "https://app.example"})
            graphql = await client.post("/graphql", json={"query": "{ images { guid } }"})

    body = assert_problem(response, 500, "internal-error")
    assert "secret" not in str(body)
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert graphql.json()["errors"][0]["extensions"]["code"] == "internal-error"
    assert "secret" not in graphql.text
    assert [line.count("Traceback") for line in log.lines if "secret" in line] == [1, 1]
    assert log.ended()[response.headers["x-request-id"]][2] == "500"


async def test_a_client_that_hangs_up_while_sending_leaves_no_traceback(
    make_settings: MakeSettings, log: Lines
) -> None:
    app = create_app(make_settings())
    async with app.router.lifespan_context(app) as state:
        for path in ("/image", "/graphql"):
            incoming = [
                {"type": "http.request", "body": b'{"prom', "more_body": True},
                {"type": "http.disconnect"},
            ]
            sent: list[Any] = []

            async def receive(incoming: Any = incoming) -> Any:
                return incoming.pop(0)

            async def send(message: Any, sent: Any = sent) -> None:
                sent.append(message)

            scope = {
                "type": "http",
                "method": "POST",
                "path": path,
                "raw_path": path.encode(),
                "query_string": b"",
                "root_path": "",
                "scheme": "http",
                "http_version": "1.1",
                "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
                "state": dict(state or {}),
            }
            await app(scope, receive, send)
            assert sent == []

    assert [said[2] for said in log.ended().values()] == ["499", "499"]
    assert not [line for line in log.lines if "Traceback" in line or " ERROR " in line]


async def test_a_request_that_is_cancelled_has_its_end(
    make_settings: MakeSettings, model_server: ModelServer, log: Lines
) -> None:
    model_server.answer_with(hang())
    settings = make_settings(openai_base_url=model_server.base_url, openai_api_key="sk-x")
    async with open_client(settings) as client:
        task = asyncio.create_task(client.post("/image", json={"prompt": "a fox"}))
        await model_server.requests_arrived(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    starts, ends = log.requests()
    assert (len(starts), len(ends)) == (1, 1)
    assert END.search(ends[0])[3] == "499"

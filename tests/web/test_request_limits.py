import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.problems import assert_problem

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def small(make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service that takes bodies of 2 KiB, and of 1 KiB at /graphql."""
    settings = make_settings(max_body_kib=2, graphql_max_body_kib=1)
    async with open_client(settings) as client:
        yield client


class Sent:
    """A body in chunks, without Content-Length; counts those that were asked for."""

    def __init__(self, chunk: bytes, count: int) -> None:
        self.chunk = chunk
        self.count = count
        self.asked = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.count):
            self.asked += 1
            yield self.chunk


async def test_a_body_up_to_the_limit_is_taken(small: httpx2.AsyncClient) -> None:
    body = b'{"prompt": "a", "size": "64x64"}'.ljust(2048)

    assert (await small.post("/image", content=body, headers=JSON)).status_code == 201


async def test_a_larger_body_is_not(small: httpx2.AsyncClient) -> None:
    body = b'{"prompt": "a", "size": "64x64"}'.ljust(2049)

    response = await small.post("/image", content=body, headers=JSON)

    problem = assert_problem(response, 413, "payload-too-large")
    assert "2,048" in problem["detail"]


async def test_a_body_that_says_to_be_larger_is_not_read(small: httpx2.AsyncClient) -> None:
    sent = Sent(b" " * 1024, 100)

    response = await small.post(
        "/image", content=sent, headers={**JSON, "Content-Length": str(100 * 1024)}
    )

    assert_problem(response, 413, "payload-too-large")
    assert sent.asked == 0


async def test_a_body_in_chunks_is_counted(small: httpx2.AsyncClient) -> None:
    sent = Sent(b" " * 1024, 100)

    response = await small.post("/image", content=sent, headers=JSON)

    assert_problem(response, 413, "payload-too-large")
    assert sent.asked <= 4


async def test_a_body_that_lies_about_its_length_is_counted(small: httpx2.AsyncClient) -> None:
    sent = Sent(b" " * 1024, 100)

    response = await small.post("/image", content=sent, headers={**JSON, "Content-Length": "1"})

    assert_problem(response, 413, "payload-too-large")


@pytest.mark.parametrize("chunked", [False, True])
async def test_graphql_has_a_limit_and_a_shape_of_its_own(
    small: httpx2.AsyncClient, chunked: bool
) -> None:
    body = b'{"query": "{__typename}"}'
    taken = await small.post("/graphql", content=body.ljust(1024), headers=JSON)
    large = Sent(b" ", 1025) if chunked else body.ljust(1025)
    refused = await small.post("/graphql", content=large, headers=JSON)

    assert taken.json() == {"data": {"__typename": "Query"}}
    assert refused.status_code == 413
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "payload-too-large"
    assert error["extensions"]["requestId"] == refused.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", [f"/image/{'x' * 16_384}", f"/image/search?query={'x' * 16_384}", f"/{'%41' * 6_000}"]
)
async def test_a_long_url_is_refused(small: httpx2.AsyncClient, path: str) -> None:
    assert_problem(await small.get(path), 414, "uri-too-long")


async def test_the_longest_criterion_fits_in_a_url(small: httpx2.AsyncClient) -> None:
    response = await small.get("/image/search", params={"prompt": "𐐀" * 1000})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Large": "x" * 32_768},
        {f"X-{number}": "x" * 100 for number in range(400)},
        {"Cookie": "x" * 40_000},
    ],
)
async def test_large_headers_are_refused(small: httpx2.AsyncClient, headers: dict) -> None:
    response = await small.get("/image", headers=headers)

    assert_problem(response, 431, "request-header-fields-too-large")


async def test_usual_headers_are_not(small: httpx2.AsyncClient) -> None:
    headers = {"Cookie": "x" * 8_000, "User-Agent": "x" * 500, "Accept": "*/*"}

    assert (await small.get("/image", headers=headers)).status_code == 200


async def test_many_large_bodies_at_once_are_all_refused(small: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(small.post("/image", content=Sent(b" " * 1024, 9), headers=JSON) for _ in range(50))
    )

    assert {each.status_code for each in answers} == {413}

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.problems import assert_problem

KEY = "fZ0_kQ7mT3xW9sVb2LrJ"
OTHER_KEY = "pD4-uH8nC1yE6aGq5MzR"
PRIVATE = [
    ("POST", "/image"),
    ("GET", "/image"),
    ("GET", "/image/search"),
    ("GET", "/image/5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"),
    ("POST", "/image/batch/update"),
    ("POST", "/image/batch/delete"),
    ("POST", "/image/batch/purge"),
    ("GET", "/trash"),
    ("POST", "/trash/restore"),
    ("DELETE", "/trash"),
    ("POST", "/image/zip"),
    ("GET", "/models"),
    ("POST", "/session"),
    ("POST", "/graphql"),
]
PUBLIC = ["/", "/health/live", "/health/ready", "/docs", "/openapi.json"]


@pytest.fixture
async def locked(make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client, without a key, of a service that wants one."""
    settings = make_settings(api_keys=f"{KEY},{OTHER_KEY}", generator="sketch")
    async with open_client(settings) as client:
        yield client


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
@pytest.mark.parametrize("header", ["bearer", "Bearer", "BEARER", "x-api-key"])
async def test_each_key_opens_by_either_header(
    locked: httpx2.AsyncClient, header: str, key: str
) -> None:
    headers = {"X-API-Key": key} if header == "x-api-key" else {"Authorization": f"{header} {key}"}

    assert (await locked.get("/image", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", f"Basic {KEY}")],
        [("authorization", KEY)],
        [("authorization", f"Bearer {KEY}x")],
        [("authorization", f"Bearer {KEY[:-1]}")],
        [("authorization", f"Bearer {KEY} {KEY}")],
        [("authorization", f"Bearer {KEY.swapcase()}")],
        [("x-api-key", "")],
        [("x-api-key", f"{KEY},{OTHER_KEY}")],
        [("x-api-key", KEY), ("x-api-key", KEY)],
        [("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)],
        [("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")],
        [("authorization", "Basic x"), ("x-api-key", KEY)],
        [("x-api-key", "schlüssel-fZ0kQ7mT3xW9".encode())],
        [("authorization", "Bearer ключ-fZ0kQ7mT3xW9".encode())],
        [("x-api-key", "k" * 20_000)],
        [("cookie", f"api_key={KEY}")],
    ],
)
async def test_any_other_key_does_not(locked: httpx2.AsyncClient, headers: list) -> None:
    response = await locked.get("/image", headers=headers)

    assert_problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), PRIVATE)
async def test_what_holds_data_asks_for_a_key(
    locked: httpx2.AsyncClient, method: str, path: str
) -> None:
    response = await locked.request(method, path)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_in_the_query_does_not_count(locked: httpx2.AsyncClient) -> None:
    response = await locked.get("/image", params={"api_key": KEY, "key": KEY})

    assert_problem(response, 401, "unauthenticated")


@pytest.mark.parametrize("path", PUBLIC)
async def test_what_holds_no_data_asks_for_none(locked: httpx2.AsyncClient, path: str) -> None:
    assert (await locked.get(path)).status_code == 200


@pytest.mark.parametrize("content", [b"{", b"x" * 2**20, b'{"prompt": 1}'])
async def test_the_key_is_asked_for_before_the_body_is_judged(
    locked: httpx2.AsyncClient, content: bytes
) -> None:
    response = await locked.post("/image", content=content)

    assert_problem(response, 401, "unauthenticated")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.0.0.1:8000",
        "127.8.9.10",
        "[::1]",
        "[::1]:8000",
    ],
)
async def test_without_keys_this_machine_may(make_settings: MakeSettings, host: str) -> None:
    async with open_client(make_settings()) as client:
        assert (await client.get("/image", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example#localhost",
        "127.0.0.1:evil.example",
        "[::1].evil.example",
        "[::1]evil",
        "[::1",
        "10.0.0.1",
        "0.0.0.0",
        "192.168.1.1:8000",
        "[2001:db8::1]:8000",
    ],
)
@pytest.mark.parametrize("path", ["/image", "/graphql?query={__typename}"])
async def test_without_keys_no_other_host_may(
    make_settings: MakeSettings, host: str, path: str
) -> None:
    async with open_client(make_settings()) as client:
        response = await client.get(path, headers={"Host": host})

    assert response.status_code == 401
    assert "loopback" in response.text


async def test_without_keys_two_hosts_may_not(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        headers = [("Host", "localhost"), ("Host", "evil.example")]
        assert_problem(await client.get("/image", headers=headers), 401, "unauthenticated")


async def test_an_operator_may_let_anybody_in(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(allow_anonymous=True)) as client:
        response = await client.get("/image", headers={"Host": "images.example"})

    assert response.status_code == 200


async def test_keys_count_on_loopback_too(locked: httpx2.AsyncClient) -> None:
    response = await locked.get("/image", headers={"Host": "127.0.0.1"})

    assert_problem(response, 401, "unauthenticated")


async def test_content_needs_a_key_where_the_operator_says_so(make_settings: MakeSettings) -> None:
    settings = make_settings(api_keys=KEY, content_requires_key=True)
    async with open_client(settings) as client:
        headers = {"X-API-Key": KEY}
        made = await client.post("/image", json={"prompt": "a fox"}, headers=headers)
        path = f"/image/{made.json()['guid']}/content"

        assert_problem(await client.get(path), 401, "unauthenticated")
        assert (await client.head(path)).status_code == 401
        served = await client.get(path, headers=headers)

    assert served.status_code == 200
    assert served.headers["cache-control"] == "private, max-age=31536000, immutable"


async def test_content_needs_no_key_else(locked: httpx2.AsyncClient) -> None:
    made = await locked.post("/image", json={"prompt": "a fox"}, headers={"X-API-Key": KEY})
    served = await locked.get(f"/image/{made.json()['guid']}/content")

    assert served.status_code == 200
    assert served.headers["cache-control"] == "public, max-age=31536000, immutable"


FRONTEND = "https://app.example"


@pytest.fixture
async def cross_origin(make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service that a frontend on another origin may use, with a key."""
    settings = make_settings(api_keys=KEY, cors_origins=f"{FRONTEND},https://b.example")
    async with open_client(settings) as client:
        yield client


@pytest.mark.parametrize("path", ["/image", "/graphql"])
async def test_a_preflight_of_a_known_origin_passes(
    cross_origin: httpx2.AsyncClient, path: str
) -> None:
    response = await cross_origin.options(
        path,
        headers={
            "Origin": FRONTEND,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,last-event-id,x-api-key",
        },
    )

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == FRONTEND
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower()
    asked = {"authorization", "content-type", "last-event-id", "x-api-key"}
    assert asked <= set(allowed.split(", "))
    assert "x-request-id" in response.headers


async def test_a_preflight_of_any_other_origin_does_not(cross_origin: httpx2.AsyncClient) -> None:
    response = await cross_origin.options(
        "/image",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )

    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/image", 401),
        ("POST", "/graphql", 401),
        ("GET", "/nowhere", 404),
        ("DELETE", "/image", 405),
        ("GET", f"/{'x' * 20_000}", 414),
    ],
)
async def test_a_known_origin_can_read_errors(
    cross_origin: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await cross_origin.request(method, path, headers={"Origin": FRONTEND})

    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == FRONTEND
    assert "X-Request-ID" in response.headers["access-control-expose-headers"]


async def test_no_origin_is_known_by_default(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        response = await client.get("/image", headers={"Origin": FRONTEND})

    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("trusted", "scheme"),
    [("127.0.0.1", "https"), ("10.0.0.1,127.0.0.1", "https"), ("10.0.0.1", "http")],
)
async def test_a_forwarded_scheme_counts_from_trusted_proxies_only(
    make_settings: MakeSettings, trusted: str, scheme: str
) -> None:
    async with open_client(make_settings(trusted_proxies=trusted)) as client:
        headers = {"X-Forwarded-Proto": "https", "Host": "127.0.0.1:8000"}
        made = await client.post("/image", json={"prompt": "a fox"}, headers=headers)

    guid = made.json()["guid"]
    assert made.json()["url"] == f"{scheme}://127.0.0.1:8000/image/{guid}/content"


@pytest.mark.parametrize(
    ("forwarded", "scheme"),
    [
        ([("X-Forwarded-Proto", "https, http")], "https"),
        ([("X-Forwarded-Proto", "HTTPS,http")], "https"),
        ([("X-Forwarded-Proto", "http, https")], "http"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")], "https"),
        ([("X-Forwarded-Proto", "gopher, https")], "http"),
    ],
)
@pytest.mark.parametrize("trusted", ["127.0.0.1", "10.0.0.1"])
async def test_of_several_forwarded_schemes_the_first_counts(
    make_settings: MakeSettings, forwarded: list[tuple[str, str]], scheme: str, trusted: str
) -> None:
    async with open_client(make_settings(trusted_proxies=trusted)) as client:
        headers = [("Host", "127.0.0.1:8000"), *forwarded]
        made = await client.post("/image", json={"prompt": "a fox"}, headers=headers)

    scheme = scheme if trusted == "127.0.0.1" else "http"
    assert made.json()["url"].startswith(f"{scheme}://127.0.0.1:8000/")


async def test_the_public_base_url_wins(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(public_base_url="https://i.example/p/")) as client:
        made = await client.post("/image", json={"prompt": "a fox"})

    assert made.json()["url"] == f"https://i.example/p/image/{made.json()['guid']}/content"


@pytest.mark.parametrize("host", ['evil"><x', "evil.example/path", "a b", "user@host"])
async def test_a_host_that_cannot_be_one_is_not_put_into_urls(
    make_settings: MakeSettings, host: str
) -> None:
    async with open_client(make_settings(allow_anonymous=True)) as client:
        made = await client.post("/image", json={"prompt": "a", "size": "64x64"})
        path = f"/image/{made.json()['guid']}"
        assert (await client.get(path, headers={"Host": host})).status_code == 400
        assert (await client.get(path, headers={"Host": "images.example:8443"})).status_code == 200

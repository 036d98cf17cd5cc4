"""Sessions: cookies that count for reading bytes alone."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from pixyproxy.web.session import Sessions
from tests.conftest import MakeSettings, open_client

KEY = "N7mYcQ4w-tests-only-9fKz"
OTHER_KEY = "pD4-uH8nC1yE6aGq5MzR"


@pytest.fixture
async def locked(make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    settings = make_settings(
        api_keys=f"{KEY},{OTHER_KEY}", content_requires_key=True, generator="sketch"
    )
    async with open_client(settings) as client:
        yield client


async def test_a_session_opens_bytes_and_nothing_else(locked: httpx2.AsyncClient) -> None:
    key = {"X-API-Key": KEY}
    image = (await locked.post("/image", json={"prompt": "a cat"}, headers=key)).json()
    begun = await locked.post("/session", headers=key)
    assert begun.status_code == 204
    attributes = [part.strip() for part in begun.headers["set-cookie"].split(";")]
    assert {"HttpOnly", "SameSite=strict", "Path=/image", "Max-Age=43200"} <= set(attributes)
    assert KEY not in begun.headers["set-cookie"]
    cookie = {"Cookie": attributes[0]}
    locked.cookies.clear()
    content = f"/image/{image['guid']}/content"

    assert (await locked.get(content)).status_code == 401
    assert (await locked.get(content, headers=cookie)).status_code == 200
    assert (await locked.get(f"{content}?width=64", headers=cookie)).status_code == 200
    assert (await locked.head(content, headers=cookie)).status_code == 200
    for method, path in [
        ("GET", "/image"),
        ("GET", f"/image/{image['guid']}"),
        ("DELETE", f"/image/{image['guid']}"),
        ("POST", "/image"),
        ("POST", "/image/zip"),
        ("POST", "/graphql"),
        ("POST", "/session"),
        ("GET", "/models"),
    ]:
        answer = await locked.request(method, path, headers=cookie)
        assert answer.status_code == 401, (method, path)
    # A key that is sent counts, even where a session would do.
    wrong = {**cookie, "X-API-Key": "wrong"}
    assert (await locked.get(content, headers=wrong)).status_code == 401
    ended = await locked.delete("/session")
    assert ended.status_code == 204
    assert "Max-Age=0" in ended.headers["set-cookie"]


async def test_a_session_over_tls_is_for_tls_alone(locked: httpx2.AsyncClient) -> None:
    url = "https://localhost:8000/session"
    assert "Secure" in (await locked.post(url, headers={"X-API-Key": KEY})).headers["set-cookie"]


async def test_where_there_are_no_keys_there_is_no_session(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        begun = await client.post("/session")

    assert begun.status_code == 204
    assert "set-cookie" not in begun.headers


def test_no_session_can_be_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions([KEY, OTHER_KEY])
    name = next(iter(Sessions([KEY])._secrets))
    value = sessions.begin(f"key-{name}")
    assert sessions.owner(value) == f"key-{name}"
    assert Sessions([KEY]).owner(value) == f"key-{name}"
    assert Sessions([OTHER_KEY]).owner(value) is None, "the key was taken away"
    name, ends_at, signature = value.split(".")
    for other in (
        "",
        "x",
        "..",
        f"{name}.{int(ends_at) + 1}.{signature}",
        f"{name}.{ends_at}.{signature[:-1]}",
        f"{name}.{ends_at}.",
        f"{name}.{ends_at}.ü",
        f"{name}.²{ends_at}.{signature}",
        f"{next(iter(Sessions([OTHER_KEY])._secrets))}.{ends_at}.{signature}",
    ):
        assert sessions.owner(other) is None, other
    monkeypatch.setattr("pixyproxy.web.session.time.time", lambda: int(ends_at) + 1.0)
    assert sessions.owner(value) is None

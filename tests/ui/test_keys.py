"""Keys: asked for once, kept in the tab; and the session that counts for reading bytes alone."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from pixyproxy.web.session import COOKIE, Sessions
from tests.conftest import MakeSettings, open_client
from tests.support.programs import require_program
from tests.support.servers import Service
from tests.ui.conftest import OpenPage

KEY = "N7mYcQ4w-tests-only-9fKz"
OTHER_KEY = "pD4-uH8nC1yE6aGq5MzR"


@pytest.fixture
def locked_service(tmp_path: Path) -> Iterator[Service]:
    require_program("chromium")
    settings = {"api_keys": KEY, "content_requires_key": True, "generator": "sketch"}
    with Service(tmp_path / "service", **settings) as service:
        yield service


def test_a_key_is_asked_for_and_kept_in_the_tab(
    locked_service: Service, open_page: OpenPage
) -> None:
    faults: list[str] = []
    with open_page(locked_service, faults=faults) as page:
        box = page.get_by_label("API key")
        expect(box).to_be_focused()
        box.fill("not-the-key")
        box.press("Enter")
        expect(page.get_by_role("alert").get_by_text("does not open it")).to_be_visible()
        assert len(faults) <= 1
        box.fill(KEY)
        box.press("Enter")
        expect(box).to_be_hidden()
        page.get_by_role("textbox", name="prompt").fill("an owl")
        page.get_by_role("button", name="Generate").click()
        expect(page.locator(".tile.loaded")).to_have_count(1)
        stored = page.evaluate("[JSON.stringify(sessionStorage), JSON.stringify(localStorage)]")
        assert KEY in stored[0]
        assert KEY not in stored[1]
        assert page.evaluate("document.cookie") == ""
        (cookie,) = page.context.cookies(f"{locked_service.origin}/image/x")
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert KEY not in cookie["value"]
        page.reload()
        expect(page.locator(".tile.loaded")).to_have_count(1)
        expect(page.get_by_label("API key")).to_be_hidden()
        page.keyboard.press("?")
        page.get_by_role("button", name="Forget the API key").click()
        expect(page.get_by_label("API key")).to_be_visible()
        assert page.context.cookies(f"{locked_service.origin}/image/x") == []
    # One is Chromium's own word on the wrong key.
    assert len(faults) == 1
    assert "401" in faults[0]


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


async def test_models_are_the_same_in_both_faces(make_settings: MakeSettings) -> None:
    query = """{ models { name isDefault sizes qualities styles backgrounds outputFormats moderations
        maxImages maxPromptChars freeSize { minEdge maxEdge maxPixels multipleOf maxAspect } } }"""
    for settings, count in [
        (make_settings(generator="sketch"), 1),
        (make_settings(generator="openai", openai_api_key="sk-0123456789"), 8),
        (make_settings(openai_base_url="http://127.0.0.1:1/v1", model="my-own"), 1),
    ]:
        async with open_client(settings) as client:
            rest = (await client.get("/models")).json()
            graphql = (await client.post("/graphql", json={"query": query})).json()["data"]["models"]
        assert len(rest) == count
        assert [each["is_default"] for each in rest] == [True] + [False] * (count - 1)
        plain = json.dumps(rest).replace("_", "").lower()
        assert json.loads(plain) == json.loads(json.dumps(graphql).lower())
    assert rest[0]["name"] == "my-own"
    assert rest[0]["sizes"] is None
    assert COOKIE == "pixyproxy_session"

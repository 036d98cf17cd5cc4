"""Keys: asked for once, kept in the tab; and the session that counts for reading bytes alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.programs import require_program
from tests.support.servers import Service
from tests.support.sockets import KEY
from tests.ui.conftest import OpenPage

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

"""The page as such: its policy, its weight, its languages, its looks on phones and in the dark."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.processes import ROOT
from tests.support.servers import Service
from tests.ui.conftest import OpenPage, look_with_axe, overflow_of

MAX_BYTES = 150_000
MAX_PAINT_MS = 500


def test_it_is_light_and_quick(service: Service, open_page: OpenPage) -> None:
    faults: list[str] = []
    with open_page(service, "/health/live", faults=faults) as page:
        weights: list[int] = []

        def weigh(answer: Any) -> None:
            if answer.request.resource_type not in {"image", "fetch", "xhr", "websocket"}:
                weights.append(len(answer.body()))

        page.on("response", weigh)
        page.goto(service.origin)
        expect(page.locator("img[srcset]").first).to_be_visible()
        expect(page.get_by_role("main")).to_have_count(1)
        assert page.title() == "PixyProxy"
        assert 20_000 < sum(weights) < MAX_BYTES
        painted_ms = page.evaluate("performance.getEntriesByType('paint')[0].startTime")
        assert painted_ms < MAX_PAINT_MS
    # For a page that names no icon, as JSON, Chromium looks for one by itself.
    assert all("404" in fault for fault in faults), faults


def test_german_browsers_read_german(service: Service, open_page: OpenPage) -> None:
    with open_page(service, locale="de-DE") as page:
        expect(page.get_by_role("button", name="Zeichnen")).to_be_visible()
        expect(page.get_by_role("heading", name="Heute")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "de"


def test_both_languages_have_the_same_texts() -> None:
    folder = ROOT / "pixyproxy/web/ui"
    english, german = (
        set(
            re.findall(
                r'^  "?([\w:-]+)"?:', (folder / f"text-{language}.js").read_text(), re.MULTILINE
            )
        )
        for language in ("en", "de")
    )
    assert english == german
    assert len(english) > 100


@pytest.mark.parametrize("width", [360, 390, 700, 1024])
def test_nothing_scrolls_sideways(service: Service, open_page: OpenPage, width: int) -> None:
    with open_page(service, viewport={"width": width, "height": 800}) as page:
        expect(page.locator("img[srcset]").first).to_be_visible()
        assert overflow_of(page) <= 0
        page.locator("pixy-grid a").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert overflow_of(page) <= 0


def test_dark_follows_the_system(service: Service, open_page: OpenPage) -> None:
    shades = []
    for scheme in ("light", "dark"):
        with open_page(service, color_scheme=scheme) as page:
            expect(page.get_by_role("textbox", name="Prompt")).to_be_visible()
            colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            shades.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
    light, dark = shades
    assert light > 600
    assert dark < 150


def test_motion_is_reduced(service: Service, open_page: OpenPage) -> None:
    with open_page(service, reduced_motion="reduce") as page:
        image = page.locator("img[srcset]").first
        expect(image).to_be_visible()
        duration = image.evaluate("e => getComputedStyle(e).transitionDuration")
        assert all(float(each.strip().rstrip("s")) < 0.001 for each in duration.split(","))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(service: Service, open_page: OpenPage, scheme: str) -> None:
    with open_page(service, color_scheme=scheme) as page:
        expect(page.locator(".loaded img").first).to_be_visible()
        look_with_axe(page)
        page.get_by_role("button", name="Filters").click()
        expect(page.get_by_label("Shape")).to_be_visible()
        look_with_axe(page)
        page.keyboard.press("Escape")
        page.locator("pixy-grid .tile").first.hover()
        page.locator(".pick").first.click()
        expect(page.get_by_role("toolbar")).to_be_visible()
        look_with_axe(page)
        page.keyboard.press("Escape")
        page.locator("pixy-grid a").first.click()
        expect(page.get_by_role("dialog").get_by_text("Dimensions")).to_be_visible()
        look_with_axe(page)
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
        look_with_axe(page)

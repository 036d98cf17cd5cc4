"""The page as such: its policy, its weight, its languages, its looks on phones and in the dark."""

import re
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.conftest import MakeSettings, open_client
from tests.support.servers import Service
from tests.ui.conftest import OpenPage

MAX_BYTES = 150 * 1024


def policy_of(headers: Any) -> dict[str, str]:
    directives = headers["content-security-policy"].split(";")
    return {name: value for name, _, value in (each.strip().partition(" ") for each in directives)}


async def test_the_policy_lets_nothing_else_run(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        page = await client.get("/")

    policy = policy_of(page.headers)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>PixyProxy</title>" in page.text
    assert policy["default-src"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {value for name, value in policy.items() if name.endswith("-src")} <= {"'none'", "'self'"}
    assert not re.search(r"<script(?![^>]* src=)|<style| on\w+=| style=", page.text)


async def test_its_files_never_change_under_their_names(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        page = await client.get("/")
        paths = re.findall(r'(?:src|href)="(ui/[^"]+)"', page.text)
        assert len(paths) > 10
        for path in paths:
            answer = await client.get(f"/{path}")
            assert answer.status_code == 200, path
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-cache"
        assert (await client.get(re.sub("ui/[0-9a-f]+", "ui/0123", f"/{paths[0]}"))).status_code == 404
        assert (await client.get(f"/{paths[0]}.map")).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr-FR,fr;q=0.9,de;q=0.3,en;q=0.2", "de"),
        ("ja", "en"),
        ("", "en"),
        ("de;q=x", "en"),
    ],
)
async def test_the_browsers_language_chooses(
    make_settings: MakeSettings, accepted: str, language: str
) -> None:
    async with open_client(make_settings()) as client:
        page = await client.get("/", headers={"Accept-Language": accepted})

    assert f'<html lang="{language}"' in page.text
    assert page.headers["vary"] == "Accept-Language"


async def test_every_page_can_be_taken_away(make_settings: MakeSettings) -> None:
    settings = make_settings(ui=False, docs=False, graphql_graphiql=False)
    async with open_client(settings) as client:
        for path in ("/", "/docs", "/graphql"):
            answer = await client.get(path, headers={"Accept": "text/html"})
            assert answer.status_code == (400 if path == "/graphql" else 404), path
        assert (await client.get("/openapi.json")).status_code == 200


def test_it_is_light_and_quick(service: Service, open_page: OpenPage) -> None:
    with open_page(service, "/health/live") as page:
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


def test_german_browsers_read_german(service: Service, open_page: OpenPage) -> None:
    with open_page(service, locale="de-DE") as page:
        expect(page.get_by_role("button", name="Zeichnen")).to_be_visible()
        expect(page.get_by_role("heading", name="Heute")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "de"


def test_both_languages_have_the_same_texts(service: Service) -> None:
    page = httpx2.get(service.origin, trust_env=False).text
    base = re.search(r"ui/[0-9a-f]+", page)
    assert base
    names = []
    for language in ("en", "de"):
        url = f"{service.origin}/{base[0]}/text-{language}.js"
        names.append(set(re.findall(r'^"?([\w:-]+)"?: ', httpx2.get(url, trust_env=False).text, re.M)))
    assert names[0] == names[1]
    assert len(names[0]) > 100


@pytest.mark.parametrize("width", [360, 390, 700, 1024])
def test_nothing_scrolls_sideways(service: Service, open_page: OpenPage, width: int) -> None:
    with open_page(service, viewport={"width": width, "height": 800}) as page:
        expect(page.locator("img[srcset]").first).to_be_visible()
        assert overflow_of(page) <= 0
        page.locator("pixy-grid a").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert overflow_of(page) <= 0


def overflow_of(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_dark_follows_the_system(service: Service, open_page: OpenPage) -> None:
    shades = []
    for scheme in ("light", "dark"):
        with open_page(service, color_scheme=scheme) as page:
            expect(page.get_by_role("textbox", name="Prompt")).to_be_visible()
            colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            shades.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
    assert shades[0] > 600 > 150 > shades[1]


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


def look_with_axe(page: Page) -> None:
    page.evaluate("Promise.all(document.getAnimations().map(each => each.finished.catch(() => 0)))")
    violations = Axe().run(page).response["violations"]
    found = [
        (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]][:3])
        for each in violations
    ]
    assert found == []

"""Finding pictures: the search box, filters as chips, and all of it in the URL."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx2
from playwright.sync_api import Locator, Page, expect

from tests.support.servers import Service
from tests.ui.conftest import OpenPage


def pictures(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("img")


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def found(service: Service, **criteria: str) -> int:
    answer = httpx2.get(f"{service.origin}/image/search", params=criteria, trust_env=False)
    return len(answer.json())


def test_a_search_stands_in_the_url(service: Service, open_page: OpenPage) -> None:
    with open_page(service) as page:
        everything = found(service)
        expect(pictures(page)).to_have_count(everything)
        page.keyboard.press("/")
        box = page.get_by_role("searchbox")
        expect(box).to_be_focused()
        page.keyboard.type("fox snow")
        page.keyboard.press("Enter")
        foxes = found(service, query="fox snow")
        assert 0 < foxes < everything
        expect(pictures(page)).to_have_count(foxes)
        assert asked(page) == {"q": ["fox snow"]}
        expect(page.get_by_role("status").get_by_text(f"{foxes} found")).to_be_visible()
        box.fill("owl*")
        box.press("Enter")
        expect(pictures(page).first).to_have_attribute("alt", re.compile("owl"))
        with open_page(service, f"/?{urlsplit(page.url).query}") as anew:
            expect(pictures(anew)).to_have_count(found(service, query="owl*"))
            expect(anew.get_by_role("searchbox")).to_have_value("owl*")
        page.go_back()
        expect(pictures(page).first).to_have_attribute("alt", re.compile("fox"))
        expect(pictures(page)).to_have_count(foxes)
        expect(box).to_have_value("fox snow")
        page.go_back()
        expect(pictures(page)).to_have_count(everything)
        expect(box).to_have_value("")
        page.go_forward()
        expect(pictures(page)).to_have_count(foxes)


def test_what_is_not_found_is_told(service: Service, open_page: OpenPage) -> None:
    with open_page(service, "/?q=zebra") as page:
        expect(page.get_by_text("Nothing matches")).to_be_visible()
        page.get_by_role("searchbox").fill("")
        page.get_by_role("searchbox").press("Enter")
        expect(pictures(page).first).to_be_visible()


def test_filters_are_chips_that_can_be_taken_away(service: Service, open_page: OpenPage) -> None:
    with open_page(service) as page:
        page.get_by_role("button", name="Filters").click()
        page.get_by_label("Shape").select_option("landscape")
        landscapes = found(service, orientation="landscape")
        expect(pictures(page)).to_have_count(landscapes)
        page.get_by_label("Model").select_option("sketch")
        page.get_by_label("From", exact=True).fill("2020-01-01")
        chips = page.get_by_role("group", name="Filters that are set")
        expect(chips.get_by_role("button", name="Remove filter")).to_have_count(3)
        assert asked(page) == {"form": ["landscape"], "model": ["sketch"], "from": ["2020-01-01"]}
        page.keyboard.press("Escape")
        expect(page.get_by_label("Shape")).to_be_hidden()
        page.reload()
        expect(pictures(page)).to_have_count(landscapes)
        chips.get_by_role("button", name="Remove filter Landscape").click()
        expect(pictures(page)).to_have_count(found(service))
        chips.get_by_role("button", name="Clear all").click()
        expect(chips).to_be_hidden()
        assert asked(page) == {}


def test_no_picture_is_older_than_tomorrow(service: Service, open_page: OpenPage) -> None:
    with open_page(service, "/?from=2999-01-01") as page:
        expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_help_with_the_search_is_at_hand(service: Service, open_page: OpenPage) -> None:
    with open_page(service) as page:
        page.get_by_role("button", name="How to search").click()
        expect(page.get_by_text("words that begin so")).to_be_visible()


def test_a_search_that_is_refused_is_told_in_words(service: Service, open_page: OpenPage) -> None:
    words = "+".join(f"word{number}" for number in range(60))
    with open_page(service, f"/?q={words}") as page:
        expect(page.get_by_role("alert").get_by_text("at most 50 words")).to_be_visible()

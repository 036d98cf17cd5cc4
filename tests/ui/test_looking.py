"""Looking at pictures: the grid, one of them large, the way there and back."""

import re
from pathlib import Path

import httpx2
from playwright.sync_api import Locator, Page, expect

from tests.support.servers import Service
from tests.ui.conftest import OpenPage, draw, fill


def newest(service: Service) -> list[dict[str, str]]:
    answer = httpx2.get(f"{service.origin}/image", params={"size": 100}, trust_env=False)
    return list(answer.json())


def pictures(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("img")


def test_pictures_come_newest_first_and_small(service: Service, open_page: OpenPage) -> None:
    images = newest(service)
    with open_page(service) as page:
        expect(pictures(page)).to_have_count(len(images))
        for at, image in enumerate(images):
            shown = pictures(page).nth(at)
            expect(shown).to_have_attribute("alt", re.compile("^" + re.escape(image["prompt"])))
            expect(shown).to_have_attribute(
                "srcset", re.compile(rf"/{image['guid']}/content\?width=")
            )
            expect(shown).not_to_have_attribute("src", re.compile("."))
        expect(page.locator(".tile.loaded")).to_have_count(len(images))
        asked = page.evaluate(
            "performance.getEntriesByType('resource').map(e => e.name)"
            ".filter(name => name.includes('/content'))"
        )
        assert len(asked) >= len(images)
        assert all("?width=" in url for url in asked), "no file is fetched in full size"


def test_a_click_opens_the_details_and_escape_goes_back(
    service: Service, open_page: OpenPage
) -> None:
    images = newest(service)
    with open_page(service, viewport={"width": 900, "height": 420}) as page:
        last = pictures(page).nth(len(images) - 1)
        last.click()
        details = page.get_by_role("dialog")
        expect(details).to_be_visible()
        place = page.evaluate("scrollY")
        assert place > 0
        image = images[-1]
        size = f"{image['width']} \N{MULTIPLICATION SIGN} {image['height']}"
        for text in (image["prompt"], image["model"], size):
            expect(details.get_by_text(text, exact=True).first).to_be_visible()
        expect(page).to_have_url(re.compile(image["guid"]))
        expect(details.get_by_role("img").first).to_have_attribute("alt", image["prompt"])
        page.keyboard.press("Escape")
        expect(details).to_be_hidden()
        expect(page).not_to_have_url(re.compile(image["guid"]))
        assert page.evaluate("scrollY") == place
        assert (
            page.evaluate("document.activeElement.closest('.tile').dataset.guid") == image["guid"]
        )


def test_enter_opens_and_arrows_go_to_the_neighbours(service: Service, open_page: OpenPage) -> None:
    images = newest(service)
    with open_page(service) as page:
        page.get_by_role("link", name=images[2]["prompt"]).first.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(images[2]["guid"]))
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(images[3]["guid"]))
        expect(page.get_by_role("dialog").get_by_text(images[3]["prompt"])).to_be_visible()
        for step in (2, 1, 0):
            page.keyboard.press("ArrowLeft")
            expect(page).to_have_url(re.compile(images[step]["guid"]))
        expect(page.get_by_role("button", name="Previous picture")).to_be_disabled()
        page.keyboard.press("ArrowLeft")
        page.go_back()
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_url_of_a_picture_opens_it(service: Service, open_page: OpenPage) -> None:
    images = newest(service)
    with open_page(service, f"/?image={images[5]['guid']}") as page:
        expect(page.get_by_role("dialog").get_by_text(images[5]["prompt"])).to_be_visible()
        page.keyboard.press("ArrowLeft")
        expect(page).to_have_url(re.compile(images[4]["guid"]))
        page.reload()
        expect(page.get_by_role("dialog").get_by_text(images[4]["prompt"])).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(pictures(page)).to_have_count(len(images))


def test_the_url_of_a_picture_that_is_gone_says_so(
    own_service: Service, open_page: OpenPage
) -> None:
    gone = draw(own_service, "a cat")
    httpx2.delete(f"{own_service.origin}/image/{gone['guid']}", trust_env=False)
    with open_page(own_service, f"/?image={gone['guid']}") as page:
        expect(page.get_by_role("alert").get_by_text("deleted")).to_be_visible()
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_prompt_is_copied_and_the_file_downloaded(
    service: Service, open_page: OpenPage, tmp_path: Path
) -> None:
    image = newest(service)[0]
    permissions = ["clipboard-read", "clipboard-write"]
    with open_page(service, f"/?image={image['guid']}", permissions=permissions) as page:
        details = page.get_by_role("dialog")
        details.get_by_role("button", name="Copy prompt").click()
        expect(page.get_by_role("status").get_by_text("Prompt copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == image["prompt"]
        with page.expect_download() as download:
            details.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == image["filename"]
        download.value.save_as(tmp_path / "file")
        content = httpx2.get(image["url"], trust_env=False).content
        assert (tmp_path / "file").read_bytes() == content
        details.get_by_role("button", name="Other formats").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="AVIF").click()
        assert download.value.suggested_filename.endswith(".avif")


def test_a_picture_is_zoomed_and_moved(service: Service, open_page: OpenPage) -> None:
    image = newest(service)[0]
    with open_page(service, f"/?image={image['guid']}") as page:
        picture = page.get_by_role("dialog").get_by_role("img").first
        expect(picture).to_be_visible()
        before = picture.bounding_box()
        page.keyboard.press("+")
        page.keyboard.press("+")
        after = picture.bounding_box()
        assert before
        assert after
        assert after["width"] > 2 * before["width"]
        page.mouse.move(500, 400)
        page.mouse.down()
        page.mouse.move(560, 420)
        page.mouse.up()
        moved = picture.bounding_box()
        assert moved
        assert round(moved["x"] - after["x"]) == 60
        page.keyboard.press("0")
        assert picture.bounding_box() == before


def test_pictures_that_were_asked_for_together_lead_to_each_other(
    own_service: Service, open_page: OpenPage
) -> None:
    body = {"prompt": "an owl", "n": 3, "size": "64x64"}
    httpx2.post(f"{own_service.origin}/generation", json=body, trust_env=False)
    with open_page(own_service) as page:
        expect(pictures(page)).to_have_count(3)
        pictures(page).first.click()
        siblings = page.get_by_role("dialog").locator(".siblings a")
        expect(siblings).to_have_count(2)
        siblings.first.click()
        expect(page).to_have_url(re.compile("image="))
        expect(siblings).to_have_count(2)


def test_arrows_move_through_the_grid(service: Service, open_page: OpenPage) -> None:
    images = newest(service)
    with open_page(service) as page:
        expect(pictures(page)).to_have_count(len(images))

        def focused() -> str:
            return str(page.evaluate("document.activeElement.closest('.tile')?.dataset.guid"))

        page.keyboard.press("ArrowRight")
        assert focused() == images[0]["guid"]
        page.keyboard.press("ArrowRight")
        assert focused() == images[1]["guid"]
        page.keyboard.press("ArrowDown")
        below = focused()
        assert below not in {images[0]["guid"], images[1]["guid"]}
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
        assert focused() == images[0]["guid"]


def test_sensitive_pictures_are_blurred(own_service: Service, open_page: OpenPage) -> None:
    image = draw(own_service, "a cat")
    change = {"add_tags": ["sensitive"]}
    httpx2.patch(f"{own_service.origin}/image/{image['guid']}", json=change, trust_env=False)
    with open_page(own_service) as page:
        picture = pictures(page).first
        expect(picture).to_have_css("filter", re.compile("blur"))
        picture.hover()
        expect(picture).to_have_css("filter", "none")


def test_two_pictures_are_compared(service: Service, open_page: OpenPage) -> None:
    with open_page(service) as page:
        for at in (0, 1):
            page.locator(".tile").nth(at).hover()
            page.locator(".pick").nth(at).click()
        page.get_by_role("button", name="Compare").click()
        box = page.get_by_role("dialog", name="Compare")
        expect(box.get_by_role("img")).to_have_count(2)
        line = box.get_by_role("slider")
        line.focus()
        before = box.locator(".pair").evaluate("e => getComputedStyle(e).getPropertyValue('--at')")
        line.press("ArrowRight")
        after = box.locator(".pair").evaluate("e => getComputedStyle(e).getPropertyValue('--at')")
        assert (before, after) == ("50%", "50.5%")
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()


def test_the_rail_jumps_to_a_month(own_service: Service, open_page: OpenPage) -> None:
    from tests.support.galleries import multiply

    fill(own_service, 6)
    own_service.terminate()
    own_service.process.wait(60)
    multiply(own_service.folder, 600, days=300)
    own_service.start()
    with open_page(own_service) as page:
        months = page.get_by_role("navigation", name="Dates").get_by_role("button")
        expect(months.last).to_be_attached()
        assert 9 <= months.count() <= 12
        wanted = str(months.nth(6).get_attribute("data-month"))
        months.nth(6).focus()
        page.keyboard.press("Enter")
        expect(months.nth(6)).to_have_attribute("aria-current", "date")
        heading = page.get_by_role("main").get_by_role("heading", level=2).first
        expect(heading).to_be_visible()
        top = page.evaluate(
            "document.elementsFromPoint(400, 300).map(e => e.closest('.tile')).find(Boolean)"
            "?.dataset.guid"
        )
        image = httpx2.get(f"{own_service.origin}/image/{top}", trust_env=False).json()
        assert image["created_at"].startswith(wanted)
        # And up again, without a gap, to the newest.
        page.get_by_role("button", name="To the newest").click()
        expect(page.get_by_role("heading", name="Today")).to_be_visible()

"""Tags, favourites, deletion with time to think again, and a selection to take home."""

import json
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.servers import Service
from tests.ui.conftest import OpenPage, draw, fill


def pictures(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("img")


def kept(service: Service) -> list[dict[str, Any]]:
    return list(httpx2.get(f"{service.origin}/image?size=100", trust_env=False).json())


def status_of(service: Service, image: dict[str, Any]) -> int:
    return httpx2.get(f"{service.origin}/image/{image['guid']}", trust_env=False).status_code


def test_the_whole_way(own_service: Service, open_page: OpenPage) -> None:
    draw(own_service, "a lighthouse at night")
    with open_page(own_service) as page, open_page(own_service, beside=page) as tab:
        expect(pictures(page)).to_have_count(1)
        page.get_by_role("textbox", name="prompt").fill("a red fox in the snow")
        page.get_by_role("button", name="Generate").click()
        fox = page.get_by_role("img", name="a red fox in the snow")
        expect(fox).to_be_visible()
        expect(tab.get_by_role("img", name="a red fox in the snow")).to_be_visible()
        fox.click()
        details = page.get_by_role("dialog")
        details.get_by_role("combobox", name="Tag").fill("Winter  Night")
        page.keyboard.press("Enter")
        expect(details.get_by_role("link", name="winter night")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(details).to_be_hidden()
        page.keyboard.press("/")
        page.keyboard.type("fox")
        page.keyboard.press("Enter")
        expect(pictures(page)).to_have_count(1)
        fox.click()
        expect(details.get_by_role("link", name="winter night")).to_be_visible()
        details.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("Nothing matches")).to_be_visible()
        expect(pictures(tab)).to_have_count(1)
        page.get_by_role("button", name="Undo").click()
        expect(fox).to_be_visible()
        expect(pictures(tab)).to_have_count(2)
        assert kept(own_service)[0]["tags"] == ["winter night"]


@pytest.mark.parametrize("how", ["button", "key"])
def test_what_is_deleted_is_gone_after_ten_seconds(
    own_service: Service, open_page: OpenPage, how: str
) -> None:
    images = fill(own_service, 3)
    with open_page(own_service) as page:
        pictures(page).nth(1).click()
        details = page.get_by_role("dialog")
        expect(details.get_by_text(images[1]["prompt"])).to_be_visible()
        if how == "button":
            details.get_by_role("button", name="Delete").click()
        else:
            page.keyboard.press("Delete")
        expect(details.get_by_text(images[2]["prompt"])).to_be_visible()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        assert status_of(own_service, images[1]) == 200
        page.keyboard.press("Escape")
        expect(pictures(page)).to_have_count(2)
        page.reload()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        expect(pictures(page)).to_have_count(2)
        expect(page.get_by_role("button", name="Undo")).to_be_hidden()
        _await_gone(own_service, page, images[1])
        assert [image["guid"] for image in kept(own_service)] == [
            images[0]["guid"],
            images[2]["guid"],
        ]


def _await_gone(service: Service, page: Page, image: dict[str, Any]) -> None:
    for _time in range(100):
        if status_of(service, image) == 410:
            return
        page.wait_for_timeout(100)
    raise AssertionError("it is still there")


def test_a_page_that_is_closed_in_time_deletes_nothing(
    own_service: Service, open_page: OpenPage
) -> None:
    images = fill(own_service, 2)
    with open_page(own_service) as page:
        pictures(page).first.hover()
        page.get_by_role("link", name=images[0]["prompt"]).focus()
        page.keyboard.press("Delete")
        expect(pictures(page)).to_have_count(1)
    assert len(kept(own_service)) == 2


def test_many_are_selected_tagged_and_downloaded(
    own_service: Service, open_page: OpenPage, tmp_path: Path
) -> None:
    images = fill(own_service, 8)
    with open_page(own_service) as page:
        expect(pictures(page)).to_have_count(8)
        page.locator(".tile").first.hover()
        page.locator(".pick").first.click()
        page.locator(".tile a").nth(3).click(modifiers=["Shift"])
        page.locator(".tile a").nth(1).click(modifiers=["Control"])
        bar = page.get_by_role("toolbar")
        expect(bar.get_by_text("3 selected")).to_be_visible()
        bar.get_by_role("combobox", name="Tag").fill("chosen")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").get_by_text("3 pictures tagged chosen")).to_be_visible()
        bar.get_by_role("button", name="Favorite").click()
        expect(page.locator(".favourite")).to_have_count(3)
        with page.expect_download() as download:
            bar.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / "some.zip")
        page.keyboard.press("Escape")
        expect(bar).to_be_hidden()
    chosen = [images[at] for at in (0, 2, 3)]
    tagged = [image["guid"] for image in kept(own_service) if image["tags"]]
    assert tagged == [image["guid"] for image in chosen]
    assert {tuple(image["tags"]) for image in kept(own_service)} == {(), ("chosen", "favorite")}
    with zipfile.ZipFile(tmp_path / "some.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["images.json", *(image["filename"] for image in chosen)]
        told = json.loads(archive.read("images.json"))
        assert [each["prompt"] for each in told] == [image["prompt"] for image in chosen]
        for image in chosen:
            content = httpx2.get(image["url"], trust_env=False).content
            assert archive.read(image["filename"]) == content


def test_a_frame_and_the_keyboard_select(own_service: Service, open_page: OpenPage) -> None:
    fill(own_service, 6)
    with open_page(own_service) as page:
        expect(page.locator(".tile.loaded")).to_have_count(6)
        boxes = [page.locator(".tile").nth(at).bounding_box() for at in (0, 2)]
        assert boxes[0]
        assert boxes[1]
        page.mouse.move(boxes[0]["x"] + 20, boxes[0]["y"] + 60)
        page.mouse.down()
        page.mouse.move(boxes[1]["x"] + 30, boxes[1]["y"] + 90, steps=5)
        page.mouse.up()
        expect(page.get_by_text("3 selected")).to_be_visible()
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.keyboard.press("Escape")
        page.locator(".tile a").first.focus()
        page.keyboard.press("x")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        expect(page.get_by_text("3 selected")).to_be_visible()
        page.keyboard.press("Delete")
        expect(pictures(page)).to_have_count(3)
        page.keyboard.press("Control+z")
        expect(pictures(page)).to_have_count(6)


def test_favourites_are_starred_in_the_grid(own_service: Service, open_page: OpenPage) -> None:
    fill(own_service, 2)
    with open_page(own_service) as page:
        page.locator(".tile").first.hover()
        star = page.get_by_role("button", name="Favorite").first
        star.click()
        expect(star).to_have_attribute("aria-pressed", "true")
        page.locator(".tile a").first.focus()
        page.keyboard.press("f")
        expect(star).to_have_attribute("aria-pressed", "false")
    assert [image["tags"] for image in kept(own_service)] == [[], []]

"""The trash in the gallery: seen where there is one, restored from, and emptied."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.support.programs import require_program
from tests.support.servers import Service
from tests.ui.conftest import OpenPage, fill, look_with_axe, overflow_of


@pytest.fixture
def trashing(tmp_path: Path) -> Iterator[Service]:
    """An empty service that has a trash."""
    require_program("chromium")
    with Service(tmp_path / "service", generator="sketch", trash_days=30) as service:
        yield service


def guids(service: Service, path: str) -> list[str]:
    return [
        image["guid"] for image in httpx2.get(f"{service.origin}{path}", trust_env=False).json()
    ]


def delete(service: Service, *images: dict) -> None:
    for image in images:
        httpx2.delete(f"{service.origin}/image/{image['guid']}", trust_env=False)


def open_trash(page: Page) -> None:
    page.get_by_role("button", name="Trash").click()
    expect(page.get_by_role("dialog", name="Trash")).to_be_visible()


def test_there_is_no_trash_where_the_service_has_none(
    service: Service, open_page: OpenPage
) -> None:
    with open_page(service) as page:
        expect(page.locator("img[srcset]").first).to_be_visible()
        expect(page.get_by_role("button", name="Trash")).to_have_count(0)


def test_what_the_page_deleted_is_restored(trashing: Service, open_page: OpenPage) -> None:
    images = fill(trashing, 4)
    pictures = "pixy-grid .tile"
    with open_page(trashing) as page, open_page(trashing, beside=page) as tab:
        expect(page.locator(pictures)).to_have_count(4)
        expect(tab.locator(pictures)).to_have_count(4)
        page.locator(f"{pictures} a").nth(1).focus()
        page.keyboard.press("Delete")
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        assert guids(trashing, "/trash") == []
        expect(page.get_by_role("button", name="Undo")).to_be_hidden()
        expect(page.locator(pictures)).to_have_count(3)
        open_trash(page)
        trash = page.get_by_role("dialog", name="Trash")
        expect(trash.get_by_text("1 deleted picture.")).to_be_visible()
        expect(trash.get_by_text("30 days left")).to_be_visible()
        expect(trash.get_by_role("button", name="Restore")).to_be_disabled()
        trash.get_by_role("checkbox", name=images[1]["prompt"]).check()
        trash.get_by_role("button", name="Restore").click()
        expect(page.get_by_text("1 picture restored")).to_be_visible()
        expect(trash.get_by_text("Nothing is in the trash.")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(pictures)).to_have_count(4)
        expect(tab.locator(pictures)).to_have_count(4)
        expect(page.locator(".tile.loaded")).to_have_count(4)
        shown = page.locator(pictures).evaluate_all("each => each.map(e => e.dataset.guid)")
        assert set(shown) == {image["guid"] for image in images}
    assert guids(trashing, "/image") == [image["guid"] for image in images]
    assert guids(trashing, "/trash") == []


def test_what_is_deleted_for_good_is_asked_about(trashing: Service, open_page: OpenPage) -> None:
    images = fill(trashing, 4)
    delete(trashing, *images[:3])
    with open_page(trashing) as page:
        expect(page.locator("pixy-grid .tile")).to_have_count(1)
        open_trash(page)
        trash = page.get_by_role("dialog", name="Trash")
        expect(trash.get_by_role("checkbox")).to_have_count(4)
        boxes = trash.locator(".trashed input")
        boxes.first.check()
        trash.get_by_role("button", name="Delete for good").click()
        boxes.nth(1).check()
        boxes.nth(1).uncheck()
        trash.get_by_role("button", name="Delete for good").click()
        assert len(guids(trashing, "/trash")) == 3
        trash.get_by_role("button", name="Really delete for good?").click()
        expect(page.get_by_text("1 picture deleted for good")).to_be_visible()
        expect(boxes).to_have_count(2)
        assert guids(trashing, "/trash") == [images[1]["guid"], images[0]["guid"]]
        trash.get_by_role("button", name="Empty the trash").click()
        trash.get_by_role("button", name="Really delete all for good?").click()
        expect(page.get_by_text("2 pictures deleted for good")).to_be_visible()
        expect(trash.get_by_text("Nothing is in the trash.")).to_be_visible()
    assert guids(trashing, "/trash") == []
    assert guids(trashing, "/image") == [images[3]["guid"]]


def test_very_many_are_shown_by_and_by(trashing: Service, open_page: OpenPage) -> None:
    delete(trashing, *fill(trashing, 63))
    with open_page(trashing) as page:
        open_trash(page)
        trash = page.get_by_role("dialog", name="Trash")
        boxes = trash.locator(".trashed input")
        expect(boxes).to_have_count(60)
        trash.get_by_role("checkbox", name="All").check()
        trash.get_by_role("button", name="Restore").click()
        expect(boxes).to_have_count(3)
        expect(trash.get_by_text("3 deleted pictures.")).to_be_visible()
    assert len(guids(trashing, "/trash?size=100")) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_for_everybody_and_every_screen(
    trashing: Service, open_page: OpenPage, scheme: str
) -> None:
    images = fill(trashing, 5)
    delete(trashing, *images[:4])
    with open_page(trashing, color_scheme=scheme) as page:
        open_trash(page)
        page.locator(".trashed input").first.check()
        look_with_axe(page)
    phone = {"width": 390, "height": 844}
    with open_page(trashing, color_scheme=scheme, viewport=phone) as page:
        open_trash(page)
        expect(page.locator(".trashed input")).to_have_count(4)
        assert overflow_of(page) <= 0


def test_in_german(trashing: Service, open_page: OpenPage) -> None:
    with open_page(trashing, locale="de-DE") as page:
        page.get_by_role("button", name="Papierkorb").click()
        expect(page.get_by_text("Der Papierkorb ist leer.")).to_be_visible()

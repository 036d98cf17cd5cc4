"""Parameters that PixyProxy does not know: in the form, for models that it does not know either."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support import model_server as ms
from tests.support.model_server import ModelServer
from tests.support.programs import require_program
from tests.support.servers import Service
from tests.ui.conftest import OpenPage, draw

MODEL = "Qwen/Qwen-Image"
LINES = """seed=9007199254740993
negative_prompt = snow, and "ice"
steps=30
loras=[{"name": "watercolour", "weight": 0.5}]
version="2"
"""
PARAMETERS = {
    "seed": 9007199254740993,
    "negative_prompt": 'snow, and "ice"',
    "steps": 30,
    "loras": [{"name": "watercolour", "weight": 0.5}],
    "version": "2",
}


@pytest.fixture
def own_model(tmp_path: Path, model_server: ModelServer) -> Iterator[Service]:
    """A service whose model nobody knows, beside one that is known."""
    require_program("chromium")
    with Service(
        tmp_path / "service",
        openai_base_url=model_server.base_url,
        model=MODEL,
        model_map="dall-e-3=gpt-image-2",
    ) as service:
        yield service


def field_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Other parameters")


def ask(page: Page, prompt: str) -> None:
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.keyboard.press("Control+Enter")


def extra_of(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name in PARAMETERS}


def test_they_are_sent_kept_and_taken_up_again(
    own_model: Service, model_server: ModelServer, open_page: OpenPage
) -> None:
    with open_page(own_model) as page:
        field_of(page).fill(LINES)
        field_of(page).press("Control+Enter")
        expect(page.get_by_role("alert").get_by_text("Describe what to draw")).to_be_visible()
        ask(page, "a red fox")
        picture = page.get_by_role("main").get_by_role("img", name="a red fox")
        expect(picture).to_have_count(1)
        page.reload()
        expect(field_of(page)).to_have_value(LINES)
        field_of(page).fill("")
        picture.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("9007199254740993")).to_be_visible()
        dialog.get_by_role("button", name="Repeat").click()
        expect(picture).to_have_count(2)
        picture.first.click()
        dialog.get_by_role("button", name="Reuse prompt").click()
        expect(dialog).to_be_hidden()
        expect(field_of(page)).not_to_have_value("")
        page.keyboard.press("Control+Enter")
        expect(picture).to_have_count(3)

    asked = [request.json for request in model_server.requests]
    assert [extra_of(each) for each in asked] == [PARAMETERS] * 3
    assert {each["model"] for each in asked} == {MODEL}


def test_they_are_taken_up_from_what_was_not_drawn(
    own_model: Service, model_server: ModelServer, open_page: OpenPage
) -> None:
    model_server.answer_with(ms.after_release(ms.moderation_blocked()))
    with open_page(own_model) as page:
        field_of(page).fill("seed=9007199254740993")
        ask(page, "a red fox")
        expect(page.get_by_role("progressbar", name="Drawing: a red fox")).to_be_visible()
        field_of(page).fill("")
        model_server.release()
        expect(page.get_by_role("alert").get_by_text("refused this prompt")).to_be_visible()
        page.get_by_role("button", name="Reuse prompt").click()
        expect(field_of(page)).to_have_value("seed=9007199254740993")


def test_a_model_that_is_known_is_sent_none(
    own_model: Service, model_server: ModelServer, open_page: OpenPage
) -> None:
    with open_page(own_model) as page:
        field_of(page).fill("seed=7")
        page.get_by_label("Model").select_option("dall-e-3")
        expect(field_of(page)).to_have_count(0)
        ask(page, "a red fox")
        expect(page.get_by_role("main").get_by_role("img", name="a red fox")).to_be_visible()
        page.get_by_label("Model").select_option(MODEL)
        expect(field_of(page)).to_have_value("seed=7")

    assert "seed" not in model_server.requests[-1].json


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("seed=7\nsome words", "on a line of its own, such as seed=7, not: some words"),
        ("seed=7\nseed=8", "seed is there twice"),
        ("=7", "not: =7"),
        ("user=7", "never sent to a model"),
    ],
)
def test_what_will_not_do_is_told_in_words(
    own_model: Service, model_server: ModelServer, open_page: OpenPage, lines: str, told: str
) -> None:
    with open_page(own_model) as page:
        field_of(page).fill(lines)
        ask(page, "a red fox")
        expect(page.get_by_role("alert").get_by_text(told)).to_be_visible()
        field_of(page).fill("seed=7")
        expect(page.get_by_role("alert").get_by_text(told)).to_have_count(0)

    assert model_server.requests == []


def test_a_picture_of_a_model_that_is_not_listed_is_drawn_again(
    tmp_path: Path, model_server: ModelServer, open_page: OpenPage
) -> None:
    """The page does not know what it takes: it asks, and leaves out what is refused."""
    require_program("chromium")
    folder = tmp_path / "service"
    with Service(folder, openai_base_url=model_server.base_url, model=MODEL) as service:
        image = draw(service, "a red fox", model="flux", seed=7)
        repeat(open_page, service, image["guid"], count=2)
    assert [request.json["seed"] for request in model_server.requests] == [7, 7]
    with Service(folder, generator="sketch") as service:
        repeat(open_page, service, image["guid"], count=3)


def repeat(open_page: OpenPage, service: Service, guid: str, *, count: int) -> None:
    """Have a picture drawn again, so that there are so many of them."""
    with open_page(service, f"/?image={guid}") as page:
        page.get_by_role("dialog").get_by_role("button", name="Repeat").click()
        picture = page.get_by_role("main").get_by_role("img", name="a red fox")
        expect(picture).to_have_count(count)

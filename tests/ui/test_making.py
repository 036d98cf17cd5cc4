"""Making pictures: from a prompt to a picture, in every tab; what waits, what fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.support import model_server as ms
from tests.support.model_server import ModelServer
from tests.support.programs import require_program
from tests.support.servers import Service
from tests.ui.conftest import OpenPage, draw


@pytest.fixture
def slow_service(tmp_path: Path, model_server: ModelServer) -> Iterator[Service]:
    """A service whose model draws one picture at a time, when it is let to."""
    require_program("chromium")
    model_server.answer_with(ms.after_release(ms.image()))
    with Service(
        tmp_path / "service",
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
        max_concurrent_generations=1,
    ) as service:
        yield service


def ask(page: Page, prompt: str) -> None:
    box = page.get_by_role("textbox", name="prompt")
    box.fill(prompt)
    box.press("Control+Enter")


@pytest.mark.parametrize("how", ["button", "keys"])
def test_a_prompt_becomes_a_picture_in_every_tab(
    own_service: Service, open_page: OpenPage, how: str
) -> None:
    with (
        open_page(own_service) as page,
        open_page(own_service, beside=page) as tab,
        open_page(own_service) as elsewhere,
    ):
        expect(page.get_by_text("Nothing here yet")).to_be_visible()
        page.get_by_role("textbox", name="prompt").fill("a red fox in the snow")
        if how == "keys":
            page.keyboard.press("Control+Enter")
        else:
            page.get_by_role("button", name="Generate").click()
        for each in (page, tab, elsewhere):
            expect(each.get_by_role("img", name="a red fox in the snow")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_have_count(0)


def test_what_is_chosen_is_asked_for(own_service: Service, open_page: OpenPage) -> None:
    with open_page(own_service) as page:
        page.get_by_label("Size").select_option("custom")
        page.get_by_role("textbox", name="Size").fill("320 x 200")
        page.get_by_role("textbox", name="Size").press("Enter")
        page.get_by_label("Format").select_option("webp")
        page.get_by_label("How many").select_option("2")
        ask(page, "an owl on a branch")
        expect(page.get_by_role("img", name="an owl on a branch")).to_have_count(2)
        page.reload()
        expect(page.get_by_label("Size")).to_have_value("320x200")
        images = httpx2.get(f"{own_service.origin}/image", trust_env=False).json()
        assert [(each["width"], each["height"]) for each in images] == [(320, 200)] * 2
        assert [each["content_type"] for each in images] == ["image/webp"] * 2


def test_nothing_is_asked_for_without_a_prompt(own_service: Service, open_page: OpenPage) -> None:
    with open_page(own_service) as page:
        page.get_by_role("button", name="Generate").click()
        expect(page.get_by_role("alert").get_by_text("Describe what to draw")).to_be_visible()
        assert httpx2.get(f"{own_service.origin}/generation", trust_env=False).json() == []


def test_progress_is_told_and_what_waits_is_cancelled(
    slow_service: Service, model_server: ModelServer, open_page: OpenPage
) -> None:
    with open_page(slow_service) as page, open_page(slow_service) as elsewhere:
        ask(page, "a castle in the mist")
        expect(
            page.get_by_role("progressbar", name="Drawing: a castle in the mist")
        ).to_be_visible()
        ask(page, "a whale under a ship")
        waiting = page.get_by_role("progressbar", name="a whale under a ship")
        expect(waiting).to_be_visible()
        expect(elsewhere.get_by_role("progressbar")).to_have_count(2)
        page.reload()
        expect(page.get_by_role("progressbar")).to_have_count(2)
        expect(page.get_by_role("button", name="Cancel")).to_have_count(1)
        page.get_by_role("button", name="Cancel").click()
        expect(waiting).to_have_count(0)
        expect(elsewhere.get_by_role("progressbar")).to_have_count(1)
        model_server.release()
        expect(page.get_by_role("img", name="a castle in the mist")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_have_count(0)
        statuses = httpx2.get(f"{slow_service.origin}/generation", trust_env=False).json()
        assert [each["status"] for each in statuses] == ["cancelled", "succeeded"]


def test_a_failure_is_told_in_words_and_tried_again(
    slow_service: Service, model_server: ModelServer, open_page: OpenPage
) -> None:
    model_server.answer_with(ms.moderation_blocked(), ms.echo_key(), ms.image())
    with open_page(slow_service) as page:
        ask(page, "something that is refused")
        told = page.get_by_role("alert")
        expect(told.get_by_text("The model refused this prompt")).to_be_visible()
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)
        page.get_by_role("button", name="Dismiss").click()
        ask(page, "a lighthouse")
        expect(told.get_by_text("Its operator must look after it")).to_be_visible()
        page.reload()
        expect(told.get_by_text("Its operator must look after it")).to_be_visible()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("img", name="a lighthouse")).to_be_visible()
        expect(told.get_by_text("operator")).to_have_count(0)


def test_settings_that_the_model_does_not_take_are_told(
    slow_service: Service, open_page: OpenPage
) -> None:
    with open_page(slow_service) as page:
        page.get_by_label("Size").select_option("custom")
        page.get_by_role("textbox", name="Size").fill("100x100")
        page.get_by_role("textbox", name="Size").press("Enter")
        page.evaluate("localStorage.setItem('pixyproxy-choices', JSON.stringify({n: '1'}))")
        ask(page, "x" * 33_000)
        expect(page.get_by_role("alert").get_by_text("prompt")).to_be_visible()


def test_a_service_that_is_away_is_told_and_found_again(
    own_service: Service, open_page: OpenPage
) -> None:
    draw(own_service, "a cat")
    faults: list[str] = []
    with open_page(own_service, faults=faults) as page:
        expect(page.get_by_role("img", name="a cat")).to_be_visible()
        own_service.kill()
        expect(page.get_by_role("status").get_by_text("PixyProxy does not answer")).to_be_visible()
        own_service.start()
        expect(page.get_by_text("PixyProxy does not answer")).to_be_hidden()
    assert all("ERR_CONNECTION" in fault or "WebSocket" in fault for fault in faults)


def test_a_picture_is_drawn_again_and_its_prompt_changed(
    own_service: Service, open_page: OpenPage
) -> None:
    image = draw(own_service, "a cat", output_format="webp")
    with open_page(own_service, f"/?image={image['guid']}") as page:
        page.get_by_role("dialog").get_by_role("button", name="Repeat").click()
        expect(page.get_by_role("main").get_by_role("img", name="a cat")).to_have_count(2)
        page.get_by_role("main").get_by_role("img", name="a cat").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Reuse prompt").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        box = page.get_by_role("textbox", name="prompt")
        expect(box).to_have_value("a cat")
        expect(box).to_be_focused()
        expect(page.get_by_label("Format", exact=True)).to_have_value("webp")
        page.keyboard.type(" on a mat")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("img", name="a cat on a mat")).to_be_visible()
    images = httpx2.get(f"{own_service.origin}/image", trust_env=False).json()
    asked = [json.dumps(each["parameters"], sort_keys=True) for each in images]
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_new_pictures_do_not_move_what_is_looked_at(
    own_service: Service, open_page: OpenPage
) -> None:
    for number in range(12):
        draw(own_service, f"picture {number}")
    with open_page(own_service, viewport={"width": 700, "height": 400}) as page:
        old = page.get_by_role("img", name="picture 0", exact=True)
        old.scroll_into_view_if_needed()
        before = old.bounding_box()
        draw(own_service, "what has just come")
        fresh = page.get_by_role("button", name="1 new")
        expect(fresh).to_be_visible()
        assert old.bounding_box() == before
        fresh.click()
        expect(page.get_by_role("img", name="what has just come")).to_be_in_viewport()

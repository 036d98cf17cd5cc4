"""The gallery in a real Chromium, before a real service."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.support.programs import require_program
from tests.support.servers import Service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser takes minutes for all of them."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


PROMPTS = [
    "a red fox in the snow",
    "a lighthouse at night",
    "mountains at dawn, with a lake",
    "a whale under a ship",
    "a castle in the mist",
    "an owl on a branch",
]
PATIENCE_MS = 30_000
"""For busy machines: what is awaited comes much sooner."""
expect.set_options(timeout=PATIENCE_MS)
SIZES = ["384x256", "256x384", "256x256"]


def draw(service: Service, prompt: str, **more: Any) -> dict[str, Any]:
    """Have it drawn, small, and return the image."""
    body = {"prompt": prompt, "size": "256x256", **more}
    answer = httpx2.post(f"{service.origin}/image", json=body, timeout=60, trust_env=False)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def fill(service: Service, count: int = 12) -> list[dict[str, Any]]:
    """Have some pictures drawn; return them, the newest first."""
    images = [
        draw(service, PROMPTS[number % len(PROMPTS)], size=SIZES[number % len(SIZES)])
        for number in range(count)
    ]
    return images[::-1]


def overflow_of(page: Page) -> int:
    """Return how many pixels a page scrolls sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def look_with_axe(page: Page) -> None:
    """Find nothing that screen readers and keyboards would stumble over."""
    page.evaluate("Promise.all(document.getAnimations().map(each => each.finished.catch(() => 0)))")
    violations = Axe().run(page).response["violations"]
    found = [
        (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]][:3])
        for each in violations
    ]
    assert found == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium for a module's tests; each page has a context of its own.

    While it runs, so does a loop of Playwright's: no test of such a module may be a coroutine.
    """
    path = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with sketches, for tests that leave them as they are."""
    require_program("chromium")
    with Service(tmp_path_factory.mktemp("gallery"), generator="sketch") as service:
        fill(service)
        yield service


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """An empty service, which a test may do with as it likes."""
    require_program("chromium")
    with Service(tmp_path / "service", generator="sketch") as service:
        yield service


class Observer:
    """Notes what a page does that it must not do."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.faults: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        # Violations of the policy are told here too.
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self._origin, "blob:")):
            self.faults.append(f"request of {request.url}")


OpenPage = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def open_page(chromium: Browser) -> OpenPage:
    """Return what opens a page, and sees to it that it does nothing it must not do.

    `context=page.context` opens another tab of the same browser; `faults` are expected.
    """

    @contextmanager
    def open_(
        service: Service,
        path: str = "/",
        *,
        beside: Page | None = None,
        faults: list[str] | None = None,
        **options: Any,
    ) -> Iterator[Page]:
        options = {"viewport": {"width": 1280, "height": 800}, **options}
        context = beside.context if beside else chromium.new_context(**options)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        observer = Observer(service.origin)
        observer.watch(page)
        page.goto(service.origin + path)
        yield page
        page.close()
        if not beside:
            context.close()
        if faults is None:
            assert observer.faults == []
        else:
            faults += observer.faults

    return open_

"""A hundred thousand pictures: scrolled without a jump, in bounded memory, in short tasks."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, expect

from tests.support.galleries import multiply
from tests.support.programs import require_program
from tests.support.servers import Service
from tests.ui.conftest import OpenPage, fill

COUNT = 100_000
MAX_TASK_MS = 50
MAX_TILES = 200
MAX_HEAP_BYTES = 40_000_000


def test_a_hundred_thousand_are_scrolled(
    tmp_path: Path, chromium: Browser, open_page: OpenPage
) -> None:
    require_program("chromium")
    folder = tmp_path / "service"
    with Service(folder, generator="sketch") as service:
        images = fill(service, 6)
    multiply(folder, COUNT, days=400)
    service = Service(folder, generator="sketch")
    with service, open_page(service) as page:
        expect(page.locator("img[srcset]").first).to_be_visible()
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        chromium.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
        page.mouse.move(600, 500)
        seen: set[str] = set()
        for _round in range(60):
            for _turn in range(5):
                page.mouse.wheel(0, 900)
            seen |= set(page.locator(".tile").evaluate_all("all => all.map(e => e.dataset.guid)"))
        tasks = tasks_of(json.loads(chromium.stop_tracing()))
        assert len(seen) > 500, "it went on and on"
        assert page.locator(".tile").count() < MAX_TILES
        assert page.locator(f'[data-guid="{images[0]["guid"]}"]').count() == 0
        assert len(tasks) > 100
        # What other programs take of the machine meanwhile is not the page's doing.
        assert max(tasks) < MAX_TASK_MS
        assert heap_of(session) < MAX_HEAP_BYTES
        # Back to the top: what was dropped is loaded again, where it was.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.keyboard.press("Home")
        expect(page.locator(f'[data-guid="{images[0]["guid"]}"]')).to_be_visible()
        assert page.evaluate("document.documentElement.scrollHeight") >= height


def tasks_of(trace: dict[str, Any]) -> list[float]:
    """Return what CPU time, in ms, each task of the page's main thread took."""
    events = trace["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    return [
        event.get("tdur", 0) / 1000
        for event in events
        if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in main
    ]


def heap_of(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize"))

"""Image URLs on a frontend's page, in a real browser."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2

from tests.programs import require_program
from tests.servers import Service

KEY = "N7mYcQ4w-tests-only-9fKz"
PAGE = """<!doctype html><title>A frontend</title>
<img id=plain src="{url}"><img id=cors crossorigin=anonymous src="{url}">
<script>
const report = {{}};
const shown = id => document.getElementById(id).decode().then(
  () => document.getElementById(id).naturalWidth, error => String(error));
async function look() {{
  report.plain = await shown("plain");
  report.cors = await shown("cors");
  const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d");
  context.drawImage(document.getElementById("cors"), 0, 0);
  report.pixels = context.getImageData(0, 0, 1, 1).data.length;
  const headers = {{Authorization: "Bearer {key}", "Content-Type": "application/json"}};
  const list = await fetch("{origin}/image", {{headers}});
  report.listed = (await list.json()).length;
  report.requestId = list.headers.get("X-Request-ID") !== null;
  const query = JSON.stringify({{query: "{{images {{guid}}}}"}});
  const graphql = await fetch("{origin}/graphql", {{method: "POST", headers, body: query}});
  report.graphql = (await graphql.json()).data.images.length;
  report.withoutKey = (await fetch("{origin}/image")).status;
}}
look().catch(error => report.error = String(error)).finally(() => {{
  const pre = document.createElement("pre");
  pre.textContent = JSON.stringify(report);
  document.body.append(pre);
}});
</script>"""


@contextmanager
def serve_page(pages: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def open_in_browser(url: str, profile: Path) -> str:
    """Return the page's document once its scripts have come to rest."""
    command = [
        require_program("chromium"),
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=10000",
        "--dump-dom",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        url,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_frontend_on_another_origin_shows_images_and_calls_both_faces(tmp_path: Path) -> None:
    pages: dict[str, str] = {}
    with (
        serve_page(pages) as frontend,
        Service(tmp_path / "service", api_keys=KEY, cors_origins=frontend) as service,
    ):
        detail = httpx2.post(
            f"{service.origin}/image",
            json={"prompt": "a fox", "size": "96x64"},
            headers={"X-API-Key": KEY},
            trust_env=False,
        ).json()
        pages["/"] = PAGE.format(url=detail["url"], origin=service.origin, key=KEY)
        document = open_in_browser(f"{frontend}/", tmp_path / "profile")
    report = json.loads(document.partition("<pre>")[2].partition("</pre>")[0])
    assert report == {
        "plain": 96,
        "cors": 96,
        "pixels": 4,
        "listed": 1,
        "requestId": True,
        "graphql": 1,
        "withoutKey": 401,
    }

"""Image URLs on a frontend's page, in a real browser."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.support.browser import open_in_browser
from tests.support.files import kept_files
from tests.support.installing import install_npm_packages
from tests.support.processes import ROOT
from tests.support.servers import Service

pytestmark = pytest.mark.slow

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


GALLERY = """<!doctype html><title>A gallery</title>
<style>figure {{ display: inline-block; width: 230px; margin: 8px; font: 13px sans-serif }}
canvas, img {{ width: 230px; height: 154px; display: block }}</style>
{figures}
<script>{decoder}</script>
<script>
const report = {{placeholders: 0, widths: [], asked: [], distances: []}};
const mean = source => {{
  const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}};
for (const canvas of document.querySelectorAll("canvas")) {{
  paintThumbHash(canvas.dataset.hash, canvas);  // before any image has loaded
  report.placeholders += 1;
}}
async function look() {{
  for (const image of document.querySelectorAll("img")) {{
    await image.decode();
    report.widths.push(image.naturalWidth);
    report.asked.push(new URL(image.currentSrc).search);
    const painted = mean(image.parentNode.querySelector("canvas")), shown = mean(image);
    report.distances.push(Math.max(...painted.map((value, at) => Math.abs(value - shown[at]))));
  }}
}}
addEventListener("load", () => look().catch(error => report.error = String(error)).finally(() => {{
  const pre = document.createElement("pre");
  pre.textContent = JSON.stringify(report);
  document.body.append(pre);
}}));
</script>"""
FIGURE = """<figure><canvas width=32 height=21 data-hash="{thumbhash}"></canvas>
<img crossorigin=anonymous srcset="{srcset}" sizes="230px" alt="{prompt}">
<figcaption>{prompt}</figcaption></figure>"""
PROMPTS = [
    "a red fox in the snow", "a lighthouse at night", "mountains at dawn, with a lake",
    "a whale under a ship", "a castle in the mist",
]  # fmt: skip
IMAGES = "{ images { guid prompt thumbhash srcset(widths: [240, 480, 960]) } }"


@contextmanager
def serve_page(pages: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            kind = "text/javascript" if self.path.endswith(".js") else "text/html"
            self.send_header("Content-Type", kind)
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


def test_a_page_paints_before_its_images_load_and_gets_the_sizes_it_shows(tmp_path: Path) -> None:
    pages: dict[str, str] = {}
    folder = tmp_path / "service"
    with serve_page(pages) as frontend, Service(folder, api_keys=KEY) as service:

        def call(path: str, body: object) -> dict[str, Any]:
            headers = {"X-API-Key": KEY}
            url = service.origin + path
            answer = httpx2.post(url, json=body, headers=headers, timeout=60, trust_env=False)
            assert answer.is_success, answer.text
            return answer.json()

        for prompt in PROMPTS:
            call("/image", {"prompt": prompt, "size": "1536x1024"})
        images = call("/graphql", {"query": IMAGES})["data"]["images"]
        pages["/"] = GALLERY.format(
            figures="\n".join(FIGURE.format(**image) for image in images),
            decoder=(ROOT / "tests/thumbhash.js").read_text(),
        )
        document = open_in_browser(f"{frontend}/", tmp_path / "profile")
        made = sorted(path.name for path in kept_files(folder / "variants"))
        screenshot = tmp_path / "gallery.png"
        options = (f"--screenshot={screenshot}", "--window-size=1320,480")
        open_in_browser(f"{frontend}/", tmp_path / "profile", *options)
    report = json.loads(document.partition("<pre>")[2].partition("</pre>")[0])
    assert report.pop("error", None) is None
    assert report["placeholders"] == 5
    # The narrowest that fills 230 CSS pixels; Chromium accepts AVIF, and nobody else asked.
    assert report["asked"] == ["?width=240"] * 5
    assert report["widths"] == [230] * 5, "as wide as `sizes` says"
    assert [name[-16:] for name in made] == ["240x160-q60.avif"] * 5
    assert max(report["distances"]) < 25, "placeholders have the colours of their images"
    with Image.open(screenshot) as shown:
        assert shown.size == (1320, 480)


def blocks_of(page: str, language: str) -> list[str]:
    """The examples in a language that a page of docs/ has."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


FOLLOWING = """<!doctype html><title>A page that follows</title><pre></pre>
<script>
const pixy = "{origin}", guid = "{guid}", heard = {{}};
const hear = how => generation => {{
  heard[how] = generation.status;
  document.querySelector("pre").textContent = JSON.stringify(heard);
}};
function look(show) {{ {source} }}
look(hear("source"));
{function}
follow(guid, "a key", hear("fetch"));
</script>"""


def test_what_the_guides_show_works_as_it_is_written(tmp_path: Path) -> None:
    modules = install_npm_packages(ROOT / "tests/pages")
    (query,) = blocks_of("images-on-pages.md", "graphql")
    (html,) = blocks_of("images-on-pages.md", "html")
    (script,) = blocks_of("images-on-pages.md", "js")
    source, function = blocks_of("following-generations.md", "js")
    pages = {"/thumbhash.js": (modules / "thumbhash/thumbhash.js").read_text()}
    with (
        serve_page(pages) as frontend,
        Service(tmp_path / "service", cors_origins=frontend) as service,
        httpx2.Client(base_url=service.origin, timeout=60, trust_env=False) as client,
    ):
        made = client.post("/image", json={"prompt": "a red fox", "size": "1024x1024"}).json()
        (image,) = client.post("/graphql", json={"query": query}).json()["data"]["images"]
        html = html.replace("https://pixy.example.org/image/5f2b8c1e-...", made["url"][:-8])
        html = re.sub('(data-thumbhash=)".*?"', rf'\1"{image["thumbhash"]}"', html)
        imports = '<script type="importmap">{"imports": {"thumbhash": "/thumbhash.js"}}</script>'
        pages["/"] = f'<!doctype html>{imports}{html}<script type="module">{script}</script>'
        shown = open_in_browser(f"{frontend}/", tmp_path / "profile")
        pages["/follow"] = FOLLOWING.format(
            origin=service.origin,
            guid=made["generation_guid"],
            source=source,
            function=function,
        )
        followed = open_in_browser(f"{frontend}/follow", tmp_path / "profile")
        (asked,) = set(re.findall(r"path=(/image/\S+/content) ", service.log))
    assert image["srcset"].startswith(image["url"].partition("?")[0])
    assert asked == f"/image/{made['guid']}/content"
    assert re.search(r"<img [^>]*style=\"[^\"]*url\(&quot;data:image/png;base64,", shown), shown
    heard = json.loads(followed.partition("<pre>")[2].partition("</pre>")[0])
    assert heard == {"source": "succeeded", "fetch": "succeeded"}

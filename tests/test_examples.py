"""The examples do what they say, against the service as it is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx2
import pytest
from PIL import Image

from tests.support.browser import open_in_browser
from tests.support.model_server import ModelServer
from tests.support.processes import ROOT, environment
from tests.support.programs import require_program
from tests.support.servers import Service

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"
KEY = "N7mYcQ4w-tests-only-9fKz"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def frontend() -> Iterator[str]:
    """The origin of a web server of its own for the pages."""
    handler = partial(_Quiet, directory=EXAMPLES)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def service(tmp_path: Path, frontend: str, model_server: ModelServer) -> Iterator[Service]:
    with Service(
        tmp_path / "service",
        api_keys=KEY,
        cors_origins=frontend,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
    ) as service:
        yield service


def run_example(
    folder: Path, service: Service, *command: str, key: str = KEY
) -> subprocess.CompletedProcess[str]:
    """Run it where it does not know where the sources are."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment() | {"PIXY_URL": service.origin, "PIXY_KEY": key, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_example_is_run_here() -> None:
    files = {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
    assert files == {"gallery.html", "draw.py", "album.sh"}
    assert set(re.findall(r"\]\((.+?)\)", (EXAMPLES / "README.md").read_text())) == files


def test_the_script_draws_follows_and_saves_and_pays_once(
    tmp_path: Path, service: Service, model_server: ModelServer
) -> None:
    command = [sys.executable, str(EXAMPLES / "draw.py"), "a red fox", "--count", "2"]
    for _ in range(2):
        done = run_example(tmp_path, service, *command)
        assert done.returncode == 0, done.stderr
        assert "succeeded" in done.stdout.splitlines()
    saved = sorted((tmp_path / "drawn").iterdir())
    assert sorted(done.stdout.splitlines()[-2:]) == [f"drawn/{path.name}" for path in saved]
    for path in saved:
        with Image.open(path) as image:
            image.verify()
    assert sum(request.json.get("n", 1) for request in model_server.requests) == 2

    refused = run_example(tmp_path, service, *command, key="no-key-that-it-knows")
    assert refused.returncode != 0
    assert "401" in refused.stderr


def test_the_calls_make_an_album(tmp_path: Path, service: Service) -> None:
    require_program("curl")
    script = str(EXAMPLES / "album.sh")
    done = run_example(tmp_path, service, "sh", script, "été", 'a "red" leaf', "a forest in fog")
    assert done.returncode == 0, done.stderr
    first, second, title, *found, count = done.stdout.splitlines()
    for name in (first, second):
        with Image.open(tmp_path / name) as image:
            assert (image.format, image.width) == ("JPEG", 160)
    assert title == "images with the tag été:"
    assert [line.split(maxsplit=1)[1] for line in found] == ["a forest in fog", 'a "red" leaf']
    assert count == "images in all: 2"

    refused = run_example(tmp_path, service, "sh", script, "x", "a fox", key="none-it-knows")
    assert refused.returncode != 0
    assert "401" in refused.stderr


def test_the_page_shows_what_is_kept(tmp_path: Path, service: Service, frontend: str) -> None:
    for prompt in ("<b>a fox</b>", "an owl"):
        answer = httpx2.post(
            f"{service.origin}/image",
            json={"prompt": prompt},
            headers={"X-API-Key": KEY},
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text
    page = f"{frontend}/gallery.html#{service.origin},{KEY}"
    document = open_in_browser(page, tmp_path / "profile")
    assert '<p id="state" role="status">2 images</p>' in document
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", document)
    assert captions == ["an owl", "&lt;b&gt;a fox&lt;/b&gt;"]
    assert document.count("background-color: rgb(") == 2
    made = {path.suffix for path in (tmp_path / "service/variants").rglob("*") if path.is_file()}
    assert made - {""} == {".avif"}, "the browser has asked for its own format"

    refused = open_in_browser(f"{frontend}/gallery.html#{service.origin}", tmp_path / "profile")
    assert "It cannot be shown: " in refused

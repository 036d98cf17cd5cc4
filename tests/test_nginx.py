"""Behind a real nginx that sends the files itself, configured as the guide says."""

import os
import pwd
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.support.mariadb import free_port
from tests.support.problems import assert_problem
from tests.support.processes import ROOT
from tests.support.programs import require_program
from tests.support.servers import Service

GUIDE = (ROOT / "docs/deployment.md").read_text()
LOCATIONS = re.findall(r"```nginx\n(.*?)```", GUIDE, re.DOTALL)
NAMES = ["/", "/graphql", "/pixy/", "/pixy/graphql", "/_images/"]
KEY = "N7mYcQ4w-tests-only-9fKz"


@contextmanager
def nginx_before(service: Service, folder: Path, port: int | None = None) -> Iterator[str]:
    """Run nginx on the guide's own locations, and yield its origin."""
    port = port or free_port()
    locations = "\n".join(LOCATIONS)
    assert re.findall(r"^location (?:= )?(\S+) \{", locations, re.MULTILINE) == NAMES
    locations = locations.replace("http://127.0.0.1:8000", service.origin)
    locations = locations.replace("/srv/pixyproxy/images", str(service.folder / "images"))
    paths = "".join(
        f"{name}_temp_path temp;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = pwd.getpwuid(os.geteuid()).pw_name
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; pid nginx.pid; error_log stderr warn;\n"
        f"events {{ worker_connections 64; }}\n"
        f"http {{ access_log off; {paths}\n"
        f"server {{ listen 127.0.0.1:{port};\n{locations}\n}} }}\n"
    )
    command = [require_program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    command += ["-e", "stderr", "-g", f"daemon off; user {user};"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("needs_key", [False, True])
def test_nginx_sends_what_the_service_has_let_through(tmp_path: Path, needs_key: bool) -> None:
    settings = {"api_keys": KEY, "content_requires_key": needs_key, "accel_redirect": "/_images/"}
    headers = {"X-API-Key": KEY}
    with (
        Service(tmp_path / "service", **settings) as service,
        nginx_before(service, tmp_path / "nginx") as origin,
        httpx2.Client(base_url=origin, headers=headers, trust_env=False) as client,
        httpx2.Client(base_url=service.origin, headers=headers, trust_env=False) as direct,
    ):
        made = client.post("/image", json={"prompt": "a fox", "size": "96x64"}).json()
        path = f"/image/{made['guid']}/content"
        (file,) = (tmp_path / "service/images").rglob("*.png")
        inner = direct.get(path)
        assert inner.content == b""
        redirect = inner.headers["x-accel-redirect"]
        assert redirect == f"/_images/{made['guid'][:2]}/{made['guid'][2:4]}/{made['guid']}.png"

        whole = client.get(path)
        assert whole.status_code == 200
        assert whole.content == file.read_bytes()
        assert whole.headers["content-length"] == str(made["byte_size"])
        assert "x-accel-redirect" not in whole.headers
        for name in (
            *("etag", "last-modified", "cache-control", "content-type", "content-disposition"),
            *("x-content-type-options", "content-security-policy", "access-control-allow-origin"),
            "cross-origin-resource-policy",
        ):
            assert whole.headers.get_list(name) == inner.headers.get_list(name), name
        assert whole.headers["x-request-id"] != inner.headers["x-request-id"]

        etag, date = whole.headers["etag"], whole.headers["last-modified"]
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
        assert client.get(path, headers={"If-Modified-Since": date}).status_code == 304
        assert client.get(path, headers={"If-None-Match": '"other"'}).content == whole.content
        part = client.get(path, headers={"Range": "bytes=1-5", "If-Range": etag})
        assert (part.status_code, part.content) == (206, whole.content[1:6])
        assert_problem(client.get(path, headers={"Range": "bytes=999999-"}), 416,
                       "range-not-satisfiable")  # fmt: skip
        head = client.head(path)
        assert head.headers["content-length"] == str(made["byte_size"])
        small = client.get(f"{path}?width=32&format=webp")
        assert small.headers["content-type"] == "image/webp"
        assert small.content[8:12] == b"WEBP"

        assert client.get(redirect).status_code == 404, "the location is nobody's but nginx's"
        anonymous = httpx2.get(origin + path, trust_env=False)
        assert anonymous.status_code == (401 if needs_key else 200)
        file.unlink()
        assert_problem(client.get(path), 503, "image-store-unavailable")


async def ask_over_websocket(origin: str, path: str, page: str) -> str:
    """Return what a socket that a page of this origin opens is told first."""
    url = f"{origin.replace('http', 'ws', 1)}{path}"
    async with connect(
        url,
        origin=Origin(page),
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        proxy=None,
    ) as socket:
        await socket.send('{"type": "connection_init"}')
        told: str = orjson.loads(await socket.recv())["type"]
        return told


async def test_urls_keep_the_port_and_graphql_has_its_websockets(tmp_path: Path) -> None:
    with (
        Service(tmp_path / "service") as service,
        nginx_before(service, tmp_path / "nginx") as origin,
        httpx2.Client(base_url=origin, trust_env=False) as client,
    ):
        made = client.post("/image", json={"prompt": "a fox", "size": "96x64"})
        assert made.json()["url"].startswith(f"{origin}/image/")
        assert client.get(made.headers["location"]).json() == made.json()
        asked = client.post("/graphql", json={"query": "{ images { url } }"})
        assert asked.json() == {"data": {"images": [{"url": made.json()["url"]}]}}
        assert await ask_over_websocket(origin, "/graphql", origin) == "connection_ack"
        with pytest.raises(InvalidStatus):
            await ask_over_websocket(origin, "/graphql", "http://elsewhere.example")


async def test_below_a_path_everything_leads_below_it_again(tmp_path: Path) -> None:
    port = free_port()
    base = f"http://localhost:{port}/pixy"
    with (
        Service(tmp_path / "service", public_base_url=base) as service,
        nginx_before(service, tmp_path / "nginx", port) as origin,
        httpx2.Client(base_url=origin, trust_env=False) as client,
    ):
        for _ in range(2):
            made = client.post("/pixy/image", json={"prompt": "a fox", "size": "96x64"})
        guid = made.json()["guid"]
        assert made.headers["location"] == f"/pixy/image/{guid}"
        assert client.get(made.headers["location"]).json()["url"] == made.json()["url"]
        assert made.json()["url"] == f"{base}/image/{guid}/content"
        assert httpx2.get(made.json()["url"], trust_env=False).status_code == 200
        submitted = client.post("/pixy/generation", json={"prompt": "a fox", "size": "96x64"})
        assert client.get(submitted.headers["location"]).json()["guid"] == submitted.json()["guid"]
        listed = client.get("/pixy/image?size=1")
        (link,) = re.findall("<(.*?)>", listed.headers["link"])
        assert link == "/pixy/image?size=1&page=2"
        assert len(client.get(link).json()) == 1

        page = client.get("/pixy/docs")
        (document_url,) = re.findall('href="([^"]*openapi.json)">\n<link', page.text)
        document = client.get(page.url.join(document_url)).json()
        assert document["servers"][0]["url"] == base
        graphiql = client.get("/pixy/graphql", headers={"Accept": "text/html"})
        for shown in (page, graphiql, client.get("/pixy/")):
            scripts = re.findall('<script [^>]*src="(.*?)"', shown.text)
            assert scripts
            for script in scripts:
                assert client.get(shown.url.join(script)).status_code == 200, script
        asked = client.post("/pixy/graphql", json={"query": "{ tags { name } }"})
        assert asked.json() == {"data": {"tags": []}}
        # The page is the public name's, which is not the Host that arrives.
        public = f"http://localhost:{port}"
        assert await ask_over_websocket(origin, "/pixy/graphql", public) == "connection_ack"

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
import pytest

from tests.support.mariadb import free_port
from tests.support.problems import assert_problem
from tests.support.processes import ROOT
from tests.support.programs import require_program
from tests.support.servers import Service

GUIDE = (ROOT / "docs/deployment.md").read_text()
LOCATIONS = re.findall(r"```nginx\n(.*?)```", GUIDE, re.DOTALL)
KEY = "N7mYcQ4w-tests-only-9fKz"


@contextmanager
def nginx_before(service: Service, folder: Path) -> Iterator[str]:
    """Run nginx on the guide's own locations, and yield its origin."""
    port = free_port()
    locations = "\n".join(LOCATIONS)
    assert locations.count("location ") == 2
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

"""The command line, as a user runs it."""

import json
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pymysql
import pytest
from PIL import Image
from sqlalchemy.engine import make_url

from pixyproxy import __version__
from tests.support.mariadb import MariaDB
from tests.support.model_server import ModelServer, error, hang, image, rate_limited
from tests.support.problems import assert_one_clear_line
from tests.support.processes import PATIENT, ROOT, environment, run
from tests.support.rows import raw
from tests.support.servers import Service


def test_version(tmp_path: Path) -> None:
    assert run(tmp_path, "version").stdout == f"pixyproxy {__version__}\n"


def test_export_schema_prints_the_committed_schema(tmp_path: Path) -> None:
    assert run(tmp_path, "export-schema").stdout == (ROOT / "schema.graphql").read_text()


def test_generate_does_the_main_job_without_a_server(tmp_path: Path) -> None:
    arguments = ("generate", "a lighthouse 🗼", "--size", "128x96", "--out", "copy.webp")
    result = run(tmp_path, *arguments, "--output-format", "webp")
    assert result.returncode == 0, result.stderr
    detail = json.loads(result.stdout)
    assert detail["prompt"] == "a lighthouse 🗼"
    assert detail["model"] == "sketch"
    assert detail["url"] == f"http://127.0.0.1:8000/image/{detail['guid']}/content"
    with Image.open(tmp_path / "copy.webp") as copy:
        assert (copy.format, copy.size) == ("WEBP", (128, 96))
    (kept,) = (tmp_path / "images").rglob("*.webp")
    assert kept.read_bytes() == (tmp_path / "copy.webp").read_bytes()


def test_generate_by_a_model_server(tmp_path: Path, model_server: ModelServer) -> None:
    settings = {"openai_base_url": model_server.base_url, "model": "gpt-image-1.5"}
    result = run(tmp_path, "generate", "a fox", "--quality", "low", **settings)
    assert result.returncode == 0, result.stderr
    (request,) = model_server.requests
    assert request.json == {"model": "gpt-image-1.5", "prompt": "a fox", "quality": "low"}


def test_migrate_twice(tmp_path: Path, empty_database_url: str) -> None:
    for _ in range(2):
        result = run(tmp_path, "migrate", database_url=empty_database_url)
        assert (result.returncode, result.stderr) == (0, "The database is up to date.\n")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": "99999999"}, ["PIXYPROXY_PORT"]),
        ({"generator": "magic"}, ["PIXYPROXY_GENERATOR", "sketch"]),
        ({"api_keys": "changeme"}, ["PIXYPROXY_API_KEYS", "token_urlsafe"]),
        ({"api_keys": "aaaaaaaaaaaaaaaaaaaaaaa"}, ["weak", "token_urlsafe"]),
        ({"api_keys": "my-own-secret-for-this-service"}, ["weak"]),
        ({"api_keys": "schlüssel-der-lang-genug-ist"}, ["ASCII"]),
        ({"host": "0.0.0.0"}, ["PIXYPROXY_API_KEYS", "PIXYPROXY_ALLOW_ANONYMOUS"]),
        ({"host": "0.0.0.0", "allow_anonymous": "true"}, ["PIXYPROXY_GENERATOR=sketch"]),
        ({"host": "192.0.2.1", "allow_anonymous": "true", "generator": "sketch"}, ["192.0.2.1"]),
        ({"openai_base_url": "ftp://models.example"}, ["PIXYPROXY_OPENAI_BASE_URL", "http"]),
        ({"database_url": "postgresql://u:hidden@h/d"}, ["mysql://", "sqlite://"]),
        ({"database_url": "mysql://root:hidden@127.0.0.1:9/db"}, ["127.0.0.1"]),
        ({"database_url": "mysql://root:hidden@127.0.0.1:9"}, ["DATABASE"]),
        ({"database_url": "sqlite:////proc/nowhere/x.db"}, []),
        ({"database_url": "mysql://root:hidden@127.0.0.1:99999/db"}, ["port"]),
        ({"images": "/proc/nowhere"}, ["/proc/nowhere", "No such file or directory"]),
        ({"host": "[/red]"}, ["[/red]"]),
    ],
)
def test_serve_says_in_one_line_what_is_wrong(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    result = run(tmp_path, "serve", **settings)
    assert_one_clear_line(result, *words)
    assert "hidden" not in result.stderr


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path, model_server: ModelServer) -> None:
    port = model_server.origin.rpartition(":")[2]
    assert_one_clear_line(run(tmp_path, "serve", port=port), port, "in use")


def test_generate_tells_a_bad_parameter_in_one_line(tmp_path: Path) -> None:
    assert_one_clear_line(run(tmp_path, "generate", "a fox", "--size", "9x9"), "size")
    assert_one_clear_line(run(tmp_path, "generate", " "), "prompt")


def test_generate_tells_a_failure_in_one_line(tmp_path: Path, model_server: ModelServer) -> None:
    model_server.answer_with(error(500))
    result = run(tmp_path, "generate", "a fox", openai_base_url=model_server.base_url)
    assert_one_clear_line(result, "unavailable")


def test_a_bad_tls_file_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate\n")
    for options in (
        ["--ssl-keyfile", "bad.pem"],
        ["--ssl-certfile", "bad.pem"],
        ["--ssl-certfile", "bad.pem", "--ssl-keyfile", "bad.pem"],
    ):
        assert_one_clear_line(run(tmp_path, "serve", *options), "--ssl-certfile")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:99999", "http://[", "http://"]
)
def test_a_proxy_that_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, variable: str, proxy: str
) -> None:
    result = run(tmp_path, "migrate", openai_api_key="sk-x", variables={variable: proxy})
    assert_one_clear_line(result, variable, "http")


@pytest.fixture
def broken_server() -> Iterator[int]:
    """The port of what greets like a MySQL server and breaks off in the middle of the greeting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"\x05\x00\x00\x00hello")

        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_nobody_foresaw_is_one_line_too(tmp_path: Path, broken_server: int) -> None:
    url = f"mysql://root:hidden@127.0.0.1:{broken_server}/db"
    result = run(tmp_path, "migrate", database_url=url)
    assert_one_clear_line(result, "unforeseen", "PIXYPROXY_LOG_LEVEL=DEBUG")
    result = run(tmp_path, "migrate", database_url=url, log_level="DEBUG")
    assert "Traceback" in result.stderr
    assert "hidden" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: unforeseen")


def test_generate_pays_for_nothing_where_the_copy_cannot_be_written(
    tmp_path: Path, model_server: ModelServer
) -> None:
    for out in ("nowhere/x.png", ".", "x" * 300):
        result = run(
            tmp_path, "generate", "a fox", "--out", out, openai_base_url=model_server.base_url
        )
        assert_one_clear_line(result, "--out")
    assert model_server.posts == 0


def test_a_failed_generation_leaves_the_file_of_the_copy_alone(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(error(500))
    (tmp_path / "old.png").write_text("old")
    for out in ("old.png", "new.png"):
        result = run(
            tmp_path, "generate", "a fox", "--out", out, openai_base_url=model_server.base_url
        )
        assert_one_clear_line(result, "unavailable")
    assert (tmp_path / "old.png").read_text() == "old"
    assert not (tmp_path / "new.png").exists()


def test_the_copy_takes_the_place_of_a_longer_file(tmp_path: Path) -> None:
    (tmp_path / "copy.png").write_bytes(b"x" * 1_000_000)
    result = run(tmp_path, "generate", "a fox", "--size", "128x96", "--out", "copy.png")
    assert result.returncode == 0, result.stderr
    (kept,) = (tmp_path / "images").rglob("*.png")
    assert (tmp_path / "copy.png").read_bytes() == kept.read_bytes()


def test_a_copy_that_fails_says_that_the_image_is_kept(tmp_path: Path) -> None:
    result = run(tmp_path, "generate", "a fox", "--size", "128x96", "--out", "/dev/full")
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    guid = json.loads(result.stdout)["guid"]
    for words in (f"is kept as {guid}", "--out", "No space left on device"):
        assert words in line


def test_details_that_cannot_be_printed_leave_the_image_and_its_copy(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        arguments = ("generate", "a fox", "--size", "128x96", "--out", "copy.png")
        result = run(tmp_path, *arguments, stdout=full.fileno())
        assert_one_clear_line(run(tmp_path, "version", stdout=full.fileno()), "No space left")
    (kept,) = (tmp_path / "images").rglob("*.png")
    assert_one_clear_line(result, f"is kept as {kept.stem}", "No space left on device")
    assert (tmp_path / "copy.png").read_bytes() == kept.read_bytes()


def shown(folder: Path, *arguments: str, **settings: object) -> Any:
    """What a command that succeeds prints as JSON."""
    result = run(folder, *arguments, **settings)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_several_images_are_one_generation(tmp_path: Path, model_server: ModelServer) -> None:
    by_server = {
        "openai_base_url": model_server.base_url,
        "public_base_url": "https://pixy.example.org",
    }
    generation = shown(tmp_path, "generate", "foxes", "--n", "3", **by_server)
    assert generation["status"] == "succeeded"
    assert len({image["url"] for image in generation["images"]}) == 3
    assert model_server.posts == 1
    assert shown(tmp_path, "generations", "list", **by_server) == generation
    listed = shown(tmp_path, "generations", "list")
    assert all(image["url"].startswith("/image/") for image in listed["images"]), "no guessed host"
    assert_one_clear_line(run(tmp_path, "generate", "foxes", "-n", "11", **by_server), "n: ")
    for options in (("-n", "2"), ("--no-wait",)):
        result = run(tmp_path, "generate", "foxes", "--out", "x.png", *options, **by_server)
        assert_one_clear_line(result, "--out")
    assert model_server.posts == 1


def test_what_failed_of_several_images_is_told(tmp_path: Path, model_server: ModelServer) -> None:
    model_server.answer_with(image(), error(500), image())
    settings = {
        "public_base_url": "https://pixy.example.org",
        "openai_base_url": model_server.base_url,
        "model": "dall-e-3",
        "fetch_allow": model_server.origin.removeprefix("http://"),
    }
    result = run(tmp_path, "generate", "foxes", "-n", "3", **settings)
    assert result.returncode == 0
    generation = json.loads(result.stdout)
    assert len(generation["images"]) == 2
    assert generation["error"]["code"] == "generator-unavailable"
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(rf"warning: .* unavailable.*{generation['guid']}.*", line)
    details = shown(tmp_path, "generations", "show", generation["guid"], **settings)
    statuses = [attempt["status"] for attempt in details.pop("attempts")]
    assert sorted(statuses) == ["failed", "succeeded", "succeeded"]
    assert details == generation


def test_a_key_that_is_sent_again_pays_once(
    tmp_path: Path, database_url: str, model_server: ModelServer
) -> None:
    settings = {"openai_base_url": model_server.base_url, "database_url": database_url}
    arguments = ("generate", "a fox", "--idempotency-key", "mine")
    detail = shown(tmp_path, *arguments, **settings)
    for options in ((), ("--out", "copy.png")):
        again = run(tmp_path, *arguments, *options, **settings)
        assert json.loads(again.stdout) == detail
        assert re.fullmatch(r"note: .*nothing new.*\n", again.stderr)
    assert (tmp_path / "copy.png").stat().st_size == detail["byte_size"]
    conflict = run(tmp_path, *arguments, "--size", "1024x1024", **settings)
    assert_one_clear_line(conflict, "idempotency key")
    assert_one_clear_line(run(tmp_path, *arguments[:-1], "a b", **settings), "idempotency_key")
    assert model_server.posts == 1


def test_a_running_service_takes_up_what_is_not_waited_for(
    tmp_path: Path, database_url: str, model_server: ModelServer
) -> None:
    settings = {
        "openai_base_url": model_server.base_url,
        "database_url": database_url,
        "images": tmp_path / "images",
    }
    queued = shown(tmp_path, "generate", "a fox", "--no-wait", "-n", "2", **settings)
    guid = queued["guid"]
    assert (queued["status"], queued["images"]) == ("queued", [])
    for _ in range(2):
        assert shown(tmp_path, "generations", "list", "--status", "queued", **settings) == queued
        details = shown(tmp_path, "generations", "show", guid, **settings)
        assert details == queued | {"attempts": []}
    assert model_server.posts == 0, "looking at them took up none"
    with Service(tmp_path / "service", **settings) as service:
        taken_up = shown(tmp_path, "generate", "another", "--no-wait", **settings)
        for generation in (queued, taken_up):
            wait_until_ended(service.origin, generation["guid"])
        details = shown(tmp_path, "generations", "show", guid, **settings)
    assert details["status"] == "succeeded"
    assert len(details["images"]) == 2
    assert model_server.posts == 2


def wait_until_ended(origin: str, guid: str) -> None:
    """Follow the generation, as a client does, to its end."""
    with httpx2.stream("GET", f"{origin}/generation/{guid}/events", timeout=60) as events:
        assert events.status_code == 200
        for _ in events.iter_lines():
            pass


def test_generations_are_cancelled_and_tried_again(
    tmp_path: Path, database_url: str, model_server: ModelServer
) -> None:
    settings = {"openai_base_url": model_server.base_url, "database_url": database_url}
    guid = shown(tmp_path, "generate", "a fox", "--no-wait", **settings)["guid"]
    assert shown(tmp_path, "generations", "cancel", guid, **settings)["status"] == "cancelled"
    result = run(tmp_path, "generations", "cancel", guid, **settings)
    assert_one_clear_line(result, "Only a queued generation", "cancelled")
    assert shown(tmp_path, "generations", "retry", guid, **settings)["status"] == "queued"
    assert_one_clear_line(run(tmp_path, "generations", "retry", guid, **settings), "queued already")
    unknown = "5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"
    for command in ("show", "cancel", "retry"):
        for name in (unknown, "none"):
            result = run(tmp_path, "generations", command, name, **settings)
            assert_one_clear_line(result, "no generation")
    for options in (("--status", "lost"), ("--page", "0"), ("--size", "101")):
        result = run(tmp_path, "generations", "list", *options, **settings)
        assert_one_clear_line(result, options[0].removeprefix("--"))
    assert model_server.posts == 0


def test_a_failure_names_its_generation(tmp_path: Path, model_server: ModelServer) -> None:
    model_server.answer_with(error(500))
    settings = {"openai_base_url": model_server.base_url}
    result = run(tmp_path, "generate", "a fox", **settings)
    assert_one_clear_line(result, "unavailable")
    (guid,) = re.findall(r"generation (\S+): failed", result.stderr)
    assert shown(tmp_path, "generations", "list", **settings)["guid"] == guid


def test_a_terminal_shows_generations_as_a_table(tmp_path: Path) -> None:
    guid = shown(tmp_path, "generate", "[red]a \x1b[31mfox", "--no-wait")["guid"]
    terminal, side = pty.openpty()
    result = run(tmp_path, "generations", "list", stdout=side, variables={"TERM": "xterm"})
    assert result.returncode == 0
    table = os.read(terminal, 100_000).decode()
    result = run(tmp_path, "generations", "list", "--json", stdout=side)
    assert (result.returncode, result.stderr) == (0, "")
    line = os.read(terminal, 100_000).decode()
    os.close(side)
    os.close(terminal)
    header, row = table.splitlines()
    assert "queued at (UTC)" in header
    assert re.match(rf"{guid}  queued     \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  1 +\[red]", row)
    assert "\x1b[31mfox" not in table
    assert json.loads(line)["guid"] == guid


def interrupted(folder: Path, model_server: ModelServer, attempt_status: str) -> tuple[str, Any]:
    """What is said of a generation that is interrupted in this state, and how it reads then."""
    settings = {"openai_base_url": model_server.base_url}
    with subprocess.Popen(
        [sys.executable, "-m", "pixyproxy", "generate", "a fox"],
        cwd=folder,
        env=environment(**PATIENT, **settings),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        model_server.wait_for_requests(1)
        deadline = time.monotonic() + 60
        while raw(f"sqlite:///{folder}/pixyproxy.db", "SELECT status FROM attempts") != [
            (attempt_status,)
        ]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    found = re.fullmatch(r"error: interrupted; generation (\S+): (.*)\n", stderr)
    assert found, stderr
    return found[2], shown(folder, "generations", "show", found[1], **settings)


@pytest.mark.slow
def test_an_interrupted_generation_may_have_been_charged_for(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(hang())
    said, generation = interrupted(tmp_path, model_server, "sent")
    assert "may have been charged for" in said
    assert generation["status"] == "unknown"
    assert [attempt["status"] for attempt in generation["attempts"]] == ["unknown"]


@pytest.mark.slow
def test_an_interrupted_generation_that_was_not_accepted_is_queued(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(rate_limited("60"))
    said, generation = interrupted(tmp_path, model_server, "failed")
    assert "is queued" in said
    assert generation["status"] == "queued"
    assert model_server.posts == 1


def test_migrate_leaves_another_programs_table_alone(
    tmp_path: Path, empty_database_url: str
) -> None:
    url = make_url(empty_database_url)
    create = "create table images(x int)"
    if url.drivername == "sqlite":
        with sqlite3.connect(str(url.database)) as connection:
            connection.execute(create)
        connection.close()
    else:
        with _connected(empty_database_url, database=url.database) as connection:
            connection.cursor().execute(create)
    for _ in range(2):
        result = run(tmp_path, "migrate", database_url=empty_database_url)
        assert_one_clear_line(result, "another program's table", "images", "empty database")


def test_a_mysql_server_must_take_the_longest_row(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with MariaDB(tmp_path / "server") as server:
        with _connected(server.url) as connection:
            connection.cursor().execute("CREATE DATABASE pixyproxy")
            connection.cursor().execute("SET GLOBAL max_allowed_packet = 1048576")
        url = f"{server.url}/pixyproxy"
        result = run(tmp_path, "migrate", database_url=url)
        assert_one_clear_line(result, "max_allowed_packet", "4 MiB")
        with _connected(server.url) as connection:
            connection.cursor().execute("SET GLOBAL max_allowed_packet = 4194304")
        assert run(tmp_path, "migrate", database_url=url).returncode == 0


def _connected(server_url: str, **options: object) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    url = make_url(server_url)
    return pymysql.connect(
        host=url.host or "127.0.0.1",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        autocommit=True,
        **options,  # type: ignore[arg-type]
    )


def test_a_bad_option_is_an_error_of_usage(tmp_path: Path) -> None:
    result = run(tmp_path, "serve", "--port", "many")
    assert result.returncode == 2
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PIXYPROXY_API_KEYS=weak\nOTHER=1\n")
    assert_one_clear_line(run(tmp_path, "serve"), "PIXYPROXY_API_KEYS")

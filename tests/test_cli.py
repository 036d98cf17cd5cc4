"""The command line, as a user runs it."""

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pymysql
import pytest
from PIL import Image
from sqlalchemy.engine import make_url

from pixyproxy import __version__
from tests.mariadb import MariaDB
from tests.model_server import ModelServer, error, hang
from tests.servers import ROOT, environment


def run(
    folder: Path,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    **settings: object,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pixyproxy", *arguments],
        cwd=folder,
        env=environment(min_free_mb=1, **settings)
        | {"PYTHONPATH": str(ROOT)}
        | dict(variables or {}),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )


def assert_one_clear_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode != 0
    assert not result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


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
    with Image.open(tmp_path / "copy.webp") as image:
        assert (image.format, image.size) == ("WEBP", (128, 96))
    (kept,) = (tmp_path / "images").rglob("*.webp")
    assert kept.read_bytes() == (tmp_path / "copy.webp").read_bytes()


def test_generate_by_a_model_server(tmp_path: Path, model_server: ModelServer) -> None:
    settings = {"openai_base_url": model_server.base_url, "model": "gpt-image-1.5"}
    result = run(tmp_path, "generate", "a fox", "--quality", "low", **settings)
    assert result.returncode == 0, result.stderr
    (request,) = model_server.requests
    assert request.json == {"model": "gpt-image-1.5", "prompt": "a fox", "quality": "low"}


def test_migrate_twice(tmp_path: Path, database_url: str) -> None:
    for _ in range(2):
        result = run(tmp_path, "migrate", database_url=database_url)
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


def test_an_interrupted_generation_may_have_been_charged_for(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(hang())
    with subprocess.Popen(
        [sys.executable, "-m", "pixyproxy", "generate", "a fox"],
        cwd=tmp_path,
        env=environment(min_free_mb=1, openai_base_url=model_server.base_url)
        | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        model_server.wait_for_requests(1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert re.fullmatch(r"error: interrupted.* may have been charged for.*\n", stderr)


def test_migrate_leaves_another_programs_table_alone(tmp_path: Path, database_url: str) -> None:
    url = make_url(database_url)
    create = "create table images(x int)"
    if url.drivername == "sqlite":
        with sqlite3.connect(str(url.database)) as connection:
            connection.execute(create)
        connection.close()
    else:
        with _connected(database_url, database=url.database) as connection:
            connection.cursor().execute(create)
    for _ in range(2):
        result = run(tmp_path, "migrate", database_url=database_url)
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

"""The command line, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pixyproxy import __version__
from tests.model_server import ModelServer
from tests.servers import ROOT, environment


def run(folder: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pixyproxy", *arguments],
        cwd=folder,
        env=environment(min_free_mb=1, **settings) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_one_clear_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode != 0
    assert result.stdout == ""
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
        ({"images": "/proc/nowhere"}, []),
        ({"openai_api_key": "schlüssel"}, ["ASCII"]),
        ({"fetch_allow": "http://host/path", "openai_base_url": "http://h/v1"}, ["host:port"]),
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
    from tests.model_server import error

    model_server.answer_with(error(500))
    result = run(tmp_path, "generate", "a fox", openai_base_url=model_server.base_url)
    assert_one_clear_line(result, "unavailable")


def test_a_bad_option_is_an_error_of_usage(tmp_path: Path) -> None:
    result = run(tmp_path, "serve", "--port", "many")
    assert result.returncode == 2
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PIXYPROXY_API_KEYS=weak\nOTHER=1\n")
    assert_one_clear_line(run(tmp_path, "serve"), "PIXYPROXY_API_KEYS")

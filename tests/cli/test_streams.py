"""Commands whose standard streams are closed, or whose files are not as they should be."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.problems import assert_one_clear_line
from tests.support.processes import PATIENT, environment, run


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("import - <&-", "standard input is closed"),
        ("export - >&-", "standard output is closed"),
        ("stats >&-", "standard output is closed"),
    ],
)
def test_a_closed_stream_is_told(tmp_path: Path, command: str, told: str) -> None:
    assert run(tmp_path, "migrate").returncode == 0
    result = subprocess.run(
        f"{sys.executable} -m pixyproxy {command}",
        shell=True,
        cwd=tmp_path,
        env=environment(**PATIENT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told in result.stderr
    assert "unforeseen" not in result.stderr
    assert result.returncode != 0


def test_an_env_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("PIXYPROXY_MODEL=café\n".encode("latin-1"))
    assert_one_clear_line(run(tmp_path, "stats"), ".env", "UTF-8")


def test_what_is_not_there_cannot_be_imported(tmp_path: Path) -> None:
    assert_one_clear_line(run(tmp_path, "import", "nowhere"), "no folder or file nowhere")


def test_the_version_is_an_option_too(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == run(tmp_path, "version").stdout


def test_shells_can_complete_commands(tmp_path: Path) -> None:
    result = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m pixyproxy --show-completion; true"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "complete" in result.stdout, result.stderr

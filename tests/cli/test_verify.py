"""`pixyproxy verify`, as an operator runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.archives import Archive, make_pictures
from tests.support.model_server import noise_png
from tests.support.problems import assert_one_clear_line
from tests.support.processes import environment

pytestmark = pytest.mark.slow


def test_files_are_read_against_their_rows(tmp_path: Path, database_url: str) -> None:
    archive = Archive(tmp_path / "here", database_url)
    result = archive.run("verify", "--json")
    assert (result.returncode, json.loads(result.stdout)["images"]) == (0, 0)
    make_pictures(tmp_path / "pictures", 6)
    assert archive.run("import", str(tmp_path / "pictures")).returncode == 0
    whole, lost, short, spoilt, linked, last = archive.guids()
    size = sum(path.stat().st_size for path in archive.images.rglob("*.png"))
    result = archive.run("verify")
    assert (result.returncode, result.stdout) == (0, f"images: 6, bytes: {size}, faults: 0\n")

    archive.path(lost).unlink()
    archive.path(short).write_bytes(b"short")
    data = archive.path(spoilt).read_bytes()
    archive.path(spoilt).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    target = archive.path(linked).rename(tmp_path / "elsewhere.png")
    (archive.images / linked[:2] / linked[2:4] / f"{linked}.png").symlink_to(target)
    expected = {
        lost: "missing-file",
        short: "wrong-size",
        spoilt: "wrong-sha256",
        linked: "unreadable-file",
    }
    for options in ((), ("--rate", "1000")):
        result = archive.run("verify", "--json", *options)
        assert (result.returncode, result.stderr) == (1, "")
        told = [json.loads(line) for line in result.stdout.splitlines()]
        assert {line["guid"]: line["fault"] for line in told[:-1]} == expected
        assert told[-1] == {"images": 6, "bytes": size, "faults": 4}
    result = archive.run("verify", "--json", "--after", linked)
    assert (result.returncode, json.loads(result.stdout)["images"]) == (0, 1)
    assert archive.run("verify", "--after", whole).returncode == 1
    assert archive.run("verify", "--after", last).returncode == 0


def test_what_cannot_be_verified_is_said_in_one_line(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "here", f"sqlite:///{tmp_path}/x.db")
    assert archive.run("migrate").returncode == 0
    result = archive.run("verify", "--after", "no-guid")
    assert_one_clear_line(result, "no image")
    assert result.returncode == 2
    assert archive.run("verify", "--rate", "0").returncode == 2


def test_it_says_where_to_go_on(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "here", f"sqlite:///{tmp_path}/x.db")
    make_pictures(tmp_path / "pictures", 1)
    (tmp_path / "pictures/large.png").write_bytes(noise_png(300_000))
    assert archive.run("import", str(tmp_path / "pictures")).returncode == 0
    variables = environment(database_url=archive.database_url)
    first, second = archive.guids()
    archive.path(second).unlink()
    with subprocess.Popen(
        [sys.executable, "-m", "pixyproxy", "verify", "--json", "--rate", "0.001"],
        cwd=archive.folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["guid"] == second
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 2
    assert told.splitlines()[0] == "error: interrupted"
    assert "--after" in told
    assert {first, second} & set(told.split())

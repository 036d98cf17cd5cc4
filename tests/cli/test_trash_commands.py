"""The trash by commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import fsck, generate, path_of
from tests.support.problems import assert_one_clear_line
from tests.support.processes import run


def command(folder: Path, database_url: str, *arguments: str, days: int = 7) -> Any:
    return run(folder, *arguments, database_url=database_url, trash_days=days)


def in_trash(folder: Path, database_url: str, *options: str) -> list[str]:
    result = command(folder, database_url, "trash", "list", *options)
    assert result.returncode == 0, result.stderr
    return [json.loads(line)["guid"] for line in result.stdout.splitlines()]


def test_what_is_deleted_is_listed_and_restored(tmp_path: Path, database_url: str) -> None:
    images = [generate(tmp_path, database_url=database_url) for _ in range(3)]
    guids = [image["guid"] for image in images]
    assert_one_clear_line(command(tmp_path, database_url, "delete", guids[0]), "--yes")
    deleted = command(tmp_path, database_url, "delete", *guids, "--yes")
    assert deleted.stdout.split() == [word for guid in guids for word in ("deleted", guid)]
    assert in_trash(tmp_path, database_url) == guids[::-1]
    assert in_trash(tmp_path, database_url, "--first", "1") == guids[2:]
    assert path_of(tmp_path, images[0]).exists()
    restored = command(tmp_path, database_url, "trash", "restore", *guids[:2])
    assert restored.stdout == f"restored {guids[0]}\nrestored {guids[1]}\n"
    found = command(tmp_path, database_url, "search").stdout.splitlines()
    assert [json.loads(line)["guid"] for line in found] == [guids[1], guids[0]]
    assert fsck(tmp_path, database_url=database_url)[0] == 0
    wrong = command(tmp_path, database_url, "trash", "restore", "nonsense")
    assert_one_clear_line(wrong, "no image")


def test_the_trash_is_emptied_and_passed_by(tmp_path: Path, database_url: str) -> None:
    first, second, third = (generate(tmp_path, database_url=database_url) for _ in range(3))
    for image in (first, second):
        command(tmp_path, database_url, "delete", image["guid"], "--yes")
    assert_one_clear_line(command(tmp_path, database_url, "trash", "empty"), "--yes")
    for_good = ("delete", "--for-good", "--yes", second["guid"], third["guid"])
    assert command(tmp_path, database_url, *for_good).returncode == 0
    assert in_trash(tmp_path, database_url) == [first["guid"]]
    emptied = command(tmp_path, database_url, "trash", "empty", "--yes")
    assert emptied.stdout == "deleted for good: 1\n"
    assert not list((tmp_path / "images").rglob("*.png"))
    gone = command(tmp_path, database_url, "trash", "restore", first["guid"])
    assert_one_clear_line(gone, "was deleted")


@pytest.mark.parametrize("arguments", [("list",), ("restore", "x"), ("empty", "--yes")])
def test_no_command_of_the_trash_makes_an_archive(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = run(tmp_path, "trash", *arguments)
    assert "there is no archive in" in result.stderr
    assert result.returncode != 0
    assert not (tmp_path / "pixyproxy.db").exists()


@pytest.mark.slow
def test_an_export_has_no_trash(tmp_path: Path, database_url: str) -> None:
    kept, image = (generate(tmp_path, database_url=database_url) for _ in range(2))
    export = ("export", str(tmp_path / "export"))
    assert command(tmp_path, database_url, *export).returncode == 0
    command(tmp_path, database_url, "delete", image["guid"], "--yes")
    assert command(tmp_path, database_url, *export).returncode == 0
    lines = [
        json.loads(line)["guid"]
        for path in (tmp_path / "export" / "images").iterdir()
        for line in path.read_text().splitlines()
    ]
    assert lines == [kept["guid"]]
    assert not list((tmp_path / "export").glob("deleted/*"))
    taken = command(tmp_path, database_url, "import", str(tmp_path / "export"), "--json")
    assert taken.returncode == 0, taken.stdout
    assert in_trash(tmp_path, database_url) == [image["guid"]]

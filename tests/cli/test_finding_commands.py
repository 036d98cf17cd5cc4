"""Finding, tagging and deleting images by commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.problems import assert_one_clear_line
from tests.support.processes import run, run_on_terminal

PROMPTS = ("a red fox", "a grey owl", "a red barn")


@pytest.fixture
def archive(tmp_path: Path) -> dict[str, str]:
    """Images in the archive of a folder: their GUIDs by prompt."""
    guids = {}
    for prompt in PROMPTS:
        drawn = run(tmp_path, "generate", prompt, "--size", "64x96")
        guids[prompt] = json.loads(drawn.stdout)["guid"]
    return guids


def found(result: Any) -> list[str]:
    assert result.returncode == 0, result.stderr
    return [json.loads(line)["prompt"] for line in result.stdout.splitlines()]


def test_images_are_found_newest_first(tmp_path: Path, archive: dict[str, str]) -> None:
    assert found(run(tmp_path, "search")) == ["a red barn", "a grey owl", "a red fox"]
    assert found(run(tmp_path, "search", "red")) == ["a red barn", "a red fox"]
    assert found(run(tmp_path, "search", "--first", "1")) == ["a red barn"]
    assert found(run(tmp_path, "search", "red -fox", "--orientation", "portrait")) == ["a red barn"]
    assert found(run(tmp_path, "search", "--guid", archive["a grey owl"])) == ["a grey owl"]
    assert found(run(tmp_path, "search", "nothing like it")) == []


def test_a_wrong_filter_is_told(tmp_path: Path, archive: dict[str, str]) -> None:
    result = run(tmp_path, "search", "--orientation", "round")
    assert_one_clear_line(result, "orientation", "landscape", "portrait", "square")


def test_urls_have_a_host_only_where_one_is_set(tmp_path: Path, archive: dict[str, str]) -> None:
    guid = archive["a red fox"]
    plain = run(tmp_path, "search", "fox")
    assert json.loads(plain.stdout)["url"] == f"/image/{guid}/content"
    known = run(tmp_path, "search", "fox", public_base_url="https://pixy.example.org/x")
    assert json.loads(known.stdout)["url"] == f"https://pixy.example.org/x/image/{guid}/content"


def test_tags_are_given_and_taken(tmp_path: Path, archive: dict[str, str]) -> None:
    guid = archive["a red fox"]
    given = run(tmp_path, "tag", guid, "--add", "Winter", "--add", "draft")
    assert json.loads(given.stdout)["tags"] == ["draft", "winter"]
    assert found(run(tmp_path, "search", "--tag", "winter", "--tag", "draft")) == ["a red fox"]
    taken = run(tmp_path, "tag", guid, "--remove", "draft")
    assert json.loads(taken.stdout)["tags"] == ["winter"]
    assert_one_clear_line(run(tmp_path, "tag", guid), "--add", "--remove")


def test_images_are_deleted_where_it_is_meant(tmp_path: Path, archive: dict[str, str]) -> None:
    fox, owl = archive["a red fox"], archive["a grey owl"]
    assert_one_clear_line(run(tmp_path, "delete", fox), "--yes")
    assert len(found(run(tmp_path, "search"))) == len(PROMPTS)
    deleted = run(tmp_path, "delete", fox, owl, fox, "--yes")
    assert deleted.stdout == f"deleted {fox}\ndeleted {owl}\n"
    assert found(run(tmp_path, "search")) == ["a red barn"]
    assert not list((tmp_path / "images").rglob(f"{fox}.*"))
    assert_one_clear_line(run(tmp_path, "delete", fox, "--yes"), "was deleted")


@pytest.mark.parametrize(
    "command",
    [
        ("search", "fox"),
        ("tag", "x", "--add", "y"),
        ("delete", "x", "--yes"),
        ("stats",),
        ("verify",),
        ("fsck",),
        ("export", "somewhere"),
        ("generations", "list"),
        ("prune-variants",),
        ("migrate-images", "here", "there"),
    ],
)
def test_no_command_that_reads_makes_an_archive(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(tmp_path, *command)
    assert "there is no archive in" in result.stderr
    assert "--database-url" in result.stderr
    assert result.returncode != 0
    assert not (tmp_path / "pixyproxy.db").exists()
    assert not (tmp_path / "images").exists()


def test_an_empty_database_of_a_server_is_no_archive_either(
    tmp_path: Path, empty_mysql_url: str
) -> None:
    assert "there is no archive in" in run(tmp_path, "stats", database_url=empty_mysql_url).stderr
    assert run(tmp_path, "migrate", database_url=empty_mysql_url).returncode == 0
    assert run(tmp_path, "stats", database_url=empty_mysql_url).returncode == 0


def test_every_command_can_be_told_its_archive(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/of/mine.db"
    place = ("--database-url", url, "--images", str(tmp_path / "pictures"))
    assert run(tmp_path, "generate", "a fox", "--size", "64x64", *place).returncode == 0
    assert found(run(tmp_path, "search", *place)) == ["a fox"]
    assert run(tmp_path, "verify", *place).returncode == 0
    assert (tmp_path / "pictures").is_dir()
    assert not (tmp_path / "images").exists()


@pytest.mark.slow
def test_a_table_is_for_terminals(tmp_path: Path, archive: dict[str, str]) -> None:
    result, _ = run_on_terminal(tmp_path, "search", "fox")
    assert json.loads(result.stdout)["prompt"] == "a red fox"


@pytest.mark.slow
def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    variables = {"PYTHONIOENCODING": "ascii"}
    result = run(tmp_path, "generate", "ein Fuchs im Grünen 🦊", "--size", "64x64")
    assert result.returncode == 0
    result = run(tmp_path, "search", variables=variables)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.encode().decode("unicode-escape"))["prompt"].startswith("ein")

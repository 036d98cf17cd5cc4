"""What a contributor is led by: each file says what is so."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixyproxy import __version__
from tests.support.processes import ROOT
from tests.support.programs import require_program

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COLUMNS = PROJECT["tool"]["ruff"]["line-length"]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    *(ROOT / ".github").rglob("*.md"),
]


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def make_commands(target: str) -> list[str]:
    """Return what the Makefile runs for a target, with its variables put in."""
    make = require_program("make")
    command = [make, "--dry-run", "--always-make", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith(".venv/bin/")]


def test_commits_are_checked_with_what_make_check_runs() -> None:
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local", "nothing is fetched"
    hooks = [hook["entry"] for hook in repository["hooks"]]
    checks = [line for line in make_commands("check") if "-m pip" not in line]
    assert hooks == checks
    command = [sys.executable, "-m", "pre_commit", "validate-config"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_the_workflow_runs_what_must_pass() -> None:
    (job,) = read_yaml(".github/workflows/ci.yml")["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    run = (ROOT / ".ci/run").read_text()
    ran = re.findall(r"^step (.+?)(?: #.*)?$", run, re.MULTILINE)
    assert ran == [".ci/install", "make check", "make test", "make test-slow"]
    for script in (".ci/run", ".ci/install"):
        assert (ROOT / script).stat().st_mode & 0o111
        subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


def test_no_test_is_in_neither_or_both_of_the_two_runs() -> None:
    runs = [line for line in make_commands("test-all") if "-m pytest" in line]
    assert [re.findall(r'-m ("[^"]+"|\w+)', line)[1:] for line in runs] == [
        ['"not slow"'],
        ["slow"],
    ]


def test_the_dev_container_sets_itself_up() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    script, _, target = container["onCreateCommand"].partition(" && make ")
    assert (ROOT / script).exists()
    assert ".venv/bin/pre-commit install" in make_commands(target)


@pytest.mark.parametrize("name", ["bug", "wish"])
def test_issue_templates_have_what_a_form_needs(name: str) -> None:
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))
    assert all(field["attributes"]["label"] for field in form["body"])
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_changelog_goes_by_versions_down_from_this_one() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    unreleased, *released = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert unreleased == "Unreleased"
    assert released[0].split()[0] == __version__
    versions = [tuple(map(int, name.split()[0].split("."))) for name in released]
    assert versions == sorted(versions, reverse=True)
    assert "deprecat" in text.partition("## Unreleased")[0]


def test_the_package_says_where_it_is_from_and_that_it_is_typed() -> None:
    urls = PROJECT["project"]["urls"]
    assert {"Homepage", "Documentation", "Changelog", "Issues", "Source"} <= set(urls)
    for url in urls.values():
        assert url.startswith(urls["Source"])
        _, is_file, path = url.partition("/blob/main/")
        assert not is_file or (ROOT / path).exists()
    assert (ROOT / "pixyproxy/py.typed").exists()


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a page that are neither code nor table."""
    is_code = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.lstrip().startswith(("```", "~~~")):
            is_code = not is_code
        elif not is_code and not line.lstrip().startswith("|"):
            yield number, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_keeps_to_its_columns(page: Path) -> None:
    for number, line in prose(page):
        # What cannot be broken may stand out: a link, or the only word of its line.
        shown = re.sub(r"\]\([^)]*\)", "]", line)
        assert len(shown) <= COLUMNS or " " not in shown.strip(), f"{page}:{number}"


def test_editors_are_told_the_same_columns() -> None:
    text = (ROOT / ".editorconfig").read_text()
    assert set(re.findall(r"max_line_length = (\d+)", text)) == {str(COLUMNS)}


def test_no_two_test_files_have_one_name_and_none_imports_another() -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    names = [path.name for path in files]
    assert sorted(names) == sorted(set(names))
    for path in files:
        assert (
            re.findall(r"^ *from tests\.[\w.]*\btest_\w+ import", path.read_text(), re.MULTILINE)
            == []
        )

"""The audits of GraphQL over HTTP that the npm package graphql-http has, against a real server."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import require_program
from tests.support.servers import Service

FOLDER = Path(__file__).parents[1] / "graphql_http"
KEY = "N7mYcQ4w-tests-only-9fKz"
AUDITS = 61


@pytest.fixture(scope="session")
def audit_script() -> list[str]:
    """The command that runs the audits, with what it needs installed from the lock file."""
    node, npm = require_program("node"), require_program("npm")
    command = [npm, "ci", "--prefer-offline"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [node, str(FOLDER / "audit.mjs")]


def test_all_audits_pass(audit_script: list[str], tmp_path: Path) -> None:
    with Service(tmp_path, api_keys=KEY) as service:
        command = [*audit_script, f"{service.origin}/graphql", KEY]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        log = service.log
    assert done.returncode == 0, done.stderr
    audits = [json.loads(line) for line in done.stdout.splitlines()]
    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len(audits) == AUDITS
    assert "Traceback" not in log


def test_the_lock_file_names_no_host() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert all("integrity" in package for package in installed.values())
    assert [name for name, package in installed.items() if "resolved" in package] == []
    for file in ("package.json", "package-lock.json", ".npmrc"):
        assert "://" not in (FOLDER / file).read_text()

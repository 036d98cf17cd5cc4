"""What the figures were measured on."""

import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.servers import find_program

_LIBRARIES = (
    "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "strawberry-graphql",
    "graphql-core", "sqlalchemy", "aiomysql", "aiosqlite", "openai", "httpx2", "orjson", "pillow",
)  # fmt: skip
_VERSION_OPTIONS = {"mariadbd": "--version", "nginx": "-v", "wrk": "-v"}


def describe_machine() -> str:
    """Return a Markdown list."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    programs = [f"{name} {_version_of(name, option)}" for name, option in _VERSION_OPTIONS.items()]
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    lines = {
        "measured on": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "programs": _list([*programs, f"SQLite {sqlite3.sqlite_version}"]),
        "libraries": _list(libraries),
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items())


def _version_of(name: str, option: str) -> str:
    program = find_program(name)
    if program is None:
        return "(missing)"
    run = subprocess.run([program, option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", run.stdout + run.stderr)
    return found[0] if found else "(unknown)"


def _list(items: Sequence[str]) -> str:
    return ", ".join(items)

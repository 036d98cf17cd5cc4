"""Commands that many tests give, with what they tell."""

import json
from pathlib import Path
from typing import Any

from tests.support.processes import run


def fsck(folder: Path, *options: str, **settings: object) -> tuple[int, list[dict[str, Any]]]:
    """Its exit status, and what it tells."""
    result = run(folder, "fsck", "--json", *options, **settings)
    assert result.stderr == ""
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]


def generate(folder: Path, **settings: object) -> dict[str, Any]:
    result = run(folder, "generate", "a fox", "--size", "128x96", **settings)
    assert result.returncode == 0, result.stderr
    detail: dict[str, Any] = json.loads(result.stdout)
    return detail


def path_of(folder: Path, detail: dict[str, Any], extension: str = "png") -> Path:
    guid = detail["guid"]
    return folder / "images" / guid[:2] / guid[2:4] / f"{guid}.{extension}"

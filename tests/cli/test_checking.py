"""`pixyproxy fsck`, as an operator runs it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.support.commands import fsck, generate, path_of
from tests.support.model_server import ModelServer, image, png
from tests.support.problems import assert_one_clear_line
from tests.support.processes import PATIENT, environment, run, run_on_terminal
from tests.support.programs import require_program
from tests.support.rows import raw
from tests.support.servers import Service

pytestmark = pytest.mark.slow


def test_faults_are_told_and_mended(tmp_path: Path, database_url: str) -> None:
    assert fsck(tmp_path, database_url=database_url) == (
        0,
        [{"rows": 0, "folders": 0, "faults": 0, "mended": 0}],
    )
    lost, damaged = [generate(tmp_path, database_url=database_url) for _ in range(2)]
    raw(database_url, f"DELETE FROM images WHERE guid = '{lost['guid']}'")
    del lost["url"]
    path_of(tmp_path, lost, "json").write_text(json.dumps(lost))
    status, lines = fsck(tmp_path, database_url=database_url)
    fault = {
        "fault": "file-without-row",
        "guid": lost["guid"],
        "path": str(path_of(tmp_path, lost).relative_to(tmp_path / "images")),
        "detail": "no row knows it; it has a sidecar",
        "mended": False,
    }
    assert (status, lines[0], lines[-1]["faults"]) == (1, fault, 1)
    status, lines = fsck(tmp_path, "--repair", database_url=database_url)
    assert (status, lines[0]) == (0, fault | {"mended": True})
    assert lines[-1] == {"rows": 1, "folders": 2, "faults": 1, "mended": 1}
    assert fsck(tmp_path, database_url=database_url)[0] == 0

    path_of(tmp_path, damaged).write_bytes(b"damaged")
    path_of(tmp_path, lost, "json").write_text(json.dumps(lost))
    status, lines = fsck(tmp_path, "--repair", database_url=database_url)
    assert status == 1
    assert {(line["fault"], line["mended"]) for line in lines[:-1]} == {
        ("wrong-size", False),
        ("sidecar-left", True),
    }
    result = run(tmp_path, "fsck", database_url=database_url)
    size = damaged["byte_size"]
    path = path_of(tmp_path, damaged).relative_to(tmp_path / "images")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        f"wrong-size {path}: it has 7 bytes, and its row says {size}",
        "rows: 2, folders: 2, faults: 1, mended: 0",
    ]


def test_what_cannot_be_checked_is_said_in_one_line(tmp_path: Path) -> None:
    for settings in (
        {"images": "/proc/nowhere"},
        {"database_url": "mysql://root:hidden@127.0.0.1:9/db"},
        {"database_url": "sqlite:////proc/nowhere/x.db"},
        {"port": "many"},
    ):
        result = run(tmp_path, "fsck", **settings)
        assert_one_clear_line(result)
        assert result.returncode == 2
    assert run(tmp_path, "migrate").returncode == 0
    with Path("/dev/full").open("w") as full:
        result = run(tmp_path, "fsck", stdout=full.fileno())
    assert_one_clear_line(result, "No space left")
    assert result.returncode == 2


def test_progress_is_shown_on_a_terminal_alone(tmp_path: Path) -> None:
    path_of(tmp_path, generate(tmp_path)).unlink()
    result, shown = run_on_terminal(tmp_path, "fsck", "--json")
    assert "rows" in shown
    assert "100%" in shown
    assert result.returncode == 1
    assert [set(json.loads(line)) >= {"mended"} for line in result.stdout.splitlines()] == [
        True
    ] * 2


async def test_a_service_that_keeps_images_meanwhile_is_no_fault(
    tmp_path: Path, database_url: str, model_server: ModelServer
) -> None:
    settings = {
        "database_url": database_url,
        "openai_base_url": model_server.base_url,
        "images": tmp_path / "images",
    }
    model_server.answer_with(image(png()))
    with Service(tmp_path / "service", **settings) as service:
        async with httpx2.AsyncClient(base_url=service.origin, timeout=60) as client:
            is_over = asyncio.Event()

            async def keep_on() -> int:
                count = 0
                while not is_over.is_set():
                    answer = await client.post("/image", json={"prompt": "a fox"})
                    assert answer.status_code == 201, answer.text
                    count += 1
                return count

            async with asyncio.TaskGroup() as group:
                callers = [group.create_task(keep_on()) for _ in range(4)]
                try:
                    for options in ((), ("--repair",)):
                        told = await asyncio.to_thread(fsck, tmp_path, *options, **settings)
                        assert told[0] == 0, told
                finally:
                    is_over.set()
    count = sum(caller.result() for caller in callers)
    assert fsck(tmp_path, **settings) == (
        0,
        [{"rows": count, "folders": count_shards(tmp_path), "faults": 0, "mended": 0}],
    )


def count_shards(folder: Path) -> int:
    return len({path.parent for path in (folder / "images").rglob("*.png")})


def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    file, shard, parent = [generate(tmp_path) for _ in range(3)]
    closed = [
        path_of(tmp_path, file),
        path_of(tmp_path, shard).parent,
        path_of(tmp_path, parent).parent.parent,
    ]
    # Root may read everything, unless it gives that up.
    rights = "--bounding-set=-dac_override,-dac_read_search"
    command = [require_program("setpriv"), rights] if os.geteuid() == 0 else []
    for path in closed:
        path.chmod(0)
    try:
        result = subprocess.run(
            [*command, sys.executable, "-m", "pixyproxy", "fsck", "--json", "--repair"],
            cwd=tmp_path,
            env=environment(**PATIENT),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        for path in reversed(closed):
            path.chmod(0o755)
    assert (result.returncode, result.stderr) == (1, "")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert told[-1]["faults"] == len(told) - 1
    first, second = shard["guid"][:2], shard["guid"][2:4]
    assert {
        (line["fault"], line["guid"] or line["path"], line["detail"]) for line in told[:-1]
    } == {
        *(
            ("unreadable-file", detail["guid"], "Permission denied")
            for detail in (file, shard, parent)
        ),
        ("unreadable-folder", f"{first}/{second}", "Permission denied"),
        ("unreadable-folder", parent["guid"][:2], "Permission denied"),
    }

"""`pixyproxy export` and `pixyproxy import`, as an operator runs them."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy.engine import make_url

from tests.conftest import MakeSettings, open_client
from tests.support.archives import GONE, Archive, ask, files_of, make_pictures, tar
from tests.support.model_server import ModelServer, image, png
from tests.support.problems import assert_one_clear_line
from tests.support.processes import PATIENT, environment, run_on_terminal, start
from tests.support.rows import raw
from tests.support.servers import Service

pytestmark = pytest.mark.slow


@pytest.fixture
def archive(tmp_path: Path, database_url: str) -> Archive:
    return Archive(tmp_path / "here", database_url)


@pytest.fixture
def other(tmp_path: Path, database_url: str) -> Iterator[Archive]:
    """Another, empty archive on a database of the same kind."""
    url = make_url(database_url)
    if url.drivername == "sqlite":
        yield Archive(tmp_path / "there", f"sqlite:///{tmp_path}/other.db")
        return
    name = f"{url.database}_other"
    raw(database_url, f"CREATE DATABASE {name} CHARACTER SET latin1")
    yield Archive(tmp_path / "there", url.set(database=name).render_as_string(False))
    raw(database_url, f"DROP DATABASE {name}")


def done(archive: Archive, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The summary of a command that is done."""
    result = archive.run(*arguments, "--json")
    assert (result.returncode, result.stderr) == (status, ""), result.stdout
    summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return summary


def faults(archive: Archive, *arguments: str) -> set[tuple[str, str]]:
    """What a command tells that is done, but not all well."""
    result = archive.run(*arguments, "--json")
    assert (result.returncode, result.stderr) == (1, ""), result.stdout
    told = [json.loads(line) for line in result.stdout.splitlines()[:-1]]
    return {(line["fault"], line["name"]) for line in told}


def stream(archive: Archive) -> bytes:
    """The export as a tar stream."""
    result = subprocess.run(
        [sys.executable, "-m", "pixyproxy", "export", "-"],
        cwd=archive.folder,
        env=variables(archive),
        capture_output=True,
        timeout=60,
        check=True,
    )
    return result.stdout


def piped(archive: Archive, other: Archive) -> bytes:
    """What an import tells that is fed by an export."""
    program = [sys.executable, "-m", "pixyproxy"]
    with subprocess.Popen(
        [*program, "export", "-"],
        cwd=archive.folder,
        env=variables(archive),
        stdout=subprocess.PIPE,
    ) as export:
        taken = subprocess.run(
            [*program, "import", "-", "--json"],
            cwd=other.folder,
            env=variables(other),
            stdin=export.stdout,
            capture_output=True,
            timeout=60,
            check=True,
        )
    assert export.returncode == 0
    return taken.stdout


def variables(archive: Archive) -> dict[str, str]:
    return environment(database_url=archive.database_url, **PATIENT)


async def test_an_export_is_the_same_after_a_move(
    archive: Archive, other: Archive, tmp_path: Path, make_settings: MakeSettings
) -> None:
    await archive.fill()
    there, again = tmp_path / "export", tmp_path / "again"
    counts = {"images": 5, "written_before": 0, "generations": 4, "deleted": 1, "faults": 0}
    assert done(archive, "export", str(there)) == counts
    assert done(archive, "export", str(there)) == counts | {"written_before": 5}
    taken = done(other, "import", str(there))
    assert (taken["imported"], taken["generations"], taken["tombstones"]) == (5, 4, 1)
    assert done(other, "export", str(again)) == counts
    assert files_of(again) == files_of(there)
    assert stream(other) == stream(archive)
    assert other.guids() == archive.guids()
    assert sorted(files_of(other.images).values()) == sorted(files_of(archive.images).values())
    assert other.run("fsck").returncode == 0
    taken = done(other, "import", str(there))
    assert (taken["imported"], taken["skipped"], taken["generations"]) == (0, 10, 0)

    for statement in (
        "SELECT name, image_count FROM tags ORDER BY name",
        "SELECT guid, bytes_gone FROM deleted_images",
        "SELECT guid, prompt_words, filename_words, tags FROM images ORDER BY id",
        "SELECT * FROM attempts ORDER BY generation_guid, number",
    ):
        assert other.sql(statement) == archive.sql(statement)
    settings = make_settings(database_url=other.database_url, images=other.images)
    async with open_client(settings) as client:
        answer = await ask(client, "/image", {"prompt": "a fox 0 🦊"}, key="key-0")
        assert answer.json()["guid"] == archive.guids()[0]
    assert len(other.guids()) == 5


async def test_an_export_is_piped_into_an_import(archive: Archive, other: Archive) -> None:
    await archive.fill()
    taken = piped(archive, other)
    assert json.loads(taken)["imported"] == 5
    assert stream(other) == stream(archive)


def test_an_empty_archive(archive: Archive, other: Archive, tmp_path: Path) -> None:
    exported = done(archive, "export", str(tmp_path / "export"))
    assert set(exported.values()) == {0}
    (tmp_path / "export.tar").write_bytes(stream(archive))
    for source in ("export", "export.tar"):
        assert set(done(other, "import", str(tmp_path / source)).values()) == {0}
    assert stream(other) == stream(archive)


async def test_a_later_export_brings_a_folder_up_to_date(archive: Archive, tmp_path: Path) -> None:
    await archive.fill()
    export = tmp_path / "export"
    done(archive, "export", str(export))
    first, second, *_ = archive.guids()
    archive.sql(f"DELETE FROM images WHERE guid = '{first}'")
    archive.sql(
        "INSERT INTO deleted_images (guid, content_type, deleted_at, bytes_gone) "
        f"VALUES ('{first}', 'image/png', '2026-02-02 00:00:00', 1)"
    )
    archive.tag(second, '["new"]')
    (export / "files/notes.txt").write_text("mine")
    summary = done(archive, "export", str(export))
    assert summary == {
        "images": 4,
        "written_before": 4,
        "generations": 4,
        "deleted": 2,
        "faults": 0,
        "dropped": 1,
    }
    fresh = tmp_path / "fresh"
    done(archive, "export", str(fresh))
    assert files_of(export) == files_of(fresh) | {"files/notes.txt": b"mine"}


async def test_what_is_damaged_is_told_and_the_rest_exported(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    await archive.fill()
    lost, spoilt, *whole = archive.guids()
    export = tmp_path / "export"
    good = tmp_path / "good"
    done(archive, "export", str(good))
    archive.path(lost).unlink()
    archive.path(spoilt).write_bytes(archive.path(spoilt).read_bytes()[:-1] + b"x")
    told = {("missing-file", lost), ("wrong-sha256", spoilt)}
    assert faults(archive, "export", str(export)) == told
    assert done(other, "import", str(export))["imported"] == len(whole)
    assert other.guids() == whole
    # What an earlier export has of it is kept.
    assert done(archive, "export", str(good))["written_before"] == 5
    assert done(other, "import", str(good))["imported"] == 2


async def test_damaged_files_come_back_from_an_export(archive: Archive, tmp_path: Path) -> None:
    await archive.fill()
    export = tmp_path / "export"
    done(archive, "export", str(export))
    lost, spoilt, *_ = archive.guids()
    archive.path(lost).unlink()
    archive.path(spoilt).write_bytes(b"spoilt")
    assert done(archive, "import", str(export))["skipped"] == 10
    done(archive, "verify", status=1)
    taken = done(archive, "import", str(export), "--repair")
    assert (taken["imported"], taken["restored"], taken["skipped"]) == (0, 2, 8)
    done(archive, "verify")
    assert archive.run("fsck").returncode == 0


async def test_a_generation_that_runs_is_left_out_with_its_images(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    await archive.fill()
    export = str(tmp_path / "export")
    archive.sql("UPDATE generations SET status = 'running' WHERE idempotency_key = 'several'")
    archive.sql("UPDATE generations SET status = 'queued' WHERE idempotency_key = 'key-1'")
    summary = done(archive, "export", export)
    assert (summary["images"], summary["generations"]) == (2, 2)
    assert (summary["unfinished"], summary["held_back"]) == (2, 3)
    done(other, "import", export)
    assert other.run("fsck").returncode == 0
    archive.sql("UPDATE generations SET status = 'succeeded'")
    done(archive, "export", export)
    taken = done(other, "import", export)
    assert (taken["imported"], taken["generations"]) == (3, 2)
    assert other.run("fsck").returncode == 0


async def test_what_is_there_is_left_alone(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    await archive.fill()
    export = tmp_path / "export"
    done(archive, "export", str(export))
    done(other, "import", str(export))
    changed, deleted, *_ = other.guids()
    other.sql(f"UPDATE images SET sha256 = '{'0' * 64}' WHERE guid = '{changed}'")
    other.sql(f"DELETE FROM images WHERE guid = '{deleted}'")
    other.sql(f"UPDATE deleted_images SET guid = '{deleted}'")
    other.sql("DELETE FROM attempts")
    other.sql(f"UPDATE generations SET guid = '{GONE}' WHERE idempotency_key = 'key-2'")
    (renamed,) = archive.sql("SELECT guid FROM generations WHERE idempotency_key = 'key-2'")
    assert faults(other, "import", str(export)) == {("conflict", changed), ("conflict", renamed[0])}
    assert deleted not in other.guids()
    assert len(other.guids()) == 4
    (key,) = other.sql(f"SELECT idempotency_key FROM generations WHERE guid = '{renamed[0]}'")
    assert key == (None,)
    assert done(other, "import", str(export), status=1)["conflict"] == 1


async def test_a_service_goes_on_meanwhile(
    archive: Archive, other: Archive, tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(image(png()))
    settings = {"database_url": archive.database_url, "images": archive.images}
    export = str(tmp_path / "export")
    with Service(
        tmp_path / "service", openai_base_url=model_server.base_url, **settings
    ) as service:
        async with httpx2.AsyncClient(base_url=service.origin, timeout=60) as client:
            is_over = asyncio.Event()

            async def keep_on() -> None:
                while not is_over.is_set():
                    answer = await client.post("/image", json={"prompt": "a fox"})
                    assert answer.status_code == 201, answer.text

            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(keep_on())
                try:
                    first = await asyncio.to_thread(done, archive, "export", export)
                    taken = await asyncio.to_thread(done, other, "import", export)
                    assert taken["imported"] == first["images"]
                    await asyncio.to_thread(done, archive, "export", export)
                finally:
                    is_over.set()
    done(other, "import", export)
    done(archive, "export", export)
    done(other, "import", export)
    assert sorted(other.guids()) == sorted(archive.guids())
    assert other.run("fsck").returncode == 0


def interrupted(
    archive: Archive, arguments: tuple[str, ...], is_underway: Callable[[], bool]
) -> None:
    """Kill a command when it is underway."""
    database_url = archive.database_url
    process = start(*arguments, folder=archive.folder, database_url=database_url, **PATIENT)
    while not is_underway():
        assert process.poll() is None, "it was over too soon"
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_what_was_killed_goes_on(archive: Archive, other: Archive, tmp_path: Path) -> None:
    pictures, export, fresh = (tmp_path / name for name in ("pictures", "export", "fresh"))
    make_pictures(pictures, 1000)

    def count(folder: Path) -> int:
        return sum(len(names) for _, _, names in os.walk(folder))

    interrupted(archive, ("import", str(pictures)), lambda: count(archive.images) > 300)
    kept = len(archive.guids())
    assert kept < 1000
    assert done(archive, "verify") == {"images": kept, "bytes": size_of(archive), "faults": 0}
    taken = done(archive, "import", str(pictures))
    assert (taken["imported"], taken["skipped"]) == (1000 - kept, kept)
    assert archive.run("fsck", "--repair").returncode == 0

    interrupted(archive, ("export", str(export)), lambda: count(export / "files") > 300)
    assert ("cut-off", "complete.json") in faults(other, "import", str(export))
    assert done(archive, "export", str(export))["written_before"] > 299
    done(archive, "export", str(fresh))
    assert files_of(export) == files_of(fresh)

    interrupted(other, ("import", str(export)), lambda: count(other.images) > 300)
    assert done(other, "verify")["faults"] == 0
    done(other, "import", str(export))
    assert stream(other) == stream(archive)
    assert other.run("fsck", "--repair").returncode == 0


def size_of(archive: Archive) -> int:
    ((size,),) = archive.sql("SELECT SUM(byte_size) FROM images")
    return int(str(size or 0))


async def test_a_stream_is_not_trusted(archive: Archive, other: Archive, tmp_path: Path) -> None:
    await archive.fill()
    members = []
    (tmp_path / "export.tar").write_bytes(stream(archive))
    with tarfile.open(tmp_path / "export.tar") as whole:
        for member in whole:
            file = whole.extractfile(member)
            assert file is not None
            members.append((member.name, file.read()))
    (*_, (first, data), _) = members
    outside = tmp_path / "outside"
    link = tarfile.TarInfo("files/00")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    device = tarfile.TarInfo("files/null")
    device.type = tarfile.CHRTYPE
    (source,) = (text for name, text in members if name == "images/000001.jsonl")
    lines = [json.loads(line) for line in source.splitlines()]
    # Two lines of one image, lines that name files elsewhere, and lines of nonsense.
    nonsense = [
        lines[0],
        lines[0] | {"guid": "../../outside"},
        lines[0] | {"guid": GONE.replace("0", "1"), "content_type": "text/html"},
        lines[0] | {"byte_size": 2**40},
        [[[]]],
    ]
    hostile = [
        *members[:-1],
        (f"{tmp_path}/outside", b"x"),
        ("../outside", b"x"),
        ("files/../../outside", b"x"),
        (f"files/{'long' * 2000}", b"x"),
        (link, b""),
        (device, b""),
        (first, data),
        (first, b"another"),
        ("images/000002.jsonl", b"\n".join(json.dumps(line).encode() for line in nonsense)),
        members[-1],
    ]
    (tmp_path / "hostile.tar").write_bytes(tar(hostile))
    told = faults(other, "import", str(tmp_path / "hostile.tar"))
    assert told == {("invalid", f"images/000002.jsonl line {number}") for number in (2, 3, 4, 5)}
    assert not outside.exists()
    assert sorted(other.guids()) == sorted(archive.guids())
    assert stream(other) == stream(archive)


async def test_files_that_are_not_what_is_told_are_not_taken_in(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    await archive.fill()
    export = tmp_path / "export"
    done(archive, "export", str(export))
    cut, gone, linked, huge, good = archive.guids()
    path = {name.stem: name for name in (export / "files").rglob("*.*")}
    path[cut].write_bytes(path[cut].read_bytes()[:-1])
    path[gone].unlink()
    path[linked].unlink()
    path[linked].symlink_to(archive.path(linked))
    with path[huge].open("ab") as file:
        file.truncate(2**40)
    assert faults(other, "import", str(export)) == {
        ("damaged", cut),
        ("missing", gone),
        ("missing", linked),
        ("damaged", huge),
    }
    assert other.guids() == [good]


async def test_a_folder_behind_a_link_is_not_read(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    await archive.fill()
    export = tmp_path / "export"
    done(archive, "export", str(export))
    (export / "files").rename(tmp_path / "elsewhere")
    (export / "files").symlink_to(tmp_path / "elsewhere")
    assert {code for code, _ in faults(other, "import", str(export))} == {"missing"}
    assert other.guids() == []


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "here", f"sqlite:///{tmp_path}/x.db")
    full = tmp_path / "full"
    full.mkdir()
    (full / "something").write_text("")
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "pixyproxy-export.json").write_text('{"format": "pixyproxy-export", "version": 2}')
    for arguments, words in {
        ("export", str(full)): "neither empty",
        ("export", str(newer)): "version 2",
        ("import", str(newer)): "version 2",
        ("import", str(full / "something")): "not an export",
        ("import", str(tmp_path / "nowhere")): "nowhere",
        ("import", sys.executable): "not an export",
        ("export", "/proc/nowhere"): "nowhere",
    }.items():
        result = archive.run(*arguments)
        assert_one_clear_line(result, words)
        assert result.returncode == 2
    with Path("/dev/full").open("w") as device:
        result = subprocess.run(
            [sys.executable, "-m", "pixyproxy", "export", "-"],
            cwd=archive.folder,
            env=variables(archive),
            stdout=device,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert result.returncode == 2
    assert result.stderr.startswith(b"error: ")
    assert result.stderr.count(b"\n") == 1


async def test_another_archives_export_is_not_overwritten(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    await archive.fill()
    await other.fill()
    export = tmp_path / "export"
    done(archive, "export", str(export))
    before = files_of(export)
    result = other.run("export", str(export))
    assert_one_clear_line(result, "another archive")
    assert files_of(export) == before


def test_a_cut_stream_is_told(archive: Archive, other: Archive, tmp_path: Path) -> None:
    make_pictures(tmp_path / "pictures", 20)
    done(archive, "import", str(tmp_path / "pictures"))
    whole = stream(archive)
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    told = faults(other, "import", str(tmp_path / "cut.tar"))
    assert ("cut-off", "complete.json") in told
    assert 0 < len(other.guids()) < 20
    (tmp_path / "whole.tar").write_bytes(whole)
    done(other, "import", str(tmp_path / "whole.tar"))
    assert sorted(other.guids()) == sorted(archive.guids())


def test_progress_is_shown_on_a_terminal_alone(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "here", f"sqlite:///{tmp_path}/x.db")
    make_pictures(tmp_path / "pictures", 5)
    result, shown = run_on_terminal(
        archive.folder, "import", str(tmp_path / "pictures"), database_url=archive.database_url
    )
    assert "5 imported" in shown
    assert result.stdout.startswith("imported: 5, ")
    shutil.rmtree(archive.images)
    result = archive.run("verify")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.count("missing-file") == 5

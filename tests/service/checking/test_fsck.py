"""Each kind of fault, made by hand: found, mended where it can be, and nothing lost by it."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pixyproxy.bootstrap import open_services
from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import ImageNotFoundError
from pixyproxy.core.models import GenerationStatus
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageFile, ImageRepository
from pixyproxy.service.checking.files import CheckProgress, Fault
from pixyproxy.service.checking.fsck import Fsck
from tests.conftest import MakeSettings
from tests.support.kept import Kept
from tests.support.model_server import picture

WEBP = picture(128, 96, image_format="WEBP")


@pytest.fixture
async def kept(
    make_settings: MakeSettings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Kept]:
    monkeypatch.setattr("pixyproxy.service.checking.files.PAUSE_S", 0.1)
    settings = make_settings(database_url=database_url)
    async with open_services(settings) as services:
        yield Kept(services, database_url, settings.images)


async def test_what_is_whole_has_no_fault(kept: Kept) -> None:
    images = [await kept.draw(f"fox {number}") for number in range(3)]
    for unrelated in ("notes.txt", f"{images[0].guid}.png.bak", ".DS_Store", "x.json"):
        (kept.path(images[0]).parent / unrelated).write_text("mine")
    (kept.folder / "zz").mkdir()
    (kept.folder / "zz" / f"{make_guid()}.png").write_text("mine")
    before = kept.files()
    events = [event async for event in kept.services.fsck.run(repair=True)]
    assert all(isinstance(event, CheckProgress) for event in events)
    assert {event.stage for event in events} == {"rows", "folders"}
    assert sum(event.count for event in events if event.stage == "rows") == 3
    assert kept.files() == before


async def test_more_rows_than_one_batch(kept: Kept) -> None:
    """Each row is met once: the first and the last of each batch too."""
    image = await kept.draw()
    (id_,) = kept.sql(f"SELECT MAX(id) FROM images WHERE guid = '{image.guid}'")[0]
    columns = (
        "filename, prompt, created_at, updated_at, content_type, width, height, byte_size, "
        "sha256, model, revised_prompt, parameters, prompt_words, filename_words"
    )
    guids = [make_guid() for _ in range(1001)]
    for first in range(0, len(guids), 100):
        selects = " UNION ALL ".join(
            f"SELECT '{guid}' AS guid, {columns} FROM images WHERE id = {id_}"
            for guid in guids[first : first + 100]
        )
        kept.sql(f"INSERT INTO images (guid, {columns}) SELECT * FROM ({selects}) AS more")
    faults = [
        event async for event in kept.services.fsck.run(repair=False) if isinstance(event, Fault)
    ]
    assert [fault.guid for fault in faults] == guids
    assert {fault.code for fault in faults} == {"missing-file"}


async def test_rows_against_files(kept: Kept, tmp_path: Path) -> None:
    missing, short, changed, linked, folder, orphan = [await kept.draw() for _ in range(6)]
    kept.path(missing).unlink()
    kept.path(short).write_bytes(b"short")
    bytes_ = bytearray(kept.path(changed).read_bytes())
    bytes_[-1] ^= 1
    kept.path(changed).write_bytes(bytes_)
    kept.path(linked).rename(tmp_path / "outside.png")
    kept.path(linked).symlink_to(tmp_path / "outside.png")
    kept.path(folder).unlink()
    kept.path(folder).mkdir()
    kept.sql(f"DELETE FROM generations WHERE guid = '{orphan.generation_guid}'")
    before = kept.files()
    expected = {
        ("missing-file", missing.guid, False),
        ("wrong-size", short.guid, False),
        ("wrong-sha256", changed.guid, False),
        ("unreadable-file", linked.guid, False),
        ("unreadable-file", folder.guid, False),
        ("missing-generation", orphan.guid, False),
    }
    assert await kept.check() == expected
    assert await kept.check(repair=True) == expected
    assert kept.files() == before
    assert kept.path(linked).is_symlink()


async def test_a_row_is_written_from_a_sidecar(kept: Kept) -> None:
    ended, unknown, orphan = [await kept.draw_without_row() for _ in range(3)]
    kept.sql(f"UPDATE generations SET status='unknown' WHERE guid='{unknown.generation_guid}'")
    kept.sql(f"DELETE FROM generations WHERE guid = '{orphan.generation_guid}'")
    lost = {("file-without-row", image.guid, False) for image in (ended, unknown, orphan)}
    assert await kept.check() == lost
    assert not await kept.is_listed(ended)
    assert await kept.check(repair=True) == {(code, guid, True) for code, guid, _ in lost}
    assert await kept.check() == set()
    assert await kept.is_listed(ended)
    assert await kept.is_listed(unknown)
    assert await kept.is_listed(orphan.model_copy(update={"generation_guid": None}))
    for image in (ended, unknown, orphan):
        content = await kept.services.images.read_content(image)
        assert hashlib.sha256(content).hexdigest() == image.sha256
        assert not kept.path(image, "json").exists()
    generation = await kept.services.generations.get_generation(unknown.generation_guid or "")
    assert generation.status is GenerationStatus.SUCCEEDED


async def test_a_file_that_nothing_tells_of_is_never_removed(kept: Kept, tmp_path: Path) -> None:
    silent, lying, torn, foreign = [await kept.draw_without_row() for _ in range(4)]
    kept.path(silent, "json").unlink()
    kept.path(lying).write_bytes(b"other bytes")
    kept.path(torn, "json").write_text(torn.model_dump_json()[:50])
    kept.path(foreign, "json").write_text(silent.model_dump_json())
    known = await kept.draw()
    kept.path(known, "webp").write_bytes(b"another format")
    astray = kept.path(known).parent / f"ffff{make_guid()[4:]}.png"
    astray.write_bytes(b"in a wrong folder")
    linked = kept.path(known).parent / f"{known.guid[:4]}{make_guid()[4:]}.png"
    (tmp_path / "outside.png").write_bytes(b"mine")
    linked.symlink_to(tmp_path / "outside.png")
    before = kept.files()
    names = [silent.guid, lying.guid, torn.guid, foreign.guid, known.guid, astray.stem, linked.stem]
    expected = {("file-without-row", guid, False) for guid in names}
    assert await kept.check() == expected
    assert await kept.check(repair=True) == expected
    assert kept.files() == before
    assert linked.is_symlink()


BAD_SIDECARS: list[tuple[dict[str, Any], str]] = [
    ({"width": 10**30}, "another width"),
    ({"height": 95}, "another height"),
    ({"byte_size": 10**30}, "byte_size"),
    ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at"),
    ({"updated_at": "9999-12-31T23:59:59-14:00"}, "updated_at"),
    ({"created_at": "2026-01-01T00:00:00"}, "created_at"),
    ({"parameters": {"a": [float("nan")]}}, "parameters"),
    ({"parameters": {"a": 10**40}}, "parameters"),
    ({"parameters": {"a": "\ud800"}}, "JSON"),
    ({"filename": "f" * 256}, "filename"),
    ({"model": "m" * 256, "filename": ""}, "filename, model"),
    ({"prompt": "a\0b"}, "prompt"),
    ({"generation_guid": "é" * 300}, "generation_guid"),
    ({"sha256": "0" * 64}, "other bytes"),
    ({"content_type": "image/webp"}, "another file"),
]


async def test_a_sidecar_that_makes_no_row_ends_nothing(kept: Kept) -> None:
    good = [await kept.draw_without_row() for _ in range(3)]
    reasons = {}
    for told, why in BAD_SIDECARS:
        bad = await kept.draw_without_row()
        kept.path(bad, "json").write_text(json.dumps(json.loads(bad.model_dump_json()) | told))
        reasons[bad.guid] = why
    before = {path: data for path, data in kept.files().items() if path.stem in reasons}
    faults = await kept.faults(repair=True)
    assert {fault.guid for fault in faults if fault.mended} == {image.guid for image in good}
    details = {fault.guid: fault.detail for fault in faults if not fault.mended}
    assert details.keys() == reasons.keys()
    for guid, why in reasons.items():
        assert why in details[guid]
        assert len(details[guid]) < 200
    assert before.items() <= kept.files().items()
    for image in good:
        assert await kept.is_listed(image)


@pytest.mark.parametrize("data", [b"<script>alert(1)</script>", WEBP], ids=["html", "webp"])
async def test_bytes_that_are_not_what_their_sidecar_says_get_no_row(
    kept: Kept, data: bytes
) -> None:
    image = await kept.draw_without_row()
    kept.path(image).write_bytes(data)
    facts = {"byte_size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    kept.path(image, "json").write_text(image.model_copy(update=facts).model_dump_json())
    before = kept.files()
    assert await kept.check(repair=True) == {("file-without-row", image.guid, False)}
    assert kept.files() == before


async def test_sidecars(kept: Kept) -> None:
    """One is removed where the row is there, or where nobody can be writing its image."""
    left, alone = await kept.draw(), await kept.draw_without_row()
    for number, image in enumerate((left, await kept.draw())):
        kept.path(image, "json").write_text(image.model_dump_json() if number else "torn")
    kept.path(alone).unlink()
    queued = await kept.draw_without_row()
    kept.path(queued).unlink()
    kept.sql(f"UPDATE generations SET status='queued' WHERE guid='{queued.generation_guid}'")
    found = await kept.check()
    assert {code for code, _, _ in found} == {"sidecar-left", "sidecar-without-file"}
    assert len(found) == 4
    mended = await kept.check(repair=True)
    assert mended == {(code, guid, guid != queued.guid) for code, guid, _ in found}
    assert [path.stem for path in kept.folder.rglob("*.json")] == [queued.guid]
    assert await kept.check() == {("sidecar-without-file", queued.guid, False)}


async def test_a_stale_lease_is_settled(kept: Kept) -> None:
    image = await kept.draw_without_row()
    kept.set_running(image, lease_s=-1)
    stale = ("stale-lease", image.generation_guid)
    assert await kept.check() == {(*stale, False), ("file-without-row", image.guid, False)}
    assert await kept.check(repair=True) == {(*stale, True)}
    generation = await kept.services.generations.get_generation(image.generation_guid or "")
    assert generation.status is GenerationStatus.SUCCEEDED
    assert await kept.is_listed(image)
    assert await kept.check() == set()


async def test_what_a_living_process_runs_is_no_fault(kept: Kept) -> None:
    """Neither an image that still waits for its row, nor a sidecar that still waits for its."""
    image, beginning = await kept.draw_without_row(), await kept.draw_without_row()
    kept.path(beginning).unlink()
    for running in (image, beginning):
        kept.set_running(running, lease_s=600)
    before = kept.files()
    assert await kept.check(repair=True) == set()
    assert kept.files() == before
    with pytest.raises(ImageNotFoundError):
        await kept.services.images.get_image(make_guid())
    assert not await kept.is_listed(image)


async def test_temporary_files_of_dead_processes(kept: Kept) -> None:
    await kept.draw()
    (own,) = (kept.folder / ".tmp").iterdir()
    (own / "being-written.png").write_bytes(b"half")
    dead = kept.folder / ".tmp" / "0123456789abcdef"
    dead.mkdir()
    (dead / f"{make_guid()}.png").write_bytes(b"half")
    (kept.folder / ".tmp" / "empty").mkdir()
    assert await kept.check() == {("temporary-file", None, False)}
    assert await kept.check(repair=True) == {("temporary-file", None, True)}
    assert await kept.check() == set()
    assert (own / "being-written.png").exists()
    assert not dead.exists()


async def test_a_temporary_file_that_cannot_be_removed_ends_nothing(kept: Kept) -> None:
    image = await kept.draw_without_row()
    kept.set_running(image, lease_s=-1)
    stuck = kept.folder / ".tmp" / "0123456789abcdef" / "folder"
    stuck.mkdir(parents=True)
    assert await kept.check(repair=True) == {
        ("temporary-file", None, False),
        ("stale-lease", image.generation_guid, True),
    }
    assert stuck.exists()
    assert await kept.is_listed(image)


@asynccontextmanager
async def _fsck_of(
    database: Database, kept: Kept, repository: ImageRepository
) -> AsyncIterator[Fsck]:
    async with AsyncExitStack() as stack:
        store = FolderStore(kept.folder, min_free_mb=0)
        stack.callback(store.close)
        yield Fsck(
            repository,
            GenerationRepository(database.open_context),
            store=store,
            recovery=kept.services.engine.recovery,
            ends=kept.services.engine.ends,
        )


async def test_a_row_that_comes_between_two_looks(kept: Kept, database: Database) -> None:
    image = await kept.draw_without_row()

    class Late(ImageRepository):
        """Answers as it is, and has the row come right after."""

        has_looked = False

        async def get_files(
            self, context: DatabaseContext, guids: Sequence[str]
        ) -> list[ImageFile]:
            found = await super().get_files(context, guids)
            if image.guid in guids and not self.has_looked:
                self.has_looked = True
                assert not found
                assert await self.create_image(context, image)
                kept.path(image, "json").unlink()
            return found

    repository = Late(database.open_context)
    async with _fsck_of(database, kept, repository) as fsck:
        events = [event async for event in fsck.run(repair=True)]
    assert repository.has_looked
    assert all(isinstance(event, CheckProgress) for event in events)

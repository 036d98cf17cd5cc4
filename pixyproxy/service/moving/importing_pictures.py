"""Importing a folder of pictures that other tools have written.

A picture's GUID comes from its bytes: so the same picture is taken in once, however often, and one
that was deleted here stays so. Its prompt comes from a file beside it, else from within, else from
its name.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from pixyproxy.core.exceptions import BadGeneratorResponseError
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.service.keeping.describe import Thumbhasher, examine
from pixyproxy.service.moving.embedded_metadata import read_embedded
from pixyproxy.service.moving.events import ImportFault, ImportFaultCode, TransferProgress
from pixyproxy.service.moving.foreign_metadata import ForeignMetadata, read_json, read_text
from pixyproxy.service.moving.intake import Intake
from pixyproxy.service.moving.untrusted_folder import UntrustedFolder
from pixyproxy.service.pictures.check import MAX_IMAGE_BYTES

MODEL = "imported"
"""The model of a picture that names none."""
MAX_SIDECAR_BYTES = 2**20
"""A larger file beside a picture is not read."""
_AT_ONCE = 32
"""At most this many pictures are in memory before they are written."""
_BYTES_AT_ONCE = 64 * 2**20
"""And at most this many bytes, or one picture."""
_SIDECARS = {".json", ".txt"}
"""Files of these kinds tell of pictures, and are none."""
_PICTURES = {".jpeg"} | {f".{content_type.extension}" for content_type in ContentType}
_NAMESPACE = b"pixyproxy picture "
"""Part of every GUID that is made here: it must never change."""
_LATEST = datetime(9998, 12, 31, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    """A file, in the order in which files are taken in."""

    mtime_us: int
    path: str
    size: int


class PictureImporter:
    """Imports pictures; the oldest comes first, by the time when its file was last changed."""

    def __init__(self, *, make_intake: Callable[[], Intake]) -> None:
        self._make_intake = make_intake
        self._thumbhasher = Thumbhasher()

    async def run(
        self, folder: UntrustedFolder
    ) -> AsyncGenerator[ImportFault | TransferProgress, None]:
        """Yield what is not taken in, and how far it is. Raises OSError and a StorageException."""
        intake = self._make_intake()
        await intake.check()
        unreadable: list[OSError] = []
        found = await asyncio.to_thread(lambda: sorted(_find(folder, unreadable.append)))
        for error in unreadable:
            detail = error.strerror or "it cannot be read"
            yield ImportFault(ImportFaultCode.UNREADABLE, str(error.filename), detail)
        try:
            done = 0
            for some in _groups(found):
                done += len(some)
                pictures = await asyncio.gather(
                    *(asyncio.to_thread(_read, folder, file) for file in some)
                )
                images: dict[str, tuple[ImageDetail, bytes]] = {}
                for picture in pictures:
                    match picture:
                        case ImportFault():
                            yield picture
                        case None:
                            yield TransferProgress("not_images", 1)
                        case image, data if image.guid not in images:
                            images[image.guid] = image, data
                        case _:
                            yield TransferProgress("skipped", 1)
                present, deleted = await intake.known(images)
                yield TransferProgress("skipped", len(present), done / len(found))
                yield TransferProgress("stay_deleted", len(deleted))
                known = present.keys() | deleted
                new = [images[guid] for guid in images if guid not in known]
                hashed = await asyncio.gather(*(self._thumbhasher.add(*each) for each in new))
                for image, (_, data) in zip(hashed, new, strict=True):
                    written = await intake.put(image, data)
                    yield TransferProgress("imported", written, done / len(found))
            yield TransferProgress("imported", await intake.flush(), 1)
        finally:
            await intake.aclose()


def _find(folder: UntrustedFolder, on_error: Callable[[OSError], None]) -> Iterator[_Found]:
    for path, status in folder.walk(on_error):
        if PurePosixPath(path).suffix.lower() not in _SIDECARS:
            yield _Found(status.st_mtime_ns // 1000, path, status.st_size)


def _groups(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    group: list[_Found] = []
    size = 0
    for file in found:
        counts = min(file.size, MAX_IMAGE_BYTES)
        if group and (len(group) == _AT_ONCE or size + counts > _BYTES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(file)
        size += counts
    if group:
        yield group


def _read(folder: UntrustedFolder, file: _Found) -> tuple[ImageDetail, bytes] | ImportFault | None:
    """Return the picture; or why it is not taken in; or None where it is to be none."""
    is_picture = PurePosixPath(file.path).suffix.lower() in _PICTURES
    if file.size > MAX_IMAGE_BYTES and not is_picture:
        return None
    try:
        data = folder.read(file.path, MAX_IMAGE_BYTES)
        if data is None:
            return None
        facts = examine(data)
    except OSError as error:
        detail = error.strerror or "it cannot be read"
        return ImportFault(ImportFaultCode.UNREADABLE, file.path, detail)
    except BadGeneratorResponseError:
        if not is_picture:
            return None
        detail = "it is not a whole image of a known format, of up to 32 MiB and 50 megapixels"
        return ImportFault(ImportFaultCode.DAMAGED, file.path, detail)
    told = _read_metadata(folder, file.path, data)
    stem = _stem(file.path)
    image = facts.describe(
        guid=_guid_of(facts.sha256),
        prompt=told.prompt or stem,
        model=told.model or MODEL,
        created_at=datetime.fromtimestamp(min(max(file.mtime_us / 1e6, 0), _LATEST), UTC),
        parameters=told.parameters,
        filename_from=stem,
    )
    return image, data


def _read_metadata(folder: UntrustedFolder, path: str, data: bytes) -> ForeignMetadata:
    found = _read_sidecars(folder, path) or read_embedded(data)
    return (found or ForeignMetadata()).cleaned()


def _read_sidecars(folder: UntrustedFolder, path: str) -> ForeignMetadata | None:
    """Return what `name.json`, `name.png.json`, `name.txt` or `name.png.txt` tells."""
    base = path[: -len(suffix)] if (suffix := PurePosixPath(path).suffix) else path
    for extension, read in ((".json", read_json), (".txt", read_text)):
        for name in dict.fromkeys((base + extension, path + extension)):
            try:
                data = folder.read(name, MAX_SIDECAR_BYTES)
            except OSError:
                continue
            if data is None or len(data) > MAX_SIDECAR_BYTES:
                continue
            found = read(data.decode("utf-8-sig", "replace"))
            if found and found.prompt.strip():
                return found
    return None


def _stem(path: str) -> str:
    stem = PurePosixPath(path).stem.encode("utf-8", "replace").decode()
    return stem if stem.strip() else "image"


def _guid_of(sha256: str) -> str:
    """Return a GUID of version 8 (RFC 9562, section 5.8), which leaves it to us what is in it."""
    derived = bytearray(hashlib.sha256(_NAMESPACE + bytes.fromhex(sha256)).digest()[:16])
    derived[6] = derived[6] & 0x0F | 0x80
    derived[8] = derived[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(derived)))

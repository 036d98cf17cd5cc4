"""Reading files against their rows: what is missing, and what is not as it was written."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import ImageNotFoundError, ImageStoreError
from pixyproxy.core.models import ContentType
from pixyproxy.data.files.layout import FileName
from pixyproxy.data.files.store import Digest, ImageStore
from pixyproxy.data.repositories.images import ImageFile, ImageRepositoryInterface
from pixyproxy.data.search.index import IdRange

ROWS_AT_ONCE = 500
"""How many rows are read, and how many files are looked at, at a time."""
PAUSE_S = 1.0
"""Seconds between two looks: as long as the service may take from a file to its row."""


class FaultCode(StrEnum):
    """What can be wrong with what is kept."""

    MISSING_FILE = "missing-file"
    UNREADABLE_FILE = "unreadable-file"
    WRONG_SIZE = "wrong-size"
    WRONG_SHA256 = "wrong-sha256"
    MISSING_GENERATION = "missing-generation"
    FILE_WITHOUT_ROW = "file-without-row"
    DELETED_FILE = "deleted-file"
    SIDECAR_LEFT = "sidecar-left"
    SIDECAR_WITHOUT_FILE = "sidecar-without-file"
    UNREADABLE_FOLDER = "unreadable-folder"
    TEMPORARY_FILE = "temporary-file"
    STALE_LEASE = "stale-lease"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, with the GUID of its image or (a stale lease) its generation."""

    code: FaultCode
    detail: str
    guid: str | None = None
    path: str | None = None
    """The file or folder, from the folder of the images."""
    mended: bool = False


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """How many more rows, or shard folders, are checked, and how far the stage has come."""

    stage: str
    count: int
    share: float
    """How much of the stage is done, 0 to 1."""
    byte_size: int = 0
    """How many bytes the files of these rows have by their rows."""
    last_guid: str | None = None
    """The last of these rows."""


class ExpectedFile(Protocol):
    """What a file ought to be."""

    @property
    def guid(self) -> str: ...
    @property
    def content_type(self) -> ContentType: ...
    @property
    def byte_size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


Look = Callable[[Collection[str]], Awaitable[list[Fault]]]


class FileCheck:
    """Reads every row's file. It may run beside the service: what looks wrong is read twice."""

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        *,
        store: ImageStore,
        has_generations_checked: bool = False,
    ) -> None:
        self._repository = repository
        self._store = store
        self._has_generations_checked = has_generations_checked

    async def run(
        self, *, after: str | None = None, mb_per_s: float | None = None
    ) -> AsyncGenerator[Fault | CheckProgress, None]:
        """Yield each fault, and how far it is, in the order of the rows; those after a GUID's.

        On average, at most `mb_per_s` megabytes (10^6 bytes) are read a second.

        Raises ImageNotFoundError where no image has this GUID, and a StorageException where the
        database is unavailable.
        """
        rows_at_once = ROWS_AT_ONCE if mb_per_s is None else 1
        loop = asyncio.get_running_loop()
        due = loop.time()
        async for rows, share_of in self._list_rows(after):
            for start in range(0, len(rows), rows_at_once):
                some = rows[start : start + rows_at_once]
                guids = [guid for _, guid in some]
                files = await self.get_files(guids)
                for fault in await confirmed(self._look, guids, lambda fault: fault.guid or ""):
                    yield fault
                size = sum(file.byte_size for file in files.values())
                yield CheckProgress("rows", len(some), share_of(some[-1][0]), size, guids[-1])
                if mb_per_s is not None:
                    # What a slow disk has lost is not caught up with a burst.
                    due = max(due, loop.time() - 1) + size / (mb_per_s * 1e6)
                    await asyncio.sleep(due - loop.time())

    async def get_files(self, guids: Collection[str]) -> dict[str, ImageFile]:
        """Return what the rows with these GUIDs, in the trash or not, say of their files."""
        if not guids:
            return {}
        async with self._repository.open_context() as context:
            files = await self._repository.get_files(context, list(guids))
            found = {file.guid: file for file in files}
            if others := [guid for guid in guids if guid not in found]:
                trashed = await self._repository.get_trashed_files(context, others)
                found |= {file.guid: file for file in trashed}
        return found

    async def _list_rows(
        self, after: str | None
    ) -> AsyncGenerator[tuple[Sequence[tuple[int, str]], Callable[[int], float]], None]:
        """Yield ids and GUIDs, the images' and then the trash's, and how far an id is."""
        in_trash, after_id = (False, 0) if after is None else await self._place_of(after)
        async with self._repository.open_context() as context:
            last_id = await self._repository.get_last_id(context)
        for list_guids, share_of in (
            (self._repository.list_guids, lambda id_: min(1, id_ / last_id)),
            (self._repository.list_trashed_guids, lambda _: 1),
        )[in_trash:]:
            while True:
                async with self._repository.open_context() as context:
                    rows = await list_guids(context, after_id=after_id, limit=ROWS_AT_ONCE)
                if not rows:
                    break
                yield rows, share_of
                after_id = rows[-1][0]
            after_id = 0

    async def _place_of(self, guid: str) -> tuple[bool, int]:
        """Return whether an image is in the trash, and its id."""
        async with self._repository.open_context() as context:
            found = await self._repository.find_images(
                context, ImageCriteria(guid=guid), IdRange(), limit=1
            )
            trashed_id = await self._repository.get_trashed_id(context, guid)
        if not found and trashed_id is None:
            raise ImageNotFoundError
        return (False, found[0][0]) if found else (True, trashed_id or 0)

    async def _look(self, guids: Collection[str]) -> list[Fault]:
        files = await self.get_files(guids)
        found = await asyncio.gather(
            *(self.look_at_file(files[guid]) for guid in guids if guid in files)
        )
        return list(itertools.chain.from_iterable(found))

    async def look_at_file(self, file: ImageFile) -> list[Fault]:
        """Return what is wrong with the file of a row."""
        faults = []
        if self._has_generations_checked and file.lacks_generation:
            detail = "its row names a generation that there is not"
            faults.append(Fault(FaultCode.MISSING_GENERATION, detail, file.guid, path_of(file)))
        try:
            found = await self._store.digest(file.guid, file.content_type)
        except ImageStoreError as error:
            return [*faults, unreadable(file, error)]
        fault = compare(file, found)
        return [*faults, fault] if fault else faults


def compare(file: ExpectedFile, found: Digest | None) -> Fault | None:
    """Return what is wrong with a file, if anything is."""
    if found is None:
        code, detail = FaultCode.MISSING_FILE, "its row has no file"
    elif found.byte_size != file.byte_size:
        code = FaultCode.WRONG_SIZE
        detail = f"it has {found.byte_size} bytes, and its row says {file.byte_size}"
    elif found.sha256 != file.sha256:
        code = FaultCode.WRONG_SHA256
        detail = f"its SHA-256 is {found.sha256}, and its row says {file.sha256}"
    else:
        return None
    return Fault(code, detail, file.guid, path_of(file))


def unreadable(file: ExpectedFile, error: ImageStoreError) -> Fault:
    """Return the fault of a file that cannot be read."""
    return Fault(FaultCode.UNREADABLE_FILE, why(error), file.guid, path_of(file))


async def confirmed(
    look: Look, places: Collection[str], place_of: Callable[[Fault], str] | None = None
) -> list[Fault]:
    """Return the faults that two looks at these places find, a pause apart.

    The second look is where `place_of` says that the first has found them, or everywhere.
    """
    faults = await look(places)
    if not faults:
        return []
    await asyncio.sleep(PAUSE_S)
    again = set(await look({place_of(fault) for fault in faults} if place_of else places))
    return [fault for fault in faults if fault in again]


def path_of(file: ExpectedFile) -> str:
    """Return where a file is, from the folder of the images."""
    return FileName(file.guid, file.content_type).path


def why(error: ImageStoreError) -> str:
    """Return why a file cannot be read, in the system's words."""
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or "it is not a regular file"

"""Exporting: everything that is kept, read page by page while the service goes on."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import ImageStoreError, MissingFileError
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.data.repositories.transfers import TransferRepository
from pixyproxy.data.search.index import IdRange
from pixyproxy.service.checking.files import Fault, compare, unreadable
from pixyproxy.service.keeping.describe import digest_of
from pixyproxy.service.moving import export_format
from pixyproxy.service.moving.events import TransferProgress
from pixyproxy.service.moving.export_format import Kind
from pixyproxy.service.moving.targets import Target

ROWS_AT_ONCE = 250
"""How many rows are read from the database at a time."""


class Export:
    """One export. Each file is compared with its row; one that is damaged is told and left out.

    A generation that has not ended is left out, with its images: it may run here only. The next
    export has it. So no export has an image without its generation.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        transfers: TransferRepository,
        store: ImageStore,
        target: Target,
    ) -> None:
        self._repository = repository
        self._transfers = transfers
        self._store = store
        self._target = target
        self._parts: Counter[Kind] = Counter()
        self._counts: Counter[Kind] = Counter()
        self._last_tombstone = self._last_generation = 0
        self._unfinished: set[str] = set()

    async def run(self) -> AsyncGenerator[Fault | TransferProgress, None]:
        """Yield each file that cannot be exported, and how far it is.

        Raises ValueError where the target has the export of another archive, OSError where it
        cannot be written, and a StorageException where the database is unavailable.
        """
        await self._check()
        await asyncio.to_thread(self._target.begin, export_format.head())
        # What is deleted meanwhile is in neither: tombstones come first.
        async for progress in self._export_tombstones():
            yield progress
        async for progress in self._export_generations():
            yield progress
        async for event in self._export_images():
            yield event
        async for progress in self._drop_deleted():
            yield progress
        parts = {kind: self._parts[kind] for kind in Kind}
        await asyncio.to_thread(self._target.finish, export_format.end(self._counts), parts)

    async def _check(self) -> None:
        """Raise ValueError unless the first image that is there is known here."""
        guid = await asyncio.to_thread(self._target.first_guid)
        if guid is None:
            return
        async with self._transfers.open_context() as context:
            if await self._repository.get_files(context, [guid]):
                return
            if await self._repository.get_deleted(context, [guid]):
                return
        raise ValueError("this folder holds the export of another archive; name another folder")

    async def _export_tombstones(self) -> AsyncIterator[TransferProgress]:
        lines: list[bytes] = []
        while True:
            async with self._transfers.open_context() as context:
                rows = await self._transfers.list_tombstones(
                    context, after_id=self._last_tombstone, limit=ROWS_AT_ONCE
                )
            lines += [export_format.line(tombstone) for _, tombstone in rows]
            lines = await self._put_lines(Kind.DELETED, lines, is_last=not rows)
            if not rows:
                return
            yield TransferProgress(Kind.DELETED, len(rows))
            self._last_tombstone = rows[-1][0]

    async def _export_generations(self) -> AsyncIterator[TransferProgress]:
        async with self._transfers.open_context() as context:
            self._last_generation = await self._transfers.get_last_generation_id(context)
            self._unfinished = await self._transfers.get_unfinished(context, self._last_generation)
        if self._unfinished:
            yield TransferProgress("unfinished", len(self._unfinished))
        last = 0
        lines: list[bytes] = []
        while True:
            async with self._transfers.open_context() as context:
                rows = await self._transfers.list_generations(
                    context, after_id=last, last_id=self._last_generation, limit=ROWS_AT_ONCE
                )
            ended = [found for _, found in rows if found.guid not in self._unfinished]
            lines += [export_format.line(generation) for generation in ended]
            lines = await self._put_lines(Kind.GENERATIONS, lines, is_last=not rows)
            if not rows:
                return
            yield TransferProgress(Kind.GENERATIONS, len(ended))
            last = rows[-1][0]

    async def _put_lines(self, kind: Kind, lines: list[bytes], *, is_last: bool) -> list[bytes]:
        """Put out whole parts; return the lines that are left for the next one."""
        while lines:
            count, size = 0, 0
            for text in lines[: self._target.max_lines]:
                if count and size + len(text) > export_format.MAX_LINES_BYTES:
                    break
                count, size = count + 1, size + len(text)
            if count == len(lines) < self._target.max_lines and not is_last:
                break
            await self._put_part(kind, lines[:count])
            lines = lines[count:]
        return lines

    async def _put_part(self, kind: Kind, lines: Sequence[bytes]) -> None:
        self._parts[kind] += 1
        self._counts[kind] += len(lines)
        await asyncio.to_thread(self._target.put_part, kind, self._parts[kind], b"".join(lines))

    async def _export_images(self) -> AsyncIterator[Fault | TransferProgress]:
        async with self._repository.open_context() as context:
            last_id = await self._repository.get_last_id(context)
        last = 0
        part = _Part(self._target)
        while last < last_id:
            async with self._repository.open_context() as context:
                rows = await self._repository.find_images(
                    context,
                    ImageCriteria(),
                    IdRange(above=last, below=last_id + 1, newest_first=False),
                    limit=ROWS_AT_ONCE,
                )
            if not rows:
                break
            pending = await self._pending([image for _, image in rows])
            for id_, image in rows:
                if image.guid in pending:
                    yield TransferProgress("held_back", 1)
                    continue
                found = await self._take(image)
                if isinstance(found, Fault):
                    if await self._is_kept(image):
                        yield found
                    continue
                yield TransferProgress(Kind.IMAGES, 1, id_ / last_id)
                if found is None:
                    yield TransferProgress("written_before", 1)
                elif self._target.takes_files_first:
                    await asyncio.to_thread(self._target.put_file, image, found)
                    found = None
                text = export_format.line(image)
                if not part.has_room(text, image):
                    await self._put_images(part)
                    part = _Part(self._target)
                part.add(text, image, found)
            last = rows[-1][0]
        await self._put_images(part)

    async def _pending(self, images: Sequence[ImageDetail]) -> set[str]:
        """Return the GUIDs of the images whose generation is not in this export."""
        generations = {image.generation_guid for image in images} - {None}
        async with self._transfers.open_context() as context:
            left_out = self._unfinished | await self._transfers.get_unfinished(
                context, self._last_generation, {guid for guid in generations if guid}
            )
        return {image.guid for image in images if image.generation_guid in left_out}

    async def _take(self, image: ImageDetail) -> memoryview | Fault | None:
        """Return the image's bytes, or None where the target has them now."""
        if await asyncio.to_thread(self._target.has, image):
            return None
        try:
            data = await self._store.read(image.guid, image.content_type)
        except MissingFileError:
            data = None
        except ImageStoreError as error:
            return unreadable(image, error)
        fault = await asyncio.to_thread(_compare, image, data)
        return fault or data

    async def _is_kept(self, image: ImageDetail) -> bool:
        """Tell whether the image was not deleted meanwhile."""
        async with self._repository.open_context() as context:
            return bool(await self._repository.get_files(context, [image.guid]))

    async def _put_images(self, part: "_Part") -> None:
        if not part.lines:
            return
        await self._put_part(Kind.IMAGES, part.lines)
        for image, data in part.files:
            await asyncio.to_thread(self._target.put_file, image, data)

    async def _drop_deleted(self) -> AsyncIterator[TransferProgress]:
        others = self._target.list_others()
        while guids := await asyncio.to_thread(next, others, None):
            async with self._transfers.open_context() as context:
                deleted = await self._transfers.get_tombstoned(
                    context, guids, last_id=self._last_tombstone
                )
            if deleted:
                yield TransferProgress(
                    "dropped", await asyncio.to_thread(self._target.drop, deleted)
                )


class _Part:
    """Lines, and the files that follow them, before they are put out."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.lines: list[bytes] = []
        self.files: list[tuple[ImageDetail, memoryview]] = []
        self._lines_bytes = self._files_bytes = 0

    def has_room(self, text: bytes, image: ImageDetail) -> bool:
        """Tell whether one more fits in; what has no more room in it is the same every time."""
        return not self.lines or (
            len(self.lines) < self._target.max_lines
            and self._lines_bytes + len(text) <= export_format.MAX_LINES_BYTES
            and self._files_bytes + image.byte_size <= self._target.max_files_bytes
        )

    def add(self, text: bytes, image: ImageDetail, data: memoryview | None) -> None:
        """Add an image; without data where its file is there already."""
        self.lines.append(text)
        self._lines_bytes += len(text)
        self._files_bytes += image.byte_size
        if data is not None:
            self.files.append((image, data))


def _compare(image: ImageDetail, data: memoryview | None) -> Fault | None:
    return compare(image, None if data is None else digest_of(data))

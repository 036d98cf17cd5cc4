"""Importing an export: what is there already is left alone, what was deleted stays so."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pixyproxy.data.repositories.transfers import TransferRepository
from pixyproxy.service.keeping.describe import MismatchError, verify
from pixyproxy.service.keeping.storable import StorableImage
from pixyproxy.service.moving.events import ImportFault, ImportFaultCode, TransferProgress
from pixyproxy.service.moving.export_format import (
    Kind,
    StorableGeneration,
    StorableTombstone,
    file_path,
)
from pixyproxy.service.moving.intake import Intake
from pixyproxy.service.moving.sources import Source

ROWS_AT_ONCE = 250
"""How many lines are compared with the database, and written to it, at a time."""
_LONGEST_QUOTE = 60
"""At most this many characters of a faulty field's name are told."""
_SIMULTANEOUS = "somebody else is importing the same at this moment: import it again"

_Record = TypeVar("_Record", bound=BaseModel)
_Item = TypeVar("_Item")


class Importer:
    """Imports an export. Importing it again, after whatever ended it, goes on where it was."""

    def __init__(self, transfers: TransferRepository, *, make_intake: Callable[[], Intake]) -> None:
        self._transfers = transfers
        self._make_intake = make_intake

    async def run(
        self, source: Source, *, repair: bool = False
    ) -> AsyncGenerator[ImportFault | TransferProgress, None]:
        """Yield what is not taken in, and how far it is.

        With `repair`, files are read of images that are there already, and written anew where they
        are missing or damaged.

        Raises ValueError where the source is no export that can be read, OSError where it cannot
        be read, and a StorageException.
        """
        intake = self._make_intake()
        await intake.check()
        try:
            parts = source.parts()
            while part := await asyncio.to_thread(next, parts, None):
                kind, name, lines = part
                match kind:
                    case Kind.DELETED:
                        events = self._take_tombstones(name, lines)
                    case Kind.GENERATIONS:
                        events = self._take_generations(name, lines)
                    case Kind.IMAGES:
                        events = self._take_images(name, lines, source, intake, repair=repair)
                async for event in events:
                    yield event
            yield TransferProgress("imported", await intake.flush())
        finally:
            await intake.aclose()
        if not source.is_complete:
            detail = "the export was not finished, or is cut off: export and import again"
            yield ImportFault(ImportFaultCode.CUT_OFF, "complete.json", detail)
        if source.surplus:
            yield TransferProgress("surplus", source.surplus)

    async def _take_tombstones(
        self, name: str, lines: bytes
    ) -> AsyncIterator[ImportFault | TransferProgress]:
        records = _records(StorableTombstone, name, lines)
        while some := await asyncio.to_thread(_some, records):
            tombstones = []
            for record in some:
                if isinstance(record, ImportFault):
                    yield record
                else:
                    tombstones.append(record)
            guids = [tombstone.guid for tombstone in tombstones]
            present, deleted = await self._make_intake().known(guids)
            for guid in present:
                detail = "it was deleted where the export comes from, and is kept here"
                yield ImportFault(ImportFaultCode.CONFLICT, guid, detail)
            new = {
                tombstone.guid: tombstone
                for tombstone in tombstones
                if tombstone.guid not in present.keys() | deleted
            }
            if new:
                async with self._transfers.open_context() as context:
                    await context.begin_transaction()
                    if not await self._transfers.create_tombstones(context, list(new.values())):
                        raise ValueError(_SIMULTANEOUS)
                    await context.commit_transaction()
            yield TransferProgress("tombstones", len(new))
            yield TransferProgress("skipped", len(deleted))

    async def _take_generations(
        self, name: str, lines: bytes
    ) -> AsyncIterator[ImportFault | TransferProgress]:
        records = _records(StorableGeneration, name, lines)
        while some := await asyncio.to_thread(_some, records):
            generations: dict[str, StorableGeneration] = {}
            for record in some:
                if isinstance(record, ImportFault):
                    yield record
                else:
                    generations[record.guid] = record
            async for event in self._create_generations(generations):
                yield event

    async def _create_generations(
        self, generations: dict[str, StorableGeneration]
    ) -> AsyncIterator[ImportFault | TransferProgress]:
        async with self._transfers.open_context() as context:
            known = await self._transfers.get_known_generations(context, generations)
            keys = [one.idempotency_key for one in generations.values() if one.guid not in known]
            used = await self._transfers.get_used_keys(context, [key for key in keys if key])
        new = []
        for generation in generations.values():
            if generation.guid in known:
                continue
            key = (generation.caller, generation.idempotency_key or "")
            if key in used:
                detail = "its idempotency key is another generation's here: taken in without it"
                yield ImportFault(ImportFaultCode.CONFLICT, generation.guid, detail)
                generation = generation.model_copy(update={"idempotency_key": None})  # noqa: PLW2901
            elif key[1]:
                used.add(key)
            new.append(generation)
        if new:
            async with self._transfers.open_context() as context:
                await context.begin_transaction()
                if not await self._transfers.create_generations(context, new):
                    raise ValueError(_SIMULTANEOUS)
                await context.commit_transaction()
        yield TransferProgress("generations", len(new))
        yield TransferProgress("skipped", len(known))

    async def _take_images(
        self, name: str, lines: bytes, source: Source, intake: Intake, *, repair: bool
    ) -> AsyncIterator[ImportFault | TransferProgress]:
        wanted = _Wanted()
        async for event in self._choose(name, lines, intake, wanted, repair=repair):
            yield event
        images = wanted.missing | wanted.damaged
        files = source.files({path: image.byte_size for path, image in images.items()})
        while found := await asyncio.to_thread(next, files, None):
            path, data = found
            image = images.pop(path)
            fault = await asyncio.to_thread(_find_fault, image, data)
            if fault:
                yield ImportFault(ImportFaultCode.DAMAGED, image.guid, fault)
            elif path in wanted.damaged:
                await intake.restore(image, data)
                yield TransferProgress("restored", 1)
            else:
                yield TransferProgress("imported", await intake.put(image, data))
        for image in images.values():
            detail = "its file is not in the export, or cannot be read"
            yield ImportFault(ImportFaultCode.MISSING, image.guid, detail)

    async def _choose(
        self, name: str, lines: bytes, intake: Intake, wanted: "_Wanted", *, repair: bool
    ) -> AsyncIterator[ImportFault | TransferProgress]:
        """Add those of the images of a part whose files are wanted."""
        records = _records(StorableImage, name, lines)
        while some := await asyncio.to_thread(_some, records):
            images = {}
            for record in some:
                if isinstance(record, ImportFault):
                    yield record
                elif record.guid not in wanted.seen:
                    wanted.seen.add(record.guid)
                    images[record.guid] = record
            present, deleted = await intake.known(images)
            skipped = 0
            for image in images.values():
                if image.guid in deleted:
                    yield TransferProgress("stay_deleted", 1)
                elif image.guid not in present:
                    wanted.missing[file_path(image)] = image
                elif present[image.guid] != image.sha256:
                    detail = "the archive has another file under this name, and keeps it"
                    yield ImportFault(ImportFaultCode.CONFLICT, image.guid, detail)
                elif repair and not await intake.is_whole(image):
                    wanted.damaged[file_path(image)] = image
                else:
                    skipped += 1
            yield TransferProgress("skipped", skipped)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Images whose files are wanted, by their paths in the export."""

    missing: dict[str, StorableImage] = field(default_factory=dict)
    damaged: dict[str, StorableImage] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    """All GUIDs of the part: of two lines that tell of one image the first counts."""


def _records(model: type[_Record], name: str, lines: bytes) -> Iterator[_Record | ImportFault]:
    for number, text in enumerate(lines.splitlines(), start=1):
        try:
            yield model.model_validate_json(text)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(step) for step in fault["loc"])[:_LONGEST_QUOTE]
            detail = f"{where}: {fault['msg']}" if where else str(fault["msg"])
            yield ImportFault(ImportFaultCode.INVALID, f"{name} line {number}", detail)


def _some(items: Iterator[_Item]) -> list[_Item]:
    return list(islice(items, ROWS_AT_ONCE))


def _find_fault(image: StorableImage, data: bytes) -> str | None:
    """Return why a file is not the one that its line tells of."""
    try:
        verify(image, data)
    except MismatchError as error:
        match error.field:
            case None:
                return "its file is not a whole image of a known format"
            case "sha256":
                return "its file is not the one that its line tells of"
            case field:
                return f"its line tells another {field}"
    return None

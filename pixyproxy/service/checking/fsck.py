"""Checking what is kept: rows against files, files against rows, and what dead processes left.

It may run beside the service, which goes on writing: what looks wrong is looked at twice.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import ValidationError

from pixyproxy.core.exceptions import BadGeneratorResponseError, ImageStoreError
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ContentType, Generation, GenerationStatus, ImageDetail
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.checking.files import (
    Checked,
    Fault,
    FaultCode,
    FileCheck,
    confirmed,
    path_in_shard,
    why,
)
from pixyproxy.service.generating.ends import End, Ends
from pixyproxy.service.generating.recovery import Recovery
from pixyproxy.service.keeping.storable import StorableImage
from pixyproxy.service.pictures.check import check_image
from pixyproxy.service.pictures.rendering import placeholder

SHARDS_AT_ONCE = 32
"""Of a million images, they hold about as many."""
SHARDS = 0x10000
STALE_AT_ONCE = 10_000
_SIDECAR = "json"
_CONTENT_TYPES = {content_type.extension: content_type for content_type in ContentType}


class _UnmendedError(Exception):
    """Why a fault stays as it is."""


class Fsck:
    """Checks, and mends what can be mended without losing anything.

    A file that no row knows is never removed: its row is written where a sidecar tells it.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        generations: GenerationRepository,
        *,
        store: ImageStore,
        recovery: Recovery,
        ends: Ends,
    ) -> None:
        self._repository = repository
        self._generations = generations
        self._store = store
        self._recovery = recovery
        self._ends = ends
        self._files = FileCheck(repository, store=store, has_generations_checked=True)

    async def run(self, *, repair: bool) -> AsyncGenerator[Fault | Checked, None]:
        """Yield each fault, mended where `repair` says so and it can be, and how far it is.

        Raises a StorageException where the database, or the folder, is unavailable.
        """
        for check in (self._check_leftovers, self._check_rows, self._check_files):
            async for event in check(repair=repair):
                yield event

    # What dead processes left

    async def _check_leftovers(self, *, repair: bool) -> AsyncIterator[Fault]:
        faults = await confirmed(self._look_at_leftovers, ())
        left = set(faults)
        if repair and faults:
            with suppress(ImageStoreError):  # what it could not mend is still there
                await self._recovery.settle()
            left = set(await self._look_at_leftovers())
        for fault in faults:
            yield replace(fault, mended=fault not in left)

    async def _look_at_leftovers(self, _: Collection[str] = ()) -> list[Fault]:
        temporary = [
            Fault(FaultCode.TEMPORARY_FILE, "a process that is dead was writing it", path=path)
            for path in await self._store.list_leftovers()
        ]
        async with self._generations.open_context() as context:
            stale = await self._generations.list_stale(context, datetime.now(UTC), STALE_AT_ONCE)
        return temporary + [
            Fault(
                FaultCode.STALE_LEASE,
                f"{held.lease.runner} has not run it since its lease of "
                f"{held.lease.until:%Y-%m-%d %H:%M:%S} UTC",
                guid=held.guid,
            )
            for held in stale
        ]

    # Rows

    def _check_rows(self, *, repair: bool) -> AsyncIterator[Fault | Checked]:
        return self._files.run()

    # Files

    async def _check_files(self, *, repair: bool) -> AsyncIterator[Fault | Checked]:
        unreadable: list[Fault] = []

        def note(path: str, error: OSError) -> None:
            detail = error.strerror or type(error).__name__
            unreadable.append(Fault(FaultCode.UNREADABLE_FOLDER, detail, path=path))

        walk = self._store.walk(note)
        while shards := await asyncio.to_thread(
            lambda: list(itertools.islice(walk, SHARDS_AT_ONCE))
        ):
            for fault in await confirmed(self._look_at_shards, shards):
                yield await self._mend(fault) if repair else fault
            yield Checked("folders", len(shards), (int(shards[-1], 16) + 1) / SHARDS)
        for fault in unreadable:
            yield fault

    async def _look_at_shards(self, shards: Collection[str]) -> list[Fault]:
        faults: list[Fault] = []
        names: list[str] = []
        for shard in shards:
            try:
                found = await self._store.list_shard(shard)
            except ImageStoreError as error:
                path = f"{shard[:2]}/{shard[2:]}"
                faults.append(Fault(FaultCode.UNREADABLE_FOLDER, why(error), path=path))
                continue
            for name in filter(_is_ours, found):
                if name.startswith(shard):
                    names.append(name)
                else:
                    detail = "it lies in a folder where no row's file is"
                    path = f"{shard[:2]}/{shard[2:]}/{name}"
                    faults.append(Fault(FaultCode.FILE_WITHOUT_ROW, detail, name[:36], path))
        return faults + await self._look_at_names(names)

    async def _look_at_names(self, names: Collection[str]) -> list[Fault]:
        rows = await self._files.get_files({name[:36] for name in names})
        with_sidecar = {name[:36] for name in names if name.endswith(_SIDECAR)}
        with_image = {name[:36] for name in names if not name.endswith(_SIDECAR)}
        in_work = await self._in_work(with_sidecar - rows.keys())
        deleted = await self._get_deleted({name[:36] for name in names} - rows.keys())
        faults = []
        for name in names:
            guid, _, extension = name.partition(".")
            row = rows.get(guid)
            if guid in deleted:
                code, detail = FaultCode.DELETED_FILE, "its image was deleted"
            elif extension != _SIDECAR:
                code = FaultCode.FILE_WITHOUT_ROW
                if row is None:
                    has_sidecar = "a" if guid in with_sidecar else "no"
                    detail = f"no row knows it; it has {has_sidecar} sidecar"
                elif row.content_type.extension != extension:
                    detail = f"its row's file is .{row.content_type.extension}"
                else:
                    continue
            elif row is not None:
                code, detail = FaultCode.SIDECAR_LEFT, "its row is there: it is not needed any more"
            elif guid not in with_image:
                code, detail = FaultCode.SIDECAR_WITHOUT_FILE, "its image was never written whole"
            else:
                continue
            if guid not in in_work:
                faults.append(Fault(code, detail, guid=guid, path=path_in_shard(name)))
        return faults

    async def _in_work(self, guids: Iterable[str]) -> set[str]:
        """Return those of the images whose generation a living process runs."""
        generation_of = {}
        for guid in guids:
            with suppress(_UnmendedError, ImageStoreError):
                image = await self._read_sidecar(guid)
                if image.generation_guid is not None:
                    generation_of[guid] = image.generation_guid
        if not generation_of:
            return set()
        async with self._generations.open_context() as context:
            stale = await self._generations.list_stale(context, datetime.now(UTC), STALE_AT_ONCE)
            found = await self._generations.get_generations(context, list(generation_of.values()))
        running = {
            generation.guid for generation in found if generation.status is GenerationStatus.RUNNING
        } - {held.guid for held in stale}
        return {guid for guid, generation in generation_of.items() if generation in running}

    # Mending

    async def _mend(self, fault: Fault) -> Fault:
        """Return the fault mended, or with the reason why it is not."""
        guid = fault.guid or ""
        try:
            match fault.code:
                case FaultCode.FILE_WITHOUT_ROW:
                    await self._write_row(guid, fault.path)
                case FaultCode.DELETED_FILE:
                    await self._delete(guid, fault.path or "")
                case FaultCode.SIDECAR_LEFT:
                    await self._store.drop_sidecar(guid)
                case FaultCode.SIDECAR_WITHOUT_FILE:
                    await self._drop_lone_sidecar(guid)
                case _:
                    return fault
        except _UnmendedError as error:
            return replace(fault, detail=f"{fault.detail}; {error}")
        except ImageStoreError as error:
            return replace(fault, detail=f"{fault.detail}; {why(error)}")
        return replace(fault, mended=True)

    async def _write_row(self, guid: str, path: str | None) -> None:
        """Write the row that a file's sidecar tells, if the file is what the sidecar announces."""
        image = await self._read_sidecar(guid)
        if path != path_in_shard(f"{guid}.{image.content_type.extension}"):
            raise _UnmendedError("its sidecar tells of another file")
        image = await self._compare(image)
        generation = await self._generation_of(image)
        if generation is None:
            image = image.model_copy(update={"generation_guid": None})
        async with self._repository.open_context() as context:
            await context.begin_transaction()
            await self._repository.create_image(context, image)
            if generation is not None and generation.status is GenerationStatus.UNKNOWN:
                end = End(_succeeded(generation, image), (image,))
                await self._ends.commit(context, end, runner="")
            else:
                await context.commit_transaction()
        await self._store.drop_sidecar(guid)

    async def _delete(self, guid: str, path: str) -> None:
        """Remove what a deletion left; housekeeping writes down that it is gone."""
        extension = path.rpartition(".")[2]
        if extension == _SIDECAR:
            await self._store.drop_sidecar(guid)
        else:
            await self._store.delete(guid, _CONTENT_TYPES[extension])

    async def _compare(self, image: ImageDetail) -> ImageDetail:
        """Raise unless the file is what its sidecar says; return what more can be said of it."""
        found = await self._store.digest(image.guid, image.content_type)
        if found is None or (found.byte_size, found.sha256) != (image.byte_size, image.sha256):
            raise _UnmendedError("its sidecar tells of other bytes")
        data = await self._store.read(image.guid, image.content_type)
        try:
            facts = await asyncio.to_thread(check_image, bytes(data))
        except BadGeneratorResponseError:
            raise _UnmendedError("it is not a whole image") from None
        for name in ("content_type", "width", "height"):
            if getattr(facts, name) != getattr(image, name):
                raise _UnmendedError(f"its sidecar tells another {name}")
        found_out = {
            "thumbhash": await asyncio.to_thread(placeholder, data, image.content_type),
            "has_content_credentials": facts.has_content_credentials,
        }
        return image.model_copy(update=found_out)

    async def _drop_lone_sidecar(self, guid: str) -> None:
        """Remove a sidecar without an image, once nobody can be writing the image any more."""
        generation = await self._generation_of(await self._read_sidecar(guid))
        if generation is None or not generation.status.is_final:
            raise _UnmendedError("its image may still come")
        await self._store.drop_sidecar(guid)

    async def _read_sidecar(self, guid: str) -> ImageDetail:
        sidecar = await self._store.read_sidecar(guid)
        if sidecar is None:
            raise _UnmendedError("there is no sidecar to read")
        try:
            image = StorableImage.model_validate_json(sidecar)
        except ValidationError as error:
            fields = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
            what = ", ".join(sorted(fields & StorableImage.model_fields.keys())) or "JSON"
            raise _UnmendedError(f"its sidecar's {what} will not do") from None
        if image.guid != guid:
            raise _UnmendedError("its sidecar tells of another image")
        return image

    async def _generation_of(self, image: ImageDetail) -> Generation | None:
        if image.generation_guid is None:
            return None
        async with self._generations.open_context() as context:
            found = await self._generations.get_generations(context, [image.generation_guid])
        return found[0] if found else None

    async def _get_deleted(self, guids: Collection[str]) -> set[str]:
        if not guids:
            return set()
        async with self._repository.open_context() as context:
            return await self._repository.get_deleted(context, list(guids))


def _succeeded(generation: Generation, image: ImageDetail) -> Generation:
    """Return a generation of which nobody knew how it ended, now that it has an image."""
    return generation.model_copy(
        update={
            "status": GenerationStatus.SUCCEEDED,
            "error": generation.error if generation.n > 1 else None,
            "model_served": image.model,
            "stored_at": image.created_at,
            "finished_at": datetime.now(UTC),
        }
    )


def _is_ours(name: str) -> bool:
    """Tell whether a file's name is one that the service gives to images and sidecars."""
    guid, _, extension = name.partition(".")
    return is_guid(guid) and extension in {*_CONTENT_TYPES, _SIDECAR}

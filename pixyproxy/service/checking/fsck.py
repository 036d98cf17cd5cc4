"""Checking what is kept: rows against files, files against rows, and what dead processes left.

It may run beside the service, which goes on writing: what looks wrong is looked at twice.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from pixyproxy.core.exceptions import ImageStoreError
from pixyproxy.core.models import GenerationStatus
from pixyproxy.data.files.layout import FileName, shard_path
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.checking.files import (
    CheckProgress,
    Fault,
    FaultCode,
    FileCheck,
    confirmed,
    why,
)
from pixyproxy.service.checking.mending import Mender
from pixyproxy.service.checking.sidecars import UnusableSidecarError, read_sidecar
from pixyproxy.service.generating.ends import Ends
from pixyproxy.service.generating.recovery import Recovery

SHARDS_AT_ONCE = 32
"""How many shard folders are looked at together; of a million images they hold about 500."""
SHARDS = 0x10000
"""How many shard folders there can be."""
STALE_AT_ONCE = 10_000
"""At most this many stale leases are told in one run."""


class Fsck:
    """Checks everything that is kept, and mends it where nothing can be lost by that."""

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
        self._mender = Mender(repository, generations, store=store, ends=ends)
        self._files = FileCheck(repository, store=store, has_generations_checked=True)

    async def run(self, *, repair: bool) -> AsyncGenerator[Fault | CheckProgress, None]:
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

    def _check_rows(self, *, repair: bool) -> AsyncIterator[Fault | CheckProgress]:
        return self._files.run()

    # Files

    async def _check_files(self, *, repair: bool) -> AsyncIterator[Fault | CheckProgress]:
        unreadable: list[Fault] = []

        def note(path: str, error: OSError) -> None:
            detail = error.strerror or type(error).__name__
            unreadable.append(Fault(FaultCode.UNREADABLE_FOLDER, detail, path=path))

        walk = self._store.walk(note)
        while shards := await asyncio.to_thread(
            lambda: list(itertools.islice(walk, SHARDS_AT_ONCE))
        ):
            for fault in await confirmed(self._look_at_shards, shards):
                yield await self._mender.mend(fault) if repair else fault
            yield CheckProgress("folders", len(shards), (int(shards[-1], 16) + 1) / SHARDS)
        for fault in unreadable:
            yield fault

    async def _look_at_shards(self, shards: Collection[str]) -> list[Fault]:
        faults: list[Fault] = []
        names: list[FileName] = []
        for shard in shards:
            try:
                found = await self._store.list_shard(shard)
            except ImageStoreError as error:
                path = shard_path(shard)
                faults.append(Fault(FaultCode.UNREADABLE_FOLDER, why(error), path=path))
                continue
            for name in filter(None, map(FileName.parse, found)):
                if name.guid.startswith(shard):
                    names.append(name)
                else:
                    detail = "it lies in a folder where no row's file is"
                    path = f"{shard_path(shard)}/{name}"
                    faults.append(Fault(FaultCode.FILE_WITHOUT_ROW, detail, name.guid, path))
        return faults + await self._look_at_names(names)

    async def _look_at_names(self, names: Collection[FileName]) -> list[Fault]:
        guids = {name.guid for name in names}
        rows = await self._files.get_files(guids)
        with_sidecar = {name.guid for name in names if name.is_sidecar}
        with_image = {name.guid for name in names if not name.is_sidecar}
        in_work = await self._in_work(with_sidecar - rows.keys())
        deleted = await self._get_deleted(guids - rows.keys())
        faults = []
        for name in names:
            guid = name.guid
            row = rows.get(guid)
            if guid in deleted:
                code, detail = FaultCode.DELETED_FILE, "its image was deleted"
            elif not name.is_sidecar:
                code = FaultCode.FILE_WITHOUT_ROW
                if row is None:
                    has_sidecar = "a" if guid in with_sidecar else "no"
                    detail = f"no row knows it; it has {has_sidecar} sidecar"
                elif row.content_type is not name.content_type:
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
                faults.append(Fault(code, detail, guid=guid, path=name.path))
        return faults

    async def _in_work(self, guids: Iterable[str]) -> set[str]:
        """Return those of the images whose generation a living process runs."""
        generation_of = {}
        for guid in guids:
            with suppress(UnusableSidecarError, ImageStoreError):
                image = await read_sidecar(self._store, guid)
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

    async def _get_deleted(self, guids: Collection[str]) -> set[str]:
        if not guids:
            return set()
        async with self._repository.open_context() as context:
            return await self._repository.get_tombstoned(context, list(guids))

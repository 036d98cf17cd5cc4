"""Checking what is kept: rows against files, files against rows, and what dead processes left.

It may run beside the service, which goes on writing: what looks wrong is looked at twice.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from pixyproxy.core.exceptions import BadGeneratorResponseError, ImageStoreError
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import (
    Choice,
    ContentType,
    Generation,
    GenerationStatus,
    ImageDetail,
    Text,
)
from pixyproxy.data.generation_repository import GenerationRepository
from pixyproxy.data.image_repository import ImageFile, ImageRepositoryInterface
from pixyproxy.data.image_store import ImageStore
from pixyproxy.service.image_check import MAX_IMAGE_BYTES, check_image
from pixyproxy.service.image_generator import ImageGenerator
from pixyproxy.service.rendering import placeholder

ROWS_AT_ONCE = 500
SHARDS_AT_ONCE = 32
"""Of a million images, they hold about as many."""
SHARDS = 0x10000
STALE_AT_ONCE = 10_000
PAUSE_S = 1.0
"""Between two looks: as long as the service may take from a file to its row, and to tidy up."""
_SIDECAR = "json"
_EXTENSIONS = {content_type.extension for content_type in ContentType}


class FaultCode(StrEnum):
    """What can be wrong with what is kept."""

    MISSING_FILE = "missing-file"
    UNREADABLE_FILE = "unreadable-file"
    WRONG_SIZE = "wrong-size"
    WRONG_SHA256 = "wrong-sha256"
    MISSING_GENERATION = "missing-generation"
    FILE_WITHOUT_ROW = "file-without-row"
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
class Checked:
    """How far the check has come: so many more rows, or shard folders, are checked."""

    stage: str
    count: int
    share: float
    """How much of the stage is done, 0 to 1."""


def _survives_storing(parameters: dict[str, Any]) -> dict[str, Any]:
    try:
        stored = orjson.loads(orjson.dumps(parameters))
    except TypeError:
        stored = None
    if stored != parameters:  # NaN, for one, would come back as null
        raise ValueError("must be JSON that can be stored")
    return parameters


def _names_generation(guid: str) -> str:
    if not is_guid(guid):
        raise ValueError("must be a GUID")
    return guid


_Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC)),
]


class _Sidecar(ImageDetail):
    """An image as a sidecar tells it, if every database can hold its row.

    The numbers need no bounds but the size's: they are compared with the file's.
    """

    filename: Choice
    prompt: Text
    created_at: _Moment
    updated_at: _Moment
    byte_size: int = Field(le=MAX_IMAGE_BYTES)
    model: Choice
    revised_prompt: Text | None
    parameters: Annotated[dict[str, Any], AfterValidator(_survives_storing)]
    generation_guid: Annotated[str, AfterValidator(_names_generation)] | None = None


class _UnmendedError(Exception):
    """Why a fault stays as it is."""


Look = Callable[[Collection[str]], Awaitable[list[Fault]]]


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
        generator: ImageGenerator,
    ) -> None:
        self._repository = repository
        self._generations = generations
        self._store = store
        self._generator = generator

    async def run(self, *, repair: bool) -> AsyncGenerator[Fault | Checked, None]:
        """Yield each fault, mended where `repair` says so and it can be, and how far it is.

        Raises a StorageException where the database, or the folder, is unavailable.
        """
        for check in (self._check_leftovers, self._check_rows, self._check_files):
            async for event in check(repair=repair):
                yield event

    # What dead processes left

    async def _check_leftovers(self, *, repair: bool) -> AsyncIterator[Fault]:
        faults = await _confirmed(self._look_at_leftovers, ())
        left = set(faults)
        if repair and faults:
            with suppress(ImageStoreError):  # what it could not mend is still there
                await self._generator.settle()
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

    async def _check_rows(self, *, repair: bool) -> AsyncIterator[Fault | Checked]:
        async with self._repository.open_context() as context:
            last_id = await self._repository.get_last_id(context)
        after_id = 0
        while True:
            async with self._repository.open_context() as context:
                rows = await self._repository.list_guids(
                    context, after_id=after_id, limit=ROWS_AT_ONCE
                )
            if not rows:
                return
            guids = [guid for _, guid in rows]
            for fault in await _confirmed(
                self._look_at_rows, guids, lambda fault: fault.guid or ""
            ):
                yield fault
            after_id = rows[-1][0]
            yield Checked("rows", len(rows), min(1, after_id / last_id))

    async def _look_at_rows(self, guids: Collection[str]) -> list[Fault]:
        files = await self._get_files(guids)
        found = await asyncio.gather(
            *(self._look_at_file(files[guid]) for guid in guids if guid in files)
        )
        return list(itertools.chain.from_iterable(found))

    async def _look_at_file(self, file: ImageFile) -> list[Fault]:
        path = _path(f"{file.guid}.{file.content_type.extension}")

        def fault(code: FaultCode, detail: str) -> Fault:
            return Fault(code, detail, guid=file.guid, path=path)

        faults = []
        if file.lacks_generation:
            detail = "its row names a generation that there is not"
            faults.append(fault(FaultCode.MISSING_GENERATION, detail))
        try:
            found = await self._store.digest(file.guid, file.content_type)
        except ImageStoreError as error:
            return [*faults, fault(FaultCode.UNREADABLE_FILE, _why(error))]
        if found is None:
            faults.append(fault(FaultCode.MISSING_FILE, "its row has no file"))
        elif found.byte_size != file.byte_size:
            detail = f"it has {found.byte_size} bytes, and its row says {file.byte_size}"
            faults.append(fault(FaultCode.WRONG_SIZE, detail))
        elif found.sha256 != file.sha256:
            detail = f"its SHA-256 is {found.sha256}, and its row says {file.sha256}"
            faults.append(fault(FaultCode.WRONG_SHA256, detail))
        return faults

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
            for fault in await _confirmed(self._look_at_shards, shards):
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
                faults.append(Fault(FaultCode.UNREADABLE_FOLDER, _why(error), path=path))
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
        rows = await self._get_files({name[:36] for name in names})
        with_sidecar = {name[:36] for name in names if name.endswith(_SIDECAR)}
        with_image = {name[:36] for name in names if not name.endswith(_SIDECAR)}
        in_work = await self._in_work(with_sidecar - rows.keys())
        faults = []
        for name in names:
            guid, _, extension = name.partition(".")
            row = rows.get(guid)
            if extension != _SIDECAR:
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
                faults.append(Fault(code, detail, guid=guid, path=_path(name)))
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
                case FaultCode.SIDECAR_LEFT:
                    await self._store.drop_sidecar(guid)
                case FaultCode.SIDECAR_WITHOUT_FILE:
                    await self._drop_lone_sidecar(guid)
                case _:
                    return fault
        except _UnmendedError as error:
            return replace(fault, detail=f"{fault.detail}; {error}")
        except ImageStoreError as error:
            return replace(fault, detail=f"{fault.detail}; {_why(error)}")
        return replace(fault, mended=True)

    async def _write_row(self, guid: str, path: str | None) -> None:
        """Write the row that a file's sidecar tells, if the file is what the sidecar announces."""
        image = await self._read_sidecar(guid)
        if path != _path(f"{guid}.{image.content_type.extension}"):
            raise _UnmendedError("its sidecar tells of another file")
        image = await self._compare(image)
        generation = await self._generation_of(image)
        if generation is None:
            image = image.model_copy(update={"generation_guid": None})
        async with self._repository.open_context() as context:
            await context.begin_transaction()
            await self._repository.create_image(context, image)
            if generation is not None and generation.status is GenerationStatus.UNKNOWN:
                await self._generations.finish(context, _succeeded(generation, image), runner="")
            await context.commit_transaction()
        await self._store.drop_sidecar(guid)

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
            image = _Sidecar.model_validate_json(sidecar)
        except ValidationError as error:
            fields = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
            what = ", ".join(sorted(fields & _Sidecar.model_fields.keys())) or "JSON"
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

    async def _get_files(self, guids: Collection[str]) -> dict[str, ImageFile]:
        if not guids:
            return {}
        async with self._repository.open_context() as context:
            files = await self._repository.get_files(context, list(guids))
        return {file.guid: file for file in files}


async def _confirmed(
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
    return is_guid(guid) and extension in {*_EXTENSIONS, _SIDECAR}


def _path(name: str) -> str:
    return f"{name[:2]}/{name[2:4]}/{name}"


def _why(error: ImageStoreError) -> str:
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or "it is not a regular file"

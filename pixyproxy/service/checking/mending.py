"""Mending what a check has found, as far as nothing can be lost by it."""

import asyncio
from dataclasses import asdict, replace
from datetime import UTC, datetime

from pixyproxy.core.exceptions import ImageStoreError
from pixyproxy.core.models import ContentType, Generation, GenerationStatus, ImageDetail
from pixyproxy.data.files.layout import FileName
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.checking.files import Fault, FaultCode, compare, why
from pixyproxy.service.checking.sidecars import UnusableSidecarError, read_sidecar
from pixyproxy.service.generating.ends import End, Ends
from pixyproxy.service.keeping.describe import MismatchError, Thumbhasher, verify

_OTHER_BYTES = "its sidecar tells of other bytes"


class _UnmendedError(Exception):
    """Why a fault stays as it is."""


class Mender:
    """Mends faults of files one by one.

    A file that no row knows is never removed: its row is written where a sidecar tells it.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        generations: GenerationRepository,
        *,
        store: ImageStore,
        ends: Ends,
    ) -> None:
        self._repository = repository
        self._generations = generations
        self._store = store
        self._ends = ends
        self._thumbhasher = Thumbhasher()

    async def mend(self, fault: Fault) -> Fault:
        """Return the fault mended, or with the reason why it is not."""
        guid = fault.guid or ""
        try:
            match fault.code:
                case FaultCode.FILE_WITHOUT_ROW:
                    await self._write_row(guid, fault.path)
                case FaultCode.DELETED_FILE:
                    await self._delete(fault.path or "")
                case FaultCode.SIDECAR_LEFT:
                    await self._store.drop_sidecar(guid)
                case FaultCode.SIDECAR_WITHOUT_FILE:
                    await self._drop_lone_sidecar(guid)
                case _:
                    return fault
        except (_UnmendedError, UnusableSidecarError) as error:
            return replace(fault, detail=f"{fault.detail}; {error}")
        except ImageStoreError as error:
            return replace(fault, detail=f"{fault.detail}; {why(error)}")
        return replace(fault, mended=True)

    async def _write_row(self, guid: str, path: str | None) -> None:
        """Write the row that a file's sidecar tells, if the file is what the sidecar announces."""
        image = await read_sidecar(self._store, guid)
        if path != FileName(guid, image.content_type).path:
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

    async def _delete(self, path: str) -> None:
        """Remove what a deletion left; housekeeping writes down that it is gone."""
        match FileName.parse(path.rpartition("/")[2]):
            case FileName(guid, None):
                await self._store.drop_sidecar(guid)
            case FileName(guid, ContentType() as content_type):
                await self._store.delete(guid, content_type)

    async def _compare(self, image: ImageDetail) -> ImageDetail:
        """Raise unless the file is what its sidecar says; return what more can be said of it."""
        # It is not read whole before its size is known.
        found = await self._store.digest(image.guid, image.content_type)
        if compare(image, found):
            raise _UnmendedError(_OTHER_BYTES)
        data = bytes(await self._store.read(image.guid, image.content_type))
        try:
            facts = await asyncio.to_thread(verify, image, data)
        except MismatchError as error:
            raise _UnmendedError(_why_not(error)) from None
        return await self._thumbhasher.add(image.model_copy(update=asdict(facts)), data)

    async def _drop_lone_sidecar(self, guid: str) -> None:
        """Remove a sidecar without an image, once nobody can be writing the image any more."""
        generation = await self._generation_of(await read_sidecar(self._store, guid))
        if generation is None or not generation.status.is_final:
            raise _UnmendedError("its image may still come")
        await self._store.drop_sidecar(guid)

    async def _generation_of(self, image: ImageDetail) -> Generation | None:
        if image.generation_guid is None:
            return None
        async with self._generations.open_context() as context:
            found = await self._generations.get_generations(context, [image.generation_guid])
        return found[0] if found else None


def _why_not(mismatch: MismatchError) -> str:
    match mismatch.field:
        case None:
            return "it is not a whole image"
        case "sha256":
            return _OTHER_BYTES
        case field:
            return f"its sidecar tells another {field}"


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

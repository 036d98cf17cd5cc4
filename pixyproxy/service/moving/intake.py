"""Taking images in: many files at a time, then their rows, in the order in which they came."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress

from pixyproxy.core.exceptions import ImageStoreError
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.files.store import Digest, ImageStore
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.data.repositories.transfers import TransferRepository

ROWS_AT_ONCE = 250
"""How many rows are written in one transaction."""
FILES_AT_ONCE = 16
"""At most this many files are written at once: each waits for the disk most of the time."""
BYTES_AT_ONCE = 64 * 2**20
"""And at most this many bytes, or one file."""


class Intake:
    """A file comes first, with its row beside it; the row later, with others in a transaction.

    So an image is found only when it is whole. What a crash leaves, files and sidecars, is written
    anew by the next import of the same, or told and mended by `pixyproxy fsck`.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        transfers: TransferRepository,
        curation: CurationRepository,
        *,
        store: ImageStore,
    ) -> None:
        self._repository = repository
        self._curation = curation
        self._transfers = transfers
        self._store = store
        self._images: list[ImageDetail] = []
        self._writing: dict[asyncio.Task[None], int] = {}

    async def check(self) -> None:
        """Raise a StorageException unless something can be kept."""
        await self._store.check_writable()
        async with self._transfers.open_context() as context:
            await context.check()

    async def known(self, guids: Collection[str]) -> tuple[dict[str, str], set[str]]:
        """Return which images there are, with their SHA-256, and which were deleted.

        Those that were put are there already.
        """
        async with self._transfers.open_context() as context:
            files = await self._repository.get_files(context, list(guids))
            deleted = await self._repository.get_deleted(context, list(guids))
        present = {image.guid: image.sha256 for image in self._images if image.guid in guids}
        return present | {file.guid: file.sha256 for file in files}, deleted

    async def is_whole(self, image: ImageDetail) -> bool:
        """Tell whether the file of an image that is there is what it ought to be.

        One that was only just put is.
        """
        if any(image.guid == put.guid for put in self._images):
            return True
        try:
            found = await self._store.digest(image.guid, image.content_type)
        except ImageStoreError:
            return False
        return found == Digest(image.byte_size, image.sha256)

    async def restore(self, image: ImageDetail, data: bytes) -> None:
        """Write the file anew of an image that is there. Raises a StorageException."""
        await self._store.write(image.guid, image.content_type, data)

    async def put(self, image: ImageDetail, data: bytes) -> int:
        """Take in an image that is not there. Returns how many rows were written by now.

        Raises a StorageException.
        """
        while self._writing and (
            len(self._writing) >= FILES_AT_ONCE
            or sum(self._writing.values()) + len(data) > BYTES_AT_ONCE
        ):
            await self._wait(asyncio.FIRST_COMPLETED)
        self._images.append(image)
        self._writing[asyncio.create_task(self._write(image, data))] = len(data)
        return await self.flush() if len(self._images) >= ROWS_AT_ONCE else 0

    async def flush(self) -> int:
        """Write the rows of all images that were put. Returns how many were written.

        Not written are those that somebody else has written, or deleted, meanwhile.
        """
        await self._wait(asyncio.ALL_COMPLETED)
        images, self._images = self._images, []
        written = await self._create_rows(images)
        await asyncio.gather(*(self._store.drop_sidecar(image.guid) for image in images))
        if images:
            await self.check()
        return written

    async def aclose(self) -> None:
        """Give up what is being written."""
        for task in self._writing:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write(self, image: ImageDetail, data: bytes) -> None:
        sidecar = image.model_dump_json().encode()
        await self._store.write(image.guid, image.content_type, data, sidecar)

    async def _wait(self, until: str) -> None:
        if not self._writing:
            return
        done, _ = await asyncio.wait(self._writing, return_when=until)
        for task in done:
            del self._writing[task]
            task.result()

    async def _create_rows(self, images: Sequence[ImageDetail]) -> int:
        if not images:
            return 0
        async with self._transfers.open_context() as context:
            await self._curation.add_tags(context, {tag for image in images for tag in image.tags})
            await context.begin_transaction()
            added = await self._repository.add_images(context, images)
            tags = (image.tags for image in images if image.guid in added)
            await self._curation.count_tags(context, Counter(itertools.chain.from_iterable(tags)))
            await context.commit_transaction()
        return len(added)

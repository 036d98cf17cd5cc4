"""Moving the files of images from one store to another, beside the running service."""

import asyncio

from pixyproxy.core.exceptions import ImageStoreError, MissingFileError
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.images import ImageFile, ImageRepositoryInterface
from pixyproxy.service.checking.files import Fault, FileCheck, compare, unreadable
from pixyproxy.service.keeping.describe import digest_of

FILES_AT_ONCE = 8
"""At most this many files are compared or copied at once, and are in memory."""


class ImageMigration(FileCheck):
    """Checks the files of a target, and copies those that are not there, or not whole.

    What is there already is read and not written: it may be begun again at any time. Nothing is
    removed from the source.
    """

    def __init__(
        self, repository: ImageRepositoryInterface, *, source: ImageStore, target: ImageStore
    ) -> None:
        super().__init__(repository, store=target)
        self._source = source
        self._target = target
        self._slots = asyncio.Semaphore(FILES_AT_ONCE)

    async def check_writable(self) -> None:
        """Raise a StorageException unless the target can be written to."""
        await self._target.check_writable()

    async def look_at_file(self, file: ImageFile) -> list[Fault]:
        """Return what is wrong with a file, after copying it where that may help.

        Raises a StorageException where the target cannot be written to.
        """
        async with self._slots:
            if not await super().look_at_file(file):
                return []
            try:
                data = bytes(await self._source.read(file.guid, file.content_type))
            except MissingFileError:
                fault = compare(file, None)
                return [fault] if fault else []
            except ImageStoreError as error:
                return [unreadable(file, error)]
            if fault := compare(file, await asyncio.to_thread(digest_of, data)):
                return [fault]
            await self._target.write(file.guid, file.content_type, data)
            return await super().look_at_file(file)

"""The trash: what is in it comes back, or goes for good."""

import logging
from datetime import UTC, datetime

from pixyproxy.core.exceptions import ImageGoneError, ImageNotFoundError
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.data.repositories.trash import TrashRepository
from pixyproxy.service.absence import why_absent
from pixyproxy.service.curating.curation import Curation, Forget

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""How many images whose time is over are deleted at a time."""


class Trash:
    """Restores deleted images, and deletes them for good. Raises leaves of PixyProxyException.

    What is in it stays until the time that it was given when it was deleted, whatever is set later.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        curations: CurationRepository,
        trash: TrashRepository,
        *,
        curation: Curation,
        forget: Forget,
    ) -> None:
        self._repository = repository
        self._curations = curations
        self._trash = trash
        self._curation = curation
        self._forget = forget

    async def restore_image(self, guid: str) -> None:
        """Have an image back where it was. One that is there already stays as it is.

        Raises ImageNotFoundError, and ImageGoneError where it was deleted for good.
        """
        if await self._put_back(guid):
            logger.info("restored image %s", guid)
            self._repository.look_anew()
            await self._forget(guid)
            return
        async with self._repository.open_context() as context:
            found = await self._repository.get_images(context, [guid])
        if not found:
            raise await why_absent(self._repository, guid)

    async def purge_image(self, guid: str) -> None:
        """Delete an image for good and at once, be it in the trash or not.

        Raises ImageNotFoundError and ImageGoneError.
        """
        absent: ImageNotFoundError | ImageGoneError
        for _ in range(2):  # it may be on its way from one to the other
            try:
                await self._curation.delete_image(guid, for_good=True)
            except (ImageNotFoundError, ImageGoneError) as error:
                absent = error
            else:
                return
            if await self._destroy(guid):
                return
        raise absent

    async def empty(self) -> int:
        """Delete for good all that is in the trash; return how many images that is.

        The first go at once, and housekeeping deletes the rest; none can be restored any more.
        """
        async with self._trash.open_context() as context:
            count = await self._trash.expire_all(context, datetime.now(UTC))
        await self._purge_some()
        return count

    async def purge_expired(self) -> None:
        """Delete for good all images whose time is over."""
        while await self._purge_some():
            pass

    async def _purge_some(self) -> bool:
        """Delete the images whose time was over first; tell whether there may be more."""
        async with self._trash.open_context() as context:
            guids = await self._trash.list_expired(context, datetime.now(UTC), AT_ONCE)
        for guid in guids:
            await self._destroy(guid, only_expired=True)
        return len(guids) == AT_ONCE

    async def _put_back(self, guid: str) -> bool:
        """Put an image's row back, if it can be restored; tell whether it was."""
        now = datetime.now(UTC)
        async with self._trash.open_context() as context:
            found = await self._trash.get_image(context, guid)
            if found is None or found.kept_until <= now:
                return False
            await self._curations.add_tags(context, found.tags)
        # In a context of its own: none may hold a connection while it waits for its turn to write.
        async with self._trash.open_context() as context:
            await context.begin_transaction()
            locked = await self._trash.lock_image(context, guid)
            if locked is None or locked[1].kept_until <= now:
                return False
            await self._trash.restore(context, *locked, now)
            await context.commit_transaction()
        return True

    async def _destroy(self, guid: str, *, only_expired: bool = False) -> bool:
        """Delete an image for good, if it is in the trash; tell whether it was."""
        now = datetime.now(UTC)
        async with self._trash.open_context() as context:
            await context.begin_transaction()
            locked = await self._trash.lock_image(context, guid)
            if locked is None or (only_expired and locked[1].kept_until > now):
                return False
            await self._trash.destroy(context, locked[1], now)
            await context.commit_transaction()
        await self._curation.finish_deletion(locked[1])
        return True

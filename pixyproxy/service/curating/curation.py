"""The life of kept images: their tags, their end, and what there is of them in all."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pixyproxy.core.exceptions import (
    ConstraintViolationError,
    FieldFault,
    ImageStoreError,
    StorageException,
)
from pixyproxy.core.fields import TagName, Text
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.statistics import Stats, Tag
from pixyproxy.core.text import fold_tag
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.service.absence import why_absent
from pixyproxy.service.validation import validate

logger = logging.getLogger(__name__)

MAX_TAGS_OF_IMAGE = 50
MAX_TAGS_LISTED = 100
_AT_ONCE = 1000
"""At most this many unfinished deletions are looked for at a time."""
_LEFT_ALONE = timedelta(seconds=10)
"""How old a deletion is at least before it counts as cut short, and is finished by others."""

Forget = Callable[[str], Awaitable[None]]


class TagChange(BaseModel):
    """Which tags an image is to have, and not to have, from now on."""

    model_config = ConfigDict(extra="forbid", strict=True)

    add_tags: list[TagName] = Field(
        [], max_length=MAX_TAGS_OF_IMAGE, description="Tags that it is to have."
    )
    remove_tags: list[TagName] = Field(
        [], max_length=MAX_TAGS_OF_IMAGE, description="Tags that it is not to have."
    )


class TagListing(BaseModel):
    """Which tags are asked for."""

    model_config = ConfigDict(strict=True)

    first: int = Field(ge=1, le=MAX_TAGS_LISTED)
    prefix: Text | None = Field(None, max_length=1000)


class Curation:
    """Tags and deletes images. Raises leaves of PixyProxyException.

    `forget` is told of each image that is changed or deleted: what is made of it must go too.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        curation: CurationRepository,
        blocks: SearchBlocks,
        *,
        store: ImageStore,
        forget: Forget,
        trash_days: int = 0,
    ) -> None:
        self._repository = repository
        self._curation = curation
        self._blocks = blocks
        self._store = store
        self._forget = forget
        self._trashed_for = timedelta(days=trash_days)

    async def delete_image(self, guid: str, *, for_good: bool = False) -> ImageDetail:
        """Delete an image, into the trash where there is one; return what it was.

        For good: its row, then its bytes. Where the bytes cannot be deleted now, they are served
        no more, and deleted later. Raises ImageNotFoundError and ImageGoneError.
        """
        now = datetime.now(UTC)
        kept_until = None if for_good or not self._trashed_for else now + self._trashed_for
        async with self._curation.open_context() as context:
            await context.begin_transaction()
            found = await self._curation.lock_image(context, guid) if is_guid(guid) else None
            if found is not None:
                await self._curation.delete(context, *found, now, kept_until=kept_until)
                await context.commit_transaction()
        if found is None:
            raise await why_absent(self._repository, guid)
        _, image = found
        if kept_until is None:
            await self.finish_deletion(image)
        else:
            logger.info("moved image %s to the trash", guid)
            await self._forget(guid)
        return image

    async def finish_deletion(self, image: ImageDetail) -> None:
        """Delete the bytes of an image that has become a tombstone, now if possible."""
        logger.info("deleted image %s", image.guid)
        await self._forget(image.guid)
        try:
            await self._delete_bytes(image.guid, image.content_type)
        except StorageException as error:
            logger.warning("bytes of %s cannot be deleted yet: %s", image.guid, error.reason)

    async def update_image(self, guid: str, changes: dict[str, Any]) -> ImageDetail:
        """Give an image tags, or take them away; return what it is now.

        Raises ImageNotFoundError and ImageGoneError.
        """
        change = self.check_tags(changes)
        async with self._curation.open_context() as context:
            if change.add_tags and await self._repository.get_images(context, [guid]):
                await self._curation.add_tags(context, change.add_tags)
        # In a context of its own: none may hold a connection while it waits for its turn to write.
        async with self._curation.open_context() as context:
            await context.begin_transaction()
            found = await self._curation.lock_image(context, guid) if is_guid(guid) else None
            if found is not None:
                id_, image = found
                image, counts = _changed(image, change)
                if counts:
                    await self._curation.count_tags(context, counts)
                    new = [name for name, count in counts.items() if count > 0]
                    await self._curation.set_tags(context, id_, image, new)
                    await context.commit_transaction()
        if found is None:
            raise await why_absent(self._repository, guid)
        await self._forget(guid)
        return image

    @staticmethod
    def check_tags(changes: dict[str, Any]) -> TagChange:
        """Return the change that is asked for. Raises ConstraintViolationError."""
        change = validate(TagChange, changes)
        if both := sorted(set(change.add_tags) & set(change.remove_tags)):
            message = f"must not add what is removed: {', '.join(both)}"
            raise ConstraintViolationError([FieldFault("add_tags", message)])
        return change

    async def list_tags(self, *, first: int, prefix: str | None = None) -> list[Tag]:
        """Return the tags that begin so, whatever the case, the most used first."""
        listing = validate(TagListing, {"first": first, "prefix": prefix})
        folded = fold_tag(listing.prefix or "")
        async with self._curation.open_context() as context:
            return await self._curation.list_tags(context, prefix=folded, first=listing.first)

    async def get_stats(self) -> Stats:
        """Return how many images there are, and what they take."""
        async with self._curation.open_context() as context:
            entries = await self._blocks.get_stats(context)
        return Stats(
            image_count=sum(entry.image_count for entry in entries),
            byte_size=sum(entry.byte_size for entry in entries),
            entries=tuple(entries),
        )

    async def finish_deletions(self) -> None:
        """Delete the bytes of images that were deleted, where a process died before it did."""
        before = datetime.now(UTC) - _LEFT_ALONE
        async with self._curation.open_context() as context:
            unfinished = await self._curation.list_unfinished(context, before, _AT_ONCE)
        for guid, content_type in unfinished:
            await self._forget(guid)
            try:
                await self._delete_bytes(guid, content_type)
            except ImageStoreError as error:
                logger.warning("bytes of %s cannot be deleted yet: %s", guid, error.reason)
            else:
                logger.info("deleted the bytes of image %s", guid)

    async def _delete_bytes(self, guid: str, content_type: ContentType) -> None:
        await self._store.delete(guid, content_type)
        async with self._curation.open_context() as context:
            await self._curation.finish(context, guid)


def _changed(image: ImageDetail, change: TagChange) -> tuple[ImageDetail, dict[str, int]]:
    """Return the image with its new tags, and how each tag's count changes."""
    names = (set(image.tags) | set(change.add_tags)) - set(change.remove_tags)
    if len(names) > MAX_TAGS_OF_IMAGE:
        message = f"an image has at most {MAX_TAGS_OF_IMAGE} tags"
        raise ConstraintViolationError([FieldFault("add_tags", message)])
    counts = dict.fromkeys(names - set(image.tags), 1)
    counts |= dict.fromkeys(set(image.tags) - names, -1)
    now = max(datetime.now(UTC), image.updated_at + timedelta(microseconds=1))
    changed = {"tags": tuple(sorted(names)), "updated_at": now} if counts else {}
    return image.model_copy(update=changed), counts

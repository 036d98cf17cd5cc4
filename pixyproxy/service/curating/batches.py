"""The same done to many images at once: to some of them it may be done, and to others not."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pixyproxy.core.exceptions import PixyProxyException, StorageException
from pixyproxy.core.fields import Text
from pixyproxy.service.curating.curation import Curation, TagChange
from pixyproxy.service.curating.trash import Trash
from pixyproxy.service.validation import validate

MAX_BATCH = 500
"""How many images one call may name."""

Guid = Annotated[Text, Field(max_length=36)]


class ImageBatch(BaseModel):
    """Which images something is to be done to."""

    model_config = ConfigDict(extra="forbid", strict=True)

    guids: list[Guid] = Field(
        min_length=1, max_length=MAX_BATCH, description=f"The images' GUIDs, at most {MAX_BATCH}."
    )


class TagChangeBatch(ImageBatch, TagChange):
    """Which tags these images are to have, and not to have, from now on."""


class BatchFailure(BaseModel):
    """An image to which it could not be done."""

    model_config = ConfigDict(frozen=True)

    guid: str = Field(description="The image's GUID.")
    code: str = Field(description="What went wrong, for programs: an error's code.")


class BatchResult(BaseModel):
    """What became of each image that was named."""

    model_config = ConfigDict(frozen=True)

    done: list[str] = Field(description="The GUIDs of the images to which it was done.")
    failed: list[BatchFailure] = Field(description="The images to which it could not be done.")


class Batches:
    """Changes and deletes many images. Raises ConstraintViolationError where nothing is begun."""

    def __init__(self, curation: Curation, trash: Trash) -> None:
        self._curation = curation
        self._trash = trash

    async def update_images(self, given: dict[str, Any]) -> BatchResult:
        """Give images tags, or take them away, each image in a transaction of its own."""
        batch = validate(TagChangeBatch, given)
        changes = {"add_tags": batch.add_tags, "remove_tags": batch.remove_tags}
        self._curation.check_tags(changes)
        return await _do_to_each(
            batch.guids, lambda guid: self._curation.update_image(guid, changes)
        )

    async def delete_images(self, given: dict[str, Any]) -> BatchResult:
        """Delete images: into the trash where there is one, else for good, with their bytes."""
        batch = validate(ImageBatch, given)
        return await _do_to_each(batch.guids, self._curation.delete_image)

    async def restore_images(self, given: dict[str, Any]) -> BatchResult:
        """Take images out of the trash, to where they were."""
        batch = validate(ImageBatch, given)
        return await _do_to_each(batch.guids, self._trash.restore_image)

    async def purge_images(self, given: dict[str, Any]) -> BatchResult:
        """Delete images for good, with their bytes, be they in the trash or not."""
        batch = validate(ImageBatch, given)
        return await _do_to_each(batch.guids, self._trash.purge_image)


async def _do_to_each(guids: list[str], do: Callable[[str], Awaitable[Any]]) -> BatchResult:
    """Do it to each image once, one after the other; where keeping is at fault, to no more."""
    done: list[str] = []
    failed: list[BatchFailure] = []
    at_fault: StorageException | None = None
    for guid in dict.fromkeys(guids):
        if at_fault is None:
            try:
                await do(guid)
            except StorageException as error:
                at_fault = error
            except PixyProxyException as error:
                failed.append(BatchFailure(guid=guid, code=error.code))
                continue
            else:
                done.append(guid)
                continue
        failed.append(BatchFailure(guid=guid, code=at_fault.code))
    return BatchResult(done=done, failed=failed)

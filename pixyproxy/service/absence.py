"""Why there is no image of a GUID: it was deleted, or it never was."""

from pixyproxy.core.exceptions import ImageGoneError, ImageNotFoundError
from pixyproxy.core.guid import is_guid
from pixyproxy.data.repositories.images import ImageRepositoryInterface


async def why_absent(
    repository: ImageRepositoryInterface, guid: str
) -> ImageGoneError | ImageNotFoundError:
    """Return the error to raise for a GUID that no image has; it may be any text."""
    if not is_guid(guid):
        return ImageNotFoundError()
    async with repository.open_context() as context:
        deleted = await repository.get_deleted(context, [guid])
    return ImageGoneError() if deleted else ImageNotFoundError()

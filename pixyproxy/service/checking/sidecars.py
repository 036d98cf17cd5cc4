"""Sidecars: what was written beside an image's file until its row was there."""

from pydantic import ValidationError

from pixyproxy.core.models import ImageDetail
from pixyproxy.data.files.store import ImageStore
from pixyproxy.service.keeping.storable import StorableImage


class UnusableSidecarError(Exception):
    """There is no sidecar that tells of the image; the text says why."""


async def read_sidecar(store: ImageStore, guid: str) -> ImageDetail:
    """Return the image that its sidecar tells of. Its bytes may be others.

    Raises UnusableSidecarError and ImageStoreError.
    """
    sidecar = await store.read_sidecar(guid)
    if sidecar is None:
        raise UnusableSidecarError("there is no sidecar to read")
    try:
        image = StorableImage.model_validate_json(sidecar)
    except ValidationError as error:
        fields = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
        what = ", ".join(sorted(fields & StorableImage.model_fields.keys())) or "JSON"
        raise UnusableSidecarError(f"its sidecar's {what} will not do") from None
    if image.guid != guid:
        raise UnusableSidecarError("its sidecar tells of another image")
    return image

"""From the place that an operator names, a folder or a URL, to the store of images there."""

from pathlib import Path

from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.files.store import ImageStore


def make_store(place: str | Path, *, min_free_mb: int) -> ImageStore:
    """Return the store at a place. Raises ValueError where it cannot be one."""
    if isinstance(place, Path):
        return FolderStore(place, min_free_mb=min_free_mb)
    # obstore takes 20 MB of memory, which a service that keeps files need not hold.
    from pixyproxy.data.files.objects import ObjectStore  # noqa: PLC0415

    return ObjectStore(place)

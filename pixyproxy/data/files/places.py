"""Where images are kept, as an operator names it: a folder, or the URL of an object store."""

import re
from pathlib import Path

from pixyproxy.data.files.folder import FolderStore
from pixyproxy.data.files.store import ImageStore

SCHEMES = ("s3", "gs", "az")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)")


def read_place(place: str | Path) -> str | Path:
    """Return a folder, or a URL as it is. Raises ValueError where the URL is of no known kind."""
    match = _URL.match(str(place))
    if match is None or isinstance(place, Path):
        return Path(place)
    scheme, rest = match.groups()
    if scheme not in SCHEMES or not re.fullmatch(r"[^/\s@?#]+(/[^\s@?#]*)?", rest):
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(
            f"must be a folder, or a URL that begins with {known} and names a bucket (and perhaps "
            "a prefix), without credentials"
        )
    return str(place).rstrip("/")


def make_store(place: str | Path, *, min_free_mb: int) -> ImageStore:
    """Return the store at a place. Raises ValueError where it cannot be one."""
    if isinstance(place, Path):
        return FolderStore(place, min_free_mb=min_free_mb)
    # obstore takes 20 MB of memory, which a service that keeps files need not hold.
    from pixyproxy.data.files.objects import ObjectStore  # noqa: PLC0415

    return ObjectStore(place)

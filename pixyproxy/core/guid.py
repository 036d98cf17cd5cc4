"""GUIDs: the public names of images."""

import re
import uuid

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def make_guid() -> str:
    """Return a new random GUID (UUIDv4), in lower case with hyphens."""
    return str(uuid.uuid4())


def is_guid(text: str) -> bool:
    """Tell whether `text` is spelled exactly as `make_guid` spells a GUID."""
    return _GUID.fullmatch(text) is not None

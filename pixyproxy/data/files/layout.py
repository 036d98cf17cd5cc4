"""Where the files of an image lie, in a folder or an object store: `ab/cd/<guid>.<extension>`.

The first four digits of the GUID, `abcd`, are the shard. Beside an image lies, until its row is
there, its sidecar: `<guid>.json`, which holds the row that is to come.
"""

import re
from dataclasses import dataclass
from typing import Self

from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ContentType

MAX_SIDECAR_BYTES = 2**20

_SIDECAR = "json"
_BY_EXTENSION: dict[str, ContentType | None] = {_SIDECAR: None} | {
    content_type.extension: content_type for content_type in ContentType
}
_SHARD_FOLDER = re.compile("[0-9a-f]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileName:
    """The name of a file that the service writes: an image's, or without a type its sidecar's."""

    guid: str
    content_type: ContentType | None = None

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Return what a name says; None where the service gives no file such a name."""
        guid, _, extension = name.partition(".")
        if not is_guid(guid) or extension not in _BY_EXTENSION:
            return None
        return cls(guid, _BY_EXTENSION[extension])

    def __str__(self) -> str:
        extension = _SIDECAR if self.content_type is None else self.content_type.extension
        return f"{self.guid}.{extension}"

    @property
    def is_sidecar(self) -> bool:
        """Whether it is a sidecar's name."""
        return self.content_type is None

    @property
    def path(self) -> str:
        """Where the file lies, from the folder of the images."""
        return f"{shard_path(self.guid)}/{self}"


def shard_folders(shard: str) -> tuple[str, str]:
    """Return the names of a shard's two folders, by the shard or by a GUID in it."""
    return shard[:2], shard[2:4]


def shard_path(shard: str) -> str:
    """Return where a shard's files lie, by the shard or by a GUID in it."""
    return "/".join(shard_folders(shard))


def is_shard_folder(name: str) -> bool:
    """Tell whether the name is one of a shard's two folders'."""
    return _SHARD_FOLDER.fullmatch(name) is not None

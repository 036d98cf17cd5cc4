"""What an export or import tells while it goes on."""

from dataclasses import dataclass
from enum import StrEnum


class ImportFaultCode(StrEnum):
    """Why something was not imported as it is."""

    CONFLICT = "conflict"
    """The archive has another file, or another use of the key, under the same name."""
    DAMAGED = "damaged"
    """A file is not what its line says, or no whole image."""
    MISSING = "missing"
    """A line's file is not there."""
    INVALID = "invalid"
    """A line cannot be read."""
    CUT_OFF = "cut-off"
    """The export was not finished."""
    UNREADABLE = "unreadable"
    """A file or folder may not be read."""


@dataclass(frozen=True, slots=True)
class ImportFault:
    """One thing that was not imported, or not as it is in the source."""

    code: ImportFaultCode
    name: str
    """A GUID, or a path."""
    detail: str


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How many more are done; of what, the name says."""

    name: str
    count: int
    share: float | None = None
    """How much of the whole is done, 0 to 1; None where nobody knows."""

"""Cursors: places in a list, which stay where they are while the list grows."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault

_SCRAMBLE = 0x9E37_79B9_7F4A_7C15
_UNSCRAMBLE = pow(_SCRAMBLE, -1, 2**64)
_MAX_ID = 2**48
MAX_CURSOR_CHARS = 64


def make_cursor(id_: int) -> str:
    """Return the cursor of an image, by its internal id, which it does not show."""
    return urlsafe_b64encode(struct.pack(">Q", id_ * _SCRAMBLE % 2**64)).decode().rstrip("=")


def read_cursor(cursor: str, field: str) -> int:
    """Return the id that a cursor stands for. Raises ConstraintViolationError."""
    try:
        (number,) = struct.unpack(">Q", urlsafe_b64decode(cursor + "="))
    except (ValueError, struct.error):
        number = 0
    id_: int = number * _UNSCRAMBLE % 2**64
    if not 0 < id_ < _MAX_ID:
        fault = FieldFault(field, "must be a cursor as an earlier answer gave it")
        raise ConstraintViolationError([fault])
    return id_

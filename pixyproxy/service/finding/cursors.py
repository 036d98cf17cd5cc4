"""Cursors: places in a list, which stay where they are while the list grows.

A cursor is the internal id of an image, encrypted so that the same id has the same cursor: the tag
is a keyed hash of the id, and the id is covered by a keyed hash of the tag (the construction is
called SIV; RFC 5297 does it with AES). So a cursor tells nothing of the id, not even roughly, and
one that was altered, or that another database gave, is known by its tag.
"""

import hmac
from base64 import b64decode, urlsafe_b64encode
from contextlib import suppress
from hashlib import blake2b

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault

MAX_CURSOR_CHARS = 64

_ID_BYTES = 8
_TAG_BYTES = 16
_CHARS = (_TAG_BYTES + _ID_BYTES) * 4 // 3


class Cursors:
    """Makes and reads the cursors of one database, with a key of its own of 16 to 64 bytes."""

    def __init__(self, key: bytes) -> None:
        self._tag_hash = blake2b(key=key, digest_size=_TAG_BYTES, person=b"cursor tag")
        self._cover_hash = blake2b(key=key, digest_size=_ID_BYTES, person=b"cursor cover")

    def make(self, id_: int) -> str:
        """Return the cursor of an image, by its internal id: 32 characters, fit for URLs."""
        plain = id_.to_bytes(_ID_BYTES, "big")
        tag = self._tag(plain)
        return urlsafe_b64encode(tag + self._cover(plain, tag)).decode()

    def read(self, cursor: str, field: str) -> int:
        """Return the id that a cursor stands for.

        Raises ConstraintViolationError, for this field of the request, unless this database gave
        the cursor.
        """
        if len(cursor) == _CHARS:
            with suppress(ValueError):
                data = b64decode(cursor, altchars=b"-_", validate=True)
                tag, covered = data[:_TAG_BYTES], data[_TAG_BYTES:]
                plain = self._cover(covered, tag)
                if hmac.compare_digest(self._tag(plain), tag):
                    return int.from_bytes(plain, "big")
        fault = FieldFault(field, "must be a cursor as an earlier answer gave it")
        raise ConstraintViolationError([fault])

    def _tag(self, plain: bytes) -> bytes:
        keyed = self._tag_hash.copy()
        keyed.update(plain)
        return keyed.digest()

    def _cover(self, data: bytes, tag: bytes) -> bytes:
        """Cover an id, or uncover it."""
        keyed = self._cover_hash.copy()
        keyed.update(tag)
        number = int.from_bytes(data, "big") ^ int.from_bytes(keyed.digest(), "big")
        return number.to_bytes(_ID_BYTES, "big")

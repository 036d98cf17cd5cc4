"""Conditional requests and ranges: what RFC 9110 has in sections 13 and 14."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus

from starlette.exceptions import HTTPException

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a resource from another."""

    etag: str
    """A strong entity tag, with its quotes."""
    modified_at: datetime
    date_is_strong: bool = True
    """Bytes of the same date are the same bytes."""

    @property
    def last_modified(self) -> str:
        """The header's value: whole seconds."""
        return formatdate(int(self.modified_at.timestamp()), usegmt=True)


def is_unmodified(headers: Mapping[str, str], validators: Validators) -> bool:
    """Tell whether the client has the bytes already (RFC 9110, 13.2.2).

    Raises an HTTPException where the client wants none but bytes that there are not.
    """
    if (tags := headers.get("if-match")) is not None:
        if not _matches(tags, validators.etag, weakly=False):
            raise HTTPException(HTTPStatus.PRECONDITION_FAILED)
    elif (since := _date(headers.get("if-unmodified-since"))) is not None and since < int(
        validators.modified_at.timestamp()
    ):
        raise HTTPException(HTTPStatus.PRECONDITION_FAILED)
    if (tags := headers.get("if-none-match")) is not None:
        return _matches(tags, validators.etag, weakly=True)
    since = _date(headers.get("if-modified-since"))
    return since is not None and int(validators.modified_at.timestamp()) <= since


def range_asked(
    headers: Mapping[str, str], validators: Validators, size: int
) -> tuple[int, int] | None:
    """Return the first byte that is asked for, and the one after the last; None: all of them.

    One range is served. Several, and what is no range of bytes, get the whole: that is allowed
    (14.2), and nobody can have a small answer made large. Raises an HTTPException with 416.
    """
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or not _same_state(headers.get("if-range"), validators):
        return None
    first, last = found.groups()
    if max(len(first), len(last)) > _MAX_DIGITS or not first + last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"The image has only {size:,} bytes.",
            {"Content-Range": f"bytes */{size}"},
        )
    return start, end


def _same_state(if_range: str | None, validators: Validators) -> bool:
    """Tell whether the client's part is of these bytes (13.1.5: strong comparison)."""
    if if_range is None or if_range.strip() == validators.etag:
        return True
    return validators.date_is_strong and _date(if_range) == int(validators.modified_at.timestamp())


def _matches(tags: str, etag: str, *, weakly: bool) -> bool:
    found = (tag.strip() for tag in tags.split(","))
    return any(tag in {"*", etag} or (weakly and tag == f"W/{etag}") for tag in found)


def _date(text: str | None) -> float | None:
    """Return the moment of an HTTP date; None where it is none, for then it does not count.

    Any of the three forms may come (5.6.7). All are in GMT, though one of them does not say so.
    """
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

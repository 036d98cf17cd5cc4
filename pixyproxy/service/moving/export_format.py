"""What an export consists of: a folder, or the same files as a tar stream, in this order.

    pixyproxy-export.json     what it is, and its version
    deleted/000001.jsonl      tombstones, one a line
    generations/000001.jsonl  generations with their attempts, one a line
    images/000001.jsonl       images, one a line; in a stream their files follow at once
    files/ab/cd/<guid>.png    an image's file, byte for byte
    complete.json             how many of each there are; an export without it was cut off

Everything is in the order in which it was kept, and nothing tells when or where it was exported: so
an archive that came from an export is exported as the same bytes.
"""

from enum import StrEnum
from typing import Annotated, Self

import orjson
from pydantic import BaseModel, Field, model_validator

from pixyproxy.core.fields import Choice, IdempotencyKey, Text
from pixyproxy.core.models import Attempt, ImageDetail
from pixyproxy.data.files.layout import FileName
from pixyproxy.data.repositories.transfers import MovedGeneration, Tombstone
from pixyproxy.service.keeping.storable import Guid, JsonObject, Moment

VERSION = 1
HEAD = "pixyproxy-export.json"
END = "complete.json"
FILES = "files"
MAX_LINES_BYTES = 8 * 2**20
"""A part has no more bytes of lines than this, unless a single line has more."""
MAX_PART_BYTES = 128 * 2**20
"""No larger part is read. (The longest line holds two texts of 16 MiB, escaped as JSON.)"""
NOT_AN_EXPORT = "this is not an export of PixyProxy"


class Kind(StrEnum):
    """What a part tells of."""

    DELETED = "deleted"
    GENERATIONS = "generations"
    IMAGES = "images"


class StorableTombstone(Tombstone):
    """A tombstone, if every database can hold its row."""

    guid: Guid
    deleted_at: Moment


_Name = Annotated[str, Field(pattern=r"^[ -~]*$", max_length=64)]
_Number = Annotated[int, Field(ge=0, lt=2**31)]


class StorableAttempt(Attempt):
    """A call of a generation, if every database can hold its row."""

    number: _Number
    part: _Number | None
    n: _Number
    image_guids: tuple[Guid, ...]
    error_code: _Name | None = None
    sent_at: Moment
    answered_at: Moment | None = None
    ended_at: Moment | None = None


class StorableGeneration(MovedGeneration):
    """A generation that has ended, if every database can hold its row."""

    guid: Guid
    prompt: Text
    model: Choice
    parameters: JsonObject
    n: _Number
    max_n: _Number
    model_served: Choice | None = None
    upstream_request_id: Annotated[str, Field(pattern=r"^[ -~]*$", max_length=128)] | None = None
    usage: JsonObject | None = None
    caller: _Name
    idempotency_key: IdempotencyKey | None = None
    fingerprint: _Name
    queued_at: Moment
    started_at: Moment | None = None
    answered_at: Moment | None = None
    stored_at: Moment | None = None
    finished_at: Moment | None = None
    attempts: tuple[StorableAttempt, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.status.is_final:
            raise ValueError("it has not ended: where it runs, it may be paid for")
        if any(attempt.generation_guid != self.guid for attempt in self.attempts):
            raise ValueError("its attempts are another generation's")
        if len({attempt.number for attempt in self.attempts}) < len(self.attempts):
            raise ValueError("two of its attempts have one number")
        return self


def head() -> bytes:
    """Return what an export begins with."""
    return _json({"format": "pixyproxy-export", "version": VERSION})


def check_head(data: bytes) -> None:
    """Raise ValueError unless it is an export that can be read."""
    try:
        told = orjson.loads(data)
    except ValueError:
        told = None
    if not isinstance(told, dict) or told.get("format") != "pixyproxy-export":
        raise ValueError(NOT_AN_EXPORT)
    version = told.get("version")
    if not isinstance(version, int) or version < 1:
        raise ValueError(NOT_AN_EXPORT)
    if version > VERSION:
        raise ValueError(
            f"this export has the format's version {version}, and this PixyProxy reads versions up "
            f"to {VERSION}: upgrade it"
        )


def end(counts: dict[Kind, int]) -> bytes:
    """Return what an export ends with."""
    return _json({kind.value: counts[kind] for kind in Kind})


def line(record: BaseModel) -> bytes:
    """Return a record as a line; equal records give equal lines."""
    return _json(record.model_dump())


def part_path(kind: Kind, number: int) -> str:
    """Return where the lines of a part are; they count from 1."""
    return f"{kind}/{number:06}.jsonl"


def file_path(image: ImageDetail) -> str:
    """Return where the file of an image is."""
    return f"{FILES}/{FileName(image.guid, image.content_type).path}"


def _json(value: object) -> bytes:
    options = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(value, option=options)

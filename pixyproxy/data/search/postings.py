"""Postings: which images of a block have a term, as a set of bits and as it is stored.

A term names something that images have in common: a word of their prompts, a tag, a day. Its
first byte says of which kind it is. A block is a range of `block_size` ids: image `id` is bit
`id % block_size` of block `id // block_size`.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pixyproxy.core.criteria import Orientation
from pixyproxy.data.tables import MAX_TERM_BYTES

BLOCK_SIZE = 4096
"""Ids per block. What is newer than the last block is looked through row by row: some 2 ms."""
PREFIX_CHARS = (2, 3)
"""Beginnings of words that are terms; longer ones are few enough to be gathered from words."""

_FREQUENT = 32
"""Words that one in 32 images of a block has are frequent: pairs of those are terms too."""
_MAX_WORD_CHARS = MAX_TERM_BYTES // 4 - 1
_MAX_NUMBER_CHARS = 8
"""Of words with a digit: times in file names would be a term for each image."""


@dataclass(frozen=True, slots=True)
class Field:
    """The kinds of terms of one searched column."""

    column: str
    word: bytes
    prefix: bytes
    pair: bytes


PROMPT = Field("prompt_words", b"p", b"P", b"q")
FILENAME = Field("filename_words", b"f", b"F", b"g")
FIELDS = (PROMPT, FILENAME)


@dataclass(frozen=True, slots=True)
class IndexedRow:
    """What of an image's row is put into the index."""

    id: int
    prompt_words: str
    filename_words: str
    model: str
    content_type: str
    width: int
    height: int
    byte_size: int
    created_at: datetime
    tags: Sequence[str] | None


def word_term(field: Field, word: str) -> bytes:
    """Return the term of a word, or of all that begin like it where it is long."""
    return _term(field.word, word[: _chars_of(word)])


def is_exact(word: str) -> bool:
    """Tell whether no other word has this word's term."""
    return len(word) < _chars_of(word)


def prefix_terms(field: Field, prefix: str) -> tuple[bytes, bytes | None]:
    """Return the term of a prefix; or the first of its words' terms, and what is beyond them."""
    if len(prefix) in PREFIX_CHARS:
        return _term(field.prefix, prefix), None
    first = _term(field.word, prefix[:_MAX_NUMBER_CHARS])
    return first, first + b"\xff"


def is_exact_prefix(prefix: str) -> bool:
    """Tell whether the terms of this prefix are those of no other words."""
    return len(prefix) <= _MAX_NUMBER_CHARS


def pair_term(field: Field, first: str, second: str) -> bytes:
    """Return the term of two words that stand one after the other."""
    return _term(field.pair, f"{first} {second}"[:_MAX_WORD_CHARS])


def model_term(model: str) -> bytes:
    """Return the term of the images by a model, or by several whose long names begin alike."""
    return _term(b"m", model[:_MAX_WORD_CHARS])


def content_type_term(content_type: str) -> bytes:
    """Return the term of the images of a format."""
    return _term(b"c", content_type)


def dimensions_term(dimensions: str) -> bytes:
    """Return the term of the images of just this size, as in 1024x1024."""
    return _term(b"z", dimensions)


def orientation_term(orientation: Orientation) -> bytes:
    """Return the term of the images of this form."""
    return _term(b"o", orientation)


def tag_term(tag: str) -> bytes:
    """Return the term of the images that have a tag, or had it."""
    return _term(b"t", tag[:_MAX_WORD_CHARS])


def day_term(moment: datetime) -> bytes:
    """Return the term of a day in UTC; they sort as the days do."""
    return _term(b"d", moment.astimezone(UTC).isoformat()[:10])


def hour_term(moment: datetime) -> bytes:
    """Return the term of an hour in UTC; they sort as the hours do."""
    return _term(b"h", moment.astimezone(UTC).isoformat()[:13])


def beginning_of_day(moment: datetime) -> bytes:
    """Return what the terms of a day's hours are not below."""
    return hour_term(moment)[: -len("T23")]


def end_of_day(moment: datetime) -> bytes:
    """Return what the terms of a day's hours are below."""
    return beginning_of_day(moment) + b"\xff"


def frequent_in(block_size: int) -> int:
    """Return how many images of a block have a word that is frequent in it, at least."""
    return block_size // _FREQUENT


def build_postings(rows: Iterable[IndexedRow], block_size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the terms of a block's images, in order, with the postings as they are stored."""
    offsets: dict[bytes, list[int]] = defaultdict(list)
    texts: list[tuple[int, Field, list[str]]] = []
    for row in rows:
        offset = row.id % block_size
        terms = {
            model_term(row.model),
            content_type_term(row.content_type),
            dimensions_term(f"{row.width}x{row.height}"),
            orientation_term(Orientation.of(row.width, row.height)),
            day_term(row.created_at),
            hour_term(row.created_at),
            *map(tag_term, row.tags or ()),
        }
        for field in FIELDS:
            cut = getattr(row, field.column).split()
            texts.append((offset, field, cut))
            for word in set(cut):
                terms.add(word_term(field, word))
                terms.update(
                    _term(field.prefix, word[:length])
                    for length in PREFIX_CHARS
                    if length <= len(word)
                )
        for term in terms:
            offsets[term].append(offset)
    _add_pairs(offsets, texts, frequent_in(block_size))
    for term in sorted(offsets):
        yield term, encode(sum(1 << offset for offset in offsets[term]), block_size)


def encode(bits: int, block_size: int) -> bytes:
    """Return a set as it is stored: numbers of 16 bits where those are shorter than all bits."""
    if 16 * bits.bit_count() < block_size:
        numbers = list(_set_bits(bits))
        return struct.pack(f"<{len(numbers)}H", *numbers)
    return bits.to_bytes(block_size // 8, "little")


def decode(stored: bytes, block_size: int) -> int:
    """Return a set of bits as `encode` was given it."""
    if len(stored) == block_size // 8:
        return int.from_bytes(stored, "little")
    bits = 0
    for (number,) in struct.iter_unpack("<H", stored):
        bits |= 1 << number
    return bits


def ids_of(bits: int, block: int, block_size: int, *, newest_first: bool) -> Iterator[int]:
    """Yield the ids of a block's images that are in the set."""
    first = block * block_size
    numbers = _set_bits_backwards(bits) if newest_first else _set_bits(bits)
    return (first + number for number in numbers)


def _add_pairs(
    offsets: dict[bytes, list[int]], texts: Sequence[tuple[int, Field, list[str]]], frequent: int
) -> None:
    often = {term for term, found in offsets.items() if len(found) >= frequent}
    for offset, field, cut in texts:
        terms = [word_term(field, word) for word in cut]
        pairs = {
            pair_term(field, cut[index], cut[index + 1])
            for index in range(len(cut) - 1)
            if terms[index] in often and terms[index + 1] in often
        }
        for pair in pairs:
            offsets[pair].append(offset)


def _chars_of(word: str) -> int:
    return _MAX_NUMBER_CHARS if any(map(str.isdigit, word)) else _MAX_WORD_CHARS


def _term(kind: bytes, value: str) -> bytes:
    return kind + value.encode()


def _set_bits(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _set_bits_backwards(bits: int) -> Iterator[int]:
    while bits:
        highest = bits.bit_length() - 1
        yield highest
        bits ^= 1 << highest

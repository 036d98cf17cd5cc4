"""The language of searches: words, `"phrases"`, `prefix*` and `-exclusions`.

Everything else is ordinary input: no text is an error.
"""

import re
from dataclasses import dataclass

from pixyproxy.core.text import words

MIN_PREFIX_CHARS = 2
"""The star after a single letter counts for nothing: it would match nearly everything."""

_CLAUSE = re.compile(r'(-?)(?:["“”]([^"“”]*)["“”]?|(\S+))')


@dataclass(frozen=True, slots=True)
class Clause:
    """What a text must have, or must not have where it is `excluded`.

    `words` stand somewhere, all of them, or one after the other in a `phrase`. The last one may be
    only the beginning of a word, where it `is_prefix`.
    """

    words: tuple[str, ...]
    phrase: bool = False
    is_prefix: bool = False
    excluded: bool = False


def parse_query(text: str) -> tuple[Clause, ...]:
    """Return the clauses of a search, each once; none where `text` has no words."""
    clauses: dict[Clause, None] = {}
    for minus, quoted, plain in _CLAUSE.findall(text):
        excluded = bool(minus)
        cut = tuple(words(quoted or plain))
        if not cut:
            continue
        if quoted:
            clauses[Clause(cut, phrase=len(cut) > 1, excluded=excluded)] = None
            continue
        is_prefix = plain.endswith("*") and len(cut[-1]) >= MIN_PREFIX_CHARS
        if excluded:
            clauses[Clause(cut, is_prefix=is_prefix, excluded=True)] = None
            continue
        for word in cut[:-1]:
            clauses[Clause((word,))] = None
        clauses[Clause(cut[-1:], is_prefix=is_prefix)] = None
    return tuple(clauses)

"""Words: how prompts, file names and queries are cut for search, and names made safe for files."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from functools import cache

_PROMPT_CHARS_IN_FILENAME = 27
_LATIN_ACCENTS = re.compile("[\u0300-\u036f]+")
_CJK = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Han, kana, bopomofo and hangul: written without spaces, or with endings that stick to words."""
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


@cache
def _word() -> re.Pattern[str]:
    """What is searched for: a run of letters, digits and marks, a CJK character, a symbol.

    (Made once, when needed.)
    """
    symbols = _characters_of("So")
    return re.compile(rf"[{_CJK}{symbols}]|(?![_{_CJK}])\w(?:(?![_{_CJK}])[\w{_marks()}])*")


@cache
def _run() -> re.Pattern[str]:
    """What a file name keeps together: letters, digits and marks of any script."""
    return re.compile(rf"(?!_)\w(?:(?!_)[\w{_marks()}])*")


@cache
def _marks() -> str:
    return _characters_of("Mn", "Mc", "Me")


def _characters_of(*categories: str) -> str:
    """Return the characters of these categories, as ranges."""
    codes = (code for code in range(0x300, 0x1FC00) if code not in _VARIATION_SELECTORS)
    return "".join(_ranges(code for code in codes if unicodedata.category(chr(code)) in categories))


def _ranges(codes: Iterable[int]) -> Iterable[str]:
    first = last = -1
    for code in codes:
        if code != last + 1:
            if first >= 0:
                yield f"{chr(first)}-{chr(last)}"
            first = code
        last = code
    yield f"{chr(first)}-{chr(last)}"


def fold(text: str) -> str:
    """Return `text` without case and Latin accents, so that equal words compare equal.

    NFKD, U+0300 to U+036F dropped, NFKC, case folded; other scripts' marks stay.
    """
    if text.isascii():
        return text.lower()
    bare = _LATIN_ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare).casefold()


def words(text: str) -> list[str]:
    """Cut `text` into folded words. Each CJK character and each symbol is a word of its own."""
    return _word().findall(fold(text))


def searchable(text: str) -> str:
    """Return the words of `text` with a space on each side, as they are stored for search."""
    return f" {' '.join(words(text))} "


def fold_tag(text: str) -> str:
    """Return a tag as it is kept: case, widths and white space made alike."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def make_filename(prompt: str, created_at: datetime, guid: str, extension: str) -> str:
    """Return a file name for people: the prompt's beginning, the time, and enough to be unique.

    Holds letters and digits of any script, and hyphens; so it is safe in every file system, URL
    and header, and its words can be searched.
    """
    beginning = unicodedata.normalize("NFC", prompt[:_PROMPT_CHARS_IN_FILENAME])
    stem = "-".join(_run().findall(beginning)) or "image"
    return f"{stem}-{created_at:%Y%m%dT%H%M%S}-{guid[:8]}.{extension}"


def check_storable(text: str) -> str:
    """Return the text. Raises ValueError where no database could keep it."""
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode without lone surrogates") from None
    return text


def check_not_blank(text: str) -> str:
    """Return the text. Raises ValueError where there is nothing in it."""
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def check_key(text: str) -> str:
    """Return the text. Raises ValueError where it will not do as an idempotency key."""
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise ValueError("must be 1 to 255 printable ASCII characters without spaces")
    return text

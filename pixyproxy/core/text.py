"""Words: how prompts and file names are cut for search, and names made safe for files."""

import re
import unicodedata
from datetime import datetime
from functools import cache

_PROMPT_CHARS_IN_FILENAME = 27


@cache
def _word() -> re.Pattern[str]:
    """Letters and digits, and the marks that many scripts write with (made once, when needed)."""
    marks = "".join(chr(c) for c in range(0x300, 0x1F000) if unicodedata.category(chr(c))[0] == "M")
    return re.compile(rf"(?!_)\w(?:(?!_)[\w{marks}])*")


def words(text: str) -> list[str]:
    """Cut `text` into words, normalised (NFKC, case folded) so that equal words compare equal."""
    return _word().findall(unicodedata.normalize("NFKC", text).casefold())


def make_filename(prompt: str, created_at: datetime, guid: str, extension: str) -> str:
    """Return a file name for people: the prompt's beginning, the time, and enough to be unique.

    Holds letters and digits of any script, and hyphens; so it is safe in every file system, URL
    and header, and its words can be searched.
    """
    beginning = unicodedata.normalize("NFC", prompt[:_PROMPT_CHARS_IN_FILENAME])
    stem = "-".join(_word().findall(beginning)) or "image"
    return f"{stem}-{created_at:%Y%m%dT%H%M%S}-{guid[:8]}.{extension}"

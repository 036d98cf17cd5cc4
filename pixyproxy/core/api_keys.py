"""What makes an API key hard to guess."""

import re

MIN_CHARS = 16
MIN_VARIETY = 8
"""How many different characters a key has at least."""
MAKE_COMMAND = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
_GUESSABLE = re.compile(r"change-?_?me|secret|password|example|12345678|qwerty", re.IGNORECASE)


def check_api_key(key: str, name: str) -> None:
    """Raise ValueError, which tells the key's `name` alone, where it will not do."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"{name} must be printable ASCII without spaces")
    if len(key) < MIN_CHARS or len(set(key)) < MIN_VARIETY or _GUESSABLE.search(key):
        raise ValueError(f"{name} is weak; make a good one with: {MAKE_COMMAND}")

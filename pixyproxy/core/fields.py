"""Kinds of fields that models have: what a prompt, a tag, a choice or a key may be."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from pixyproxy.core.text import check_key, check_not_blank, check_storable, fold_tag

MAX_PROMPT_CHARS = 32_000
"""The longest prompt any known model takes (GPT image models, OpenAI's API reference)."""
MAX_TAG_CHARS = 64
MAX_IMAGES = 10
"""The most images that any known model draws in one call."""


Text = Annotated[str, AfterValidator(check_storable)]
Prompt = Annotated[
    str,
    Field(max_length=MAX_PROMPT_CHARS),
    AfterValidator(check_storable),
    AfterValidator(check_not_blank),
]
Choice = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(check_storable)]


def _as_tag(text: str) -> str:
    tag = fold_tag(text)
    if not 0 < len(tag) <= MAX_TAG_CHARS:
        raise ValueError(f"must have 1 to {MAX_TAG_CHARS} characters")
    if any(unicodedata.category(char) == "Cc" for char in tag):
        raise ValueError("must not contain control characters")
    return tag


TagName = Annotated[str, AfterValidator(check_storable), AfterValidator(_as_tag)]
"""A tag, with case and white space made alike."""
IdempotencyKey = Annotated[str, AfterValidator(check_key)]

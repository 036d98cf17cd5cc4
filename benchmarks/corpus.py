"""Prompts as there might be a million of: words after Zipf's law, some of which never meet."""

import random
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise, product

from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.text import make_filename

VOCABULARY = 50_000
COMMON = (2, 1)
"""The ranks of a word that a third of all prompts have, and of one that half of them have."""
ESTRANGED = (3, 4)
"""The ranks of two words that are common and never in one prompt."""
UNSPOKEN = (2, 1), (1, 2, 0)
"""The ranks of common words that never follow one another in this order."""

_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"
_START = datetime(2025, 11, 20, tzinfo=UTC)
_MODELS = ("gpt-image-2", "gpt-image-2", "gpt-image-1.5", "dall-e-3")
_SIZES = ((1024, 1024), (1024, 1024), (1536, 1024), (1024, 1536))


@cache
def words() -> tuple[str, ...]:
    """Return the vocabulary, the most frequent word first."""
    syllables = ["".join(pair) for pair in product(_CONSONANTS, _VOWELS)]
    chance = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        found["".join(chance.choices(syllables, k=chance.choice((2, 2, 3, 3, 3, 4))))] = None
    return tuple(found)


@cache
def _weights() -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))


def make_prompt(chance: random.Random) -> str:
    """Return 6 to 24 words."""
    weights = _weights()
    ranks = [
        bisect_left(weights, chance.random() * weights[-1]) for _ in range(chance.randint(6, 24))
    ]
    if set(ESTRANGED) <= set(ranks):
        ranks = [rank for rank in ranks if rank != ESTRANGED[1]]
    while (pair := UNSPOKEN[0]) in pairwise(ranks):
        place = list(pairwise(ranks)).index(pair)
        ranks[place : place + 2] = reversed(pair)
    while (place := _find(ranks, UNSPOKEN[1])) is not None:
        del ranks[place]
    return " ".join(words()[rank] for rank in ranks)


def make_images(count: int) -> Iterator[ImageDetail]:
    """Yield images, the oldest first; the same at each call."""
    chance = random.Random(2)
    for number in range(count):
        guid = f"{chance.getrandbits(128):032x}"
        guid = f"{guid[:8]}-{guid[8:12]}-{guid[12:16]}-{guid[16:20]}-{guid[20:]}"
        prompt = make_prompt(chance)
        moment = _START + timedelta(seconds=31 * number)
        width, height = chance.choice(_SIZES)
        yield ImageDetail.model_construct(
            guid=guid,
            filename=make_filename(prompt, moment, guid, "png"),
            prompt=prompt,
            created_at=moment,
            updated_at=moment,
            content_type=ContentType.PNG if number % 5 else ContentType.WEBP,
            width=width,
            height=height,
            byte_size=1_400_000 + number % 1000,
            sha256=f"{number:064x}",
            model=chance.choice(_MODELS),
            revised_prompt=None,
            parameters={"size": f"{width}x{height}", "quality": "high"},
            generation_guid=None,
            tags=(f"project {number % 50}",) if number % 4 == 0 else (),
        )


def _find(ranks: list[int], phrase: tuple[int, ...]) -> int | None:
    length = len(phrase)
    places = range(len(ranks) - length + 1)
    return next((place for place in places if tuple(ranks[place : place + length]) == phrase), None)

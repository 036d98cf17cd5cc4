"""Searches find the same with and without postings, on every database, as a plain loop does."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixyproxy.core.criteria import ImageCriteria, Orientation
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.text import words
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.data.search.index import IdRange
from tests.support.databases import open_database
from tests.support.rows import make_image

BLOCK_SIZE = 64
IMAGES = 300
VOCABULARY = [
    *("a", "the", "cat", "Cats", "caterpillar", "dog", "DOGMA", "red", "fox", "snow", "night"),
    *("Café", "crème", "brûlée", "naïve", "straße", "C++", "100%", "1024x1024", "20261120T091500"),
    *("日本", "本日", "猫", "東京都", "고양이", "🐈", "☂", "हिन्दी", "don't", "well-known", "a_b"),
    *("supercalifragilistic" * 4, "supercalifragilistic" * 4 + "x", "photograph", "photograph3"),
]
START = datetime(2026, 11, 19, 21, 30, tzinfo=UTC)
QUOTES = '"“”'
SIZES = [(1024, 1024), (1536, 1024), (1024, 1536), (64, 64)]


def make_images() -> list[ImageDetail]:
    """Images whose prompts meet all the time; the same at each call."""
    chance = random.Random(5)
    made = []
    for number in range(IMAGES):
        prompt = " ".join(chance.choices(VOCABULARY, k=chance.randint(1, 8)))
        width, height = chance.choice(SIZES)
        made.append(
            make_image(
                prompt,
                filename=f"{chance.choice(VOCABULARY)}-{number}.png",
                created_at=START + timedelta(minutes=7 * number + chance.randint(-60, 60)),
                model=chance.choice(["gpt-image-2", "dall-e-3", "m" * 255]),
                content_type=chance.choice([ContentType.PNG, ContentType.WEBP]),
                width=width,
                height=height,
                tags=tuple(sorted(chance.sample(["pets", "wild", 'with "quotes"', "春"], k=2))),
            )
        )
    return made


def finds(criteria: ImageCriteria, image: ImageDetail) -> bool:
    """What a search means, written down as plainly as can be."""
    prompt, filename = words(image.prompt), words(image.filename)
    texts = [
        (criteria.prompt, [prompt]),
        (criteria.filename, [filename]),
        (criteria.query, [prompt, filename]),
    ]
    width, height = image.width, image.height
    facts = {
        Orientation.LANDSCAPE: width > height,
        Orientation.PORTRAIT: width < height,
        Orientation.SQUARE: width == height,
        None: True,
    }
    return (
        all(
            text is None or has_all(text, among) or (text == image.guid and text == criteria.query)
            for text, among in texts
        )
        and criteria.guid in {None, image.guid}
        and criteria.model in {None, image.model}
        and criteria.content_type in {None, image.content_type.value}
        and criteria.dimensions in {None, f"{width}x{height}"}
        and facts[criteria.orientation]
        and (criteria.created_after is None or image.created_at >= criteria.created_after)
        and (criteria.created_before is None or image.created_at < criteria.created_before)
        and set(criteria.tags or ()) <= set(image.tags)
    )


def has_all(text: str, among: list[list[str]]) -> bool:
    """What the language of searches means, read without the parser that is under test."""
    said = [
        is_there(piece, among, quoted=quoted) != excluded
        for excluded, quoted, piece in pieces(text)
        if words(piece)
    ]
    return bool(said) and all(said)


def pieces(text: str) -> Iterator[tuple[bool, bool, str]]:
    """Yield what stands between blanks or quotes, after whether it has a minus and quotes."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        excluded = text[at] == "-"
        start = end = at + excluded
        quoted = text[start : start + 1] in {*QUOTES}
        if quoted:
            start = end = start + 1
        while end < len(text) and not (text[end] in QUOTES if quoted else text[end].isspace()):
            end += 1
        yield excluded, quoted, text[start:end]
        at = end + quoted


def is_there(piece: str, among: list[list[str]], *, quoted: bool) -> bool:
    wanted = words(piece)
    if quoted:
        width = len(wanted)
        return any(cut[n : n + width] == wanted for cut in among for n in range(len(cut)))
    *whole, last = wanted
    everywhere = {word for cut in among for word in cut}
    if piece[-1] == "*" and len(last) > 1:
        return everywhere.issuperset(whole) and any(word.startswith(last) for word in everywhere)
    return everywhere.issuperset(wanted)


WORDS = sorted({word for text in VOCABULARY for word in words(text)} | {"png", "nowhere", "9"})
WORD = st.sampled_from(WORDS)
CLAUSE = st.one_of(
    WORD,
    st.sampled_from(VOCABULARY),
    st.builds(lambda word, length: word[:length] + "*", WORD, st.integers(1, 12)),
    st.lists(WORD, min_size=2, max_size=3).map(lambda cut: f'"{" ".join(cut)}"'),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
)
TEXT = st.lists(
    st.tuples(st.sampled_from(["", "", "-"]), CLAUSE).map("".join), min_size=1, max_size=3
).map(" ".join)
MOMENT = st.integers(-100, 2200).map(lambda minutes: START + timedelta(minutes=minutes))
CRITERIA: dict[str, st.SearchStrategy[Any]] = {
    "query": TEXT,
    "prompt": TEXT,
    "filename": TEXT,
    "model": st.sampled_from(["gpt-image-2", "dall-e-3", "m" * 255, "m" * 200, "none"]),
    "content_type": st.sampled_from(["image/png", "image/webp", "image/gif"]),
    "dimensions": st.sampled_from([*SIZES, (1, 1)]).map(lambda size: f"{size[0]}x{size[1]}"),
    "orientation": st.sampled_from(Orientation),
    "created_after": MOMENT,
    "created_before": MOMENT,
    "tags": st.lists(st.sampled_from(["pets", "wild", 'with "quotes"', "春", "pet"]), max_size=2),
}
SEARCHES = st.one_of(
    st.fixed_dictionaries({}, optional={name: CRITERIA[name]}) for name in CRITERIA
) | st.fixed_dictionaries({}, optional=CRITERIA)


class Shelf:
    """The same images in one database: the older ones in blocks, the rest not yet."""

    def __init__(self, url: str) -> None:
        self.database: Database = open_database(url, pool_size=2)
        self.repository = ImageRepository(self.database.open_context, block_size=BLOCK_SIZE)
        self.ids: dict[str, int] = {}

    async def fill(self, images: list[ImageDetail]) -> None:
        async with self.database.open_context(deadline_s=60) as context:
            await context.begin_transaction()
            for image in images:
                await self.repository.create_image(context, image)
            await context.commit_transaction()
            rows = await self.repository.list_guids(context, after_id=0, limit=len(images))
        self.ids = {guid: id_ for id_, guid in rows}
        blocks = SearchBlocks(self.database.open_context, block_size=BLOCK_SIZE)
        while await blocks.add_block(IMAGES):
            pass

    async def change(self, images: list[ImageDetail]) -> list[ImageDetail]:
        """Delete some images and tag others anew, in blocks and not; return what is left."""
        blocks = SearchBlocks(self.database.open_context, block_size=BLOCK_SIZE)
        curation = CurationRepository(self.database.open_context, blocks)
        left = []
        for number, image in enumerate(images):
            async with self.database.open_context() as context:
                names = tuple(sorted({*image.tags[1:], "pets", "pet"}))
                await curation.add_tags(context, {*image.tags, *names})
                await context.begin_transaction()
                locked = await curation.lock_image(context, image.guid)
                assert locked is not None
                if number % 5 == 0:
                    await curation.delete(context, *locked, START)
                elif number % 3 == 0:
                    tagged = image.model_copy(update={"tags": names})
                    new = set(names) - set(image.tags)
                    await curation.set_tags(context, locked[0], tagged, new)
                    left.append(tagged)
                else:
                    left.append(image)
                await context.commit_transaction()
        return left

    async def find(self, criteria: ImageCriteria, within: IdRange, limit: int) -> list[ImageDetail]:
        async with self.database.open_context() as context:
            found = await self.repository.find_images(context, criteria, within, limit=limit)
        return [image for _, image in found]

    async def count(self, criteria: ImageCriteria) -> int:
        async with self.database.open_context() as context:
            count = await self.repository.count_images(context, criteria)
        assert not count.is_estimate
        return count.value


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.slow
@pytest.mark.parametrize("changed", [False, True], ids=["as kept", "changed since"])
def test_searches_find_what_a_plain_loop_finds(
    runner: asyncio.Runner, sqlite_url: str, mysql_url: str, *, changed: bool
) -> None:
    images = left = make_images()
    shelves = [Shelf(sqlite_url), Shelf(mysql_url)]
    with ExitStack() as stack:
        for shelf in shelves:
            runner.run(shelf.fill(images))
            stack.callback(lambda shelf=shelf: runner.run(shelf.database.aclose()))
            if changed:
                left = runner.run(shelf.change(images))
        newest_first = left[::-1]

        @settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
        @given(
            criteria=SEARCHES, guid=st.sampled_from([None, None, None, "guid", "query"]),
            cursor=st.none() | st.integers(0, IMAGES - 1), backwards=st.booleans(),
            limit=st.sampled_from([1, 3, 20, IMAGES]),
        )  # fmt: skip
        def check(
            criteria: dict[str, Any],
            guid: str | None,
            cursor: int | None,
            backwards: bool,
            limit: int,
        ) -> None:
            if guid is not None:
                criteria[guid] = images[17].guid
            wanted = ImageCriteria(**criteria)
            expected = [image for image in newest_first if finds(wanted, image)]
            for shelf in shelves:
                assert runner.run(shelf.count(wanted)) == len(expected)
                if cursor is None:
                    within, rest = IdRange(newest_first=not backwards), expected
                else:
                    id_ = shelf.ids[images[cursor].guid]
                    if backwards:
                        within = IdRange(above=id_, newest_first=False)
                        rest = [image for image in expected if shelf.ids[image.guid] > id_]
                    else:
                        within = IdRange(below=id_)
                        rest = [image for image in expected if shelf.ids[image.guid] < id_]
                in_order = rest[::-1] if backwards else rest
                assert runner.run(shelf.find(wanted, within, limit)) == in_order[:limit]

        check()


def test_the_vocabulary_meets_in_many_ways() -> None:
    """The property is worth something: there are phrases, pairs and prefixes to be found."""
    pairs = {pair for image in make_images() for pair in pairwise(words(image.prompt))}
    assert len(pairs) > IMAGES


def test_every_criterion_is_tried() -> None:
    assert {*CRITERIA, "guid"} == set(ImageCriteria.model_fields)

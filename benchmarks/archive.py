"""Searching and paging through a large archive.

What is measured is the service's own call, one at a time, its process on one core and MariaDB's
server on the other. Beside a search: the same by the database's own full-text search, in a loop
around the plain driver.
"""

import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from benchmarks.archive_data import add_blocks, open_archive, open_engine
from benchmarks.corpus import (
    COMMON,
    ESTRANGED,
    UNSPOKEN,
    VOCABULARY,
    make_images,
    make_prompt,
    words,
)
from benchmarks.data import databases
from benchmarks.figures import Figure
from benchmarks.servers import MEASURED_CORE
from pixyproxy.bootstrap import open_services
from pixyproxy.service.finding.finder import ImageFinder
from pixyproxy.settings import Settings
from tests.support.model_server import noise_png

SMALLER = 100_000
"""From here growth is measured."""
IMPORTED = 5_000
SMALL_BYTES = 12_000
CALLS = 200
CALLS_BESIDE = 20
LONGEST_BESIDE_S = 5
"""Some of these take many seconds."""
SIZE = 20
DEEP_PAGE = 50_000
_IMAGES = Path(__file__).with_name("results") / "images"

Call = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Case:
    """What is called over and over, and how fast it is to be at the 95th percentile."""

    name: str
    goal_ms: float
    calls: Sequence[Call]
    texts: Sequence[str] = ()
    """What is searched for, where the database's own search can do so."""


def measure_archive(kind: str, count: int, runs: int) -> list[Figure]:
    """Return the figures of an archive of so many images, and how they grow."""
    return [*_measure_growth(kind, count, runs), _measure_import(kind, runs)]


def _measure_growth(kind: str, count: int, runs: int) -> list[Figure]:
    larger = _measure(kind, count, runs)
    if count <= SMALLER:
        return larger
    smaller = {figure.what.partition(",")[0]: figure for figure in _measure(kind, SMALLER, runs)}
    return larger + [
        Figure(
            f"{name}, beside {SMALLER:,}",
            kind,
            figure.ours,
            "ms",
            goal_of="ratio",
            goal=1.5,
            at_least=False,
            beside=smaller[name].ours,
        )
        for figure in larger
        if (name := figure.what.partition(",")[0]) in smaller
    ]


def _measure_import(kind: str, runs: int) -> Figure:
    """How fast a folder of small pictures is taken in, and put into a block, by one core."""
    rates = []
    with TemporaryDirectory(dir=_IMAGES.parent) as folder:
        place = Path(folder)
        pictures = place / "pictures"
        pictures.mkdir()
        for number, image in enumerate(make_images(IMPORTED)):
            (pictures / f"{number:05}.png").write_bytes(noise_png(SMALL_BYTES, seed=number))
            (pictures / f"{number:05}.txt").write_text(image.prompt)
        (place / "server").mkdir()
        with databases(kind, place / "server") as make_database:
            for run in range(runs):
                rates.append(_import(make_database(f"import_{run}"), place / f"{run}", pictures))
                print(f"    import: {rates[-1]:.0f} /s", flush=True)
    return Figure(
        f"import, {IMPORTED:,} pictures of {SMALL_BYTES // 1000} KB",
        kind,
        rates,
        "/s",
        goal_of="ours",
        goal=300,
        at_least=True,
    )


def _import(database_url: str, images: Path, pictures: Path) -> float:
    """Return how many images were taken in a second."""
    variables = {"PIXYPROXY_DATABASE_URL": database_url, "PIXYPROXY_IMAGES": str(images)}
    began = time.monotonic()
    with _on_core(MEASURED_CORE):  # which the process inherits
        subprocess.run(
            [sys.executable, "-m", "pixyproxy", "import", str(pictures)],
            env=os.environ | variables,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        asyncio.run(add_blocks(database_url, IMPORTED))
    return IMPORTED / (time.monotonic() - began)


def _measure(kind: str, count: int, runs: int) -> list[Figure]:
    with open_archive(kind, count) as database_url:
        return asyncio.run(_measure_all(kind, database_url, count, runs))


async def _measure_all(kind: str, database_url: str, count: int, runs: int) -> list[Figure]:
    settings = Settings(database_url=database_url, images=_IMAGES, generator="sketch")
    engine = open_engine(database_url)
    figures = []
    with _on_core(MEASURED_CORE), engine.connect() as connection:
        async with open_services(settings) as services:
            async for case in _cases(services.finder, count):
                await _time(case.calls)
                ours = [await _time(case.calls) for _ in range(runs)]
                beside = [_time_beside(connection, case.texts)] if case.texts else []
                print(f"    {case.name}: {ours} ms, beside: {beside}", flush=True)
                figures.append(
                    Figure(
                        f"{case.name}, {count:,} images",
                        kind,
                        ours,
                        "ms",
                        goal_of="ours",
                        goal=case.goal_ms,
                        at_least=False,
                        beside=beside,
                    )
                )
    engine.dispose()
    return figures


async def _cases(finder: ImageFinder, count: int) -> AsyncIterator[Case]:
    vocabulary = words()
    common, second = (vocabulary[rank] for rank in COMMON)
    for name, goal_ms, texts in _searches():
        calls = [_connect(finder, {"query": text}) for text in texts]
        yield Case(name, goal_ms, calls, texts)
    for name, criteria in (
        ("a tag", {"tags": ["project 8"]}),
        ("a common word and a tag", {"query": common, "tags": ["project 8"]}),
        ("a common word of one model and form", _of_one_kind(common)),
        ("a rare word of one day", {"query": vocabulary[-1], **_one_day()}),
        ("one day", _one_day()),
    ):
        yield Case(name, 10, [_connect(finder, criteria)])
    by_cursor = {"query": common}
    ends = [end async for end in _walk(finder, by_cursor, 1000 // SIZE)]
    yield Case("a common word: page 2", 10, [_connect(finder, by_cursor, after=ends[0])])
    yield Case("a common word: after 1,000", 10, [_connect(finder, by_cursor, after=ends[-1])])
    both = {"query": f"{common} {second}"}
    ends = [end async for end in _walk(finder, both, 1000 // SIZE)]
    yield Case("two common words: after 1,000", 10, [_connect(finder, both, after=ends[-1])])
    ends = [end async for end in _walk(finder, {}, 1000 // SIZE)]
    yield Case("all images: after 1,000", 5, [_connect(finder, {}, after=ends[-1])])
    oldest = partial(finder.connect_images, {}, last=SIZE)
    yield Case("all images: the oldest", 5, [oldest])
    page = min(DEEP_PAGE, count // SIZE)
    yield Case(f"page {page:,} of 20", 300, [partial(finder.list_images, page=page, size=SIZE)])
    yield Case("how many in all", 10, [partial(finder.count_images, {})])
    yield Case("how many of a common word", 150, [partial(finder.count_images, by_cursor)])


def _searches() -> Iterator[tuple[str, float, list[str]]]:
    vocabulary, chance = words(), random.Random(3)
    common, second = (vocabulary[rank] for rank in COMMON)
    rare = chance.sample(vocabulary[VOCABULARY * 4 // 5 :], 50)
    letters = sorted({word[:2] for word in vocabulary})
    prompts = [make_prompt(random.Random(number)).split() for number in range(50)]
    pair, triple = (" ".join(vocabulary[rank] for rank in ranks) for ranks in UNSPOKEN)
    yield "a rare word", 10, rare
    yield "a common word", 10, [common]
    yield "two common words", 10, [f"{common} {second}"]
    yield "no match", 10, [f"x{word}q" for word in rare]
    yield "two rare words that do not meet", 10, [" ".join(both) for both in pairwise(rare)]
    yield "a common word, but not another", 10, [f"{common} -{second}"]
    yield "a prefix of five letters", 30, [f"{word[:5]}*" for word in vocabulary[100:5000:100]]
    yield "a phrase", 30, [f'"{cut[0]} {cut[1]}"' for cut in prompts]
    yield "a prefix of two letters", 150, [f"{start}*" for start in letters]
    three = zip(letters, letters[1:], rare, strict=False)
    yield "two such prefixes and a rare word", 150, [f"{a}* {b}* {word}" for a, b, word in three]
    yield "common words that never meet", 150, [" ".join(vocabulary[rank] for rank in ESTRANGED)]
    yield "a phrase of two common words, nowhere", 150, [f'"{pair}"']
    yield "a phrase of three common words, nowhere", 150, [f'"{triple}"']


def _of_one_kind(word: str) -> dict[str, Any]:
    return {"query": word, "model": "dall-e-3", "orientation": "portrait"}


def _one_day() -> dict[str, Any]:
    return {"created_after": "2025-11-29T06:30:00Z", "created_before": "2025-11-30T06:30:00Z"}


def _connect(finder: ImageFinder, criteria: dict[str, Any], *, after: str | None = None) -> Call:
    return partial(finder.connect_images, criteria, first=SIZE, after=after)


async def _walk(
    finder: ImageFinder, criteria: dict[str, Any], pages: int
) -> AsyncIterator[str | None]:
    """Yield the last cursor of each page."""
    end = None
    for _ in range(pages):
        found = await finder.connect_images(criteria, first=SIZE, after=end)
        end = found.edges[-1].cursor if found.edges else end
        yield end


async def _time(calls: Sequence[Call]) -> float:
    """Return the 95th percentile of many calls' times, in milliseconds."""
    times = []
    for number in range(CALLS):
        began = time.perf_counter()
        await calls[number % len(calls)]()
        times.append(time.perf_counter() - began)
    return _percentile(times)


def _time_beside(connection: sa.Connection, texts: Sequence[str]) -> float:
    mysql = connection.dialect.name == "mysql"
    statement = sa.text(_BESIDE_MYSQL if mysql else _BESIDE_SQLITE)
    times: list[float] = []
    for number in range(CALLS_BESIDE):
        if sum(times) > LONGEST_BESIDE_S:
            break
        text = texts[number % len(texts)]
        asked = re.sub(r'(?<![\w"-])(?=[\w"])', "+", text) if mysql else text.replace("-", "NOT ")
        began = time.perf_counter()
        connection.execute(statement, {"text": asked, "limit": SIZE}).all()
        times.append(time.perf_counter() - began)
    return _percentile(times)


_BESIDE_MYSQL = (
    "SELECT id FROM beside WHERE MATCH (prompt) AGAINST (:text IN BOOLEAN MODE) "
    "ORDER BY id DESC LIMIT :limit"
)
_BESIDE_SQLITE = (
    "SELECT rowid FROM beside WHERE beside MATCH :text ORDER BY rowid DESC LIMIT :limit"
)


def _percentile(times: Iterable[float]) -> float:
    ordered = sorted(times)
    return ordered[len(ordered) * 95 // 100] * 1000


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

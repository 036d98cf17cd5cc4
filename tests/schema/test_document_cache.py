"""The cache of documents: what it keeps, and that memory bounds it."""

import gc
import tracemalloc

import pytest
from graphql import GraphQLError, get_introspection_query, parse

from pixyproxy.schema import document_cache
from pixyproxy.schema.document_cache import DocumentCache, estimate_bytes
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.schema import make_schema

SCHEMA = make_schema()._schema
TYPICAL = """query Find($guid: ID!) {
    image(guid: $guid) { guid filename prompt createdAt contentType width height model url }
}"""
DOCUMENTS = {
    "typical": TYPICAL,
    "introspection": get_introspection_query(),
    "unknown names": "{" + "a " * 490 + "}",
    "nested": "{a" * 190 + "}" * 190,
    "nested list": "{images(page:" + "[" * 190 + "1" + "]" * 190 + "){guid}}",
    "comments": "{__typename}" + "#\n" * 900,
    "string": '{image(guid:"' + "x" * 200_000 + '"){guid}}',
    "wide string": '{image(guid:"' + "漢" * 80_000 + '"){guid}}',
    "blanks": "{__typename" + " " * 200_000 + "}",
    "different names": "{" + " ".join(f"unknown{n}" for n in range(300)) + "}",
    "long names": "{" + " ".join("u" * 500 + str(n) for n in range(300)) + "}",
    "wide error": '{images(page:"' + "漢" * 80_000 + '"){guid}}',
    "wider error": '{images(page:"' + "🐈" * 60_000 + '"){guid}}',
    "variables": "query(" + "$a:Int " * 160 + "){a}",
    "aliases beyond the limit": "{" + " ".join(f"a{n}:images{{guid}}" for n in range(100)) + "}",
}
COPIES = 8


def make_cache() -> DocumentCache:
    return DocumentCache(SCHEMA, Limits())


@pytest.mark.slow
@pytest.mark.parametrize("query", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_document_takes_no_more_memory_than_is_reckoned(query: str) -> None:
    cache = make_cache()

    def read(*numbers: int) -> int:
        for number in numbers:
            cache.read(f"{query} #{number:04}")
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    read(0)
    tracemalloc.start()
    try:
        before = read(1)
        taken = (read(*range(2, COPIES + 2)) - before) / COPIES
    finally:
        tracemalloc.stop()
    reckoned = estimate_bytes(f"{query} #0000", parse(query))
    assert 0 < taken <= reckoned
    assert cache._documents._bytes >= (COPIES + 2) * reckoned


def test_most_documents_take_a_fair_part_of_what_is_reckoned() -> None:
    assert estimate_bytes(TYPICAL, parse(TYPICAL)) < 50_000


def test_what_comes_again_is_the_same_document() -> None:
    cache = make_cache()
    for query in (TYPICAL, "{ unknown }", DOCUMENTS["aliases beyond the limit"]):
        first = cache.read(query)
        assert cache.read(query) is first
        assert bool(first.errors) is (query != TYPICAL)


def test_what_cannot_be_parsed_is_not_kept() -> None:
    cache = make_cache()
    for n in range(10):
        with pytest.raises(GraphQLError):
            cache.read("{" * (n + 1))
    assert len(cache._documents._entries) == 0


def test_it_is_bounded_in_entries() -> None:
    cache = make_cache()
    for n in range(document_cache.MAX_DOCUMENTS + 10):
        cache.read(f"{{ a{n}: __typename }}")
    assert len(cache._documents._entries) == document_cache.MAX_DOCUMENTS
    assert "{ a0: __typename }" not in cache._documents._entries


def test_it_is_bounded_in_bytes() -> None:
    cache = make_cache()
    for n in range(40):
        cache.read(f"{{ a{n}: __typename }}" + " " * 250_000)
    assert cache._documents._bytes <= document_cache.MAX_BYTES
    assert 0 < len(cache._documents._entries) < 40

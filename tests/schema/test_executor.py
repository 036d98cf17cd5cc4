"""Fields read at one go are what graphql-core reads one by one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import GraphQLObjectType, execute, parse
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from pixyproxy.core.models import ImageDetail
from pixyproxy.core.urls import Urls
from pixyproxy.schema.executor import READERS, PlainFieldsExecutor
from pixyproxy.schema.schema import make_schema
from tests.support.graphql import DETAIL
from tests.support.rows import make_image


class Images:
    """What the resolvers need of the service."""

    def __init__(self, *images: ImageDetail) -> None:
        self._images = list(images)

    async def list_images(self, *, page: int, size: int) -> list[ImageDetail]:
        return self._images


class Services:
    def __init__(self, *images: ImageDetail) -> None:
        self.finder = Images(*images)


class Context:
    def __init__(self, *images: ImageDetail) -> None:
        self.services = Services(*images)
        self.urls = Urls("https://here")


IMAGES = [
    make_image("a cat 🐈", revised_prompt="a better cat", parameters={}),
    make_image(
        created_at=datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC),
        updated_at=datetime(2026, 3, 1, tzinfo=UTC),
        byte_size=2**31 - 1,
    ),
    make_image(byte_size=2**31),
]


async def run(executor_class: Any, query: str) -> Any:
    result = execute(
        make_schema()._schema,
        parse(query),
        context_value=Context(*IMAGES),
        executor_class=executor_class,
    )
    return await result  # type: ignore[misc]


@pytest.mark.parametrize(
    "query",
    [
        f"{{ images {DETAIL} }}",
        "{ images { guid srcset few: srcset(widths: [320, 64, 9999]) all: srcset(widths: null) } }",
        "{ images { url(width: 300) a: url(width: 320, height: 100, fit: CONTAIN, format: PNG) } }",
        "{ images { guid url(width: null, format: PNG) b: url(fit: COVER) } }",
        "{ images { guid url(width: 0) } }",
        "{ images { guid srcset(widths: [0]) } }",
        "{ images { guid a: guid b: url __typename c: __typename } }",
        "{ images { width @skip(if: true) height @include(if: true) } }",
        "{ images { ... on ImageDetail { ...F } prompt } } fragment F on ImageDetail { width url }",
    ],
)
async def test_both_ways_agree(query: str) -> None:
    plain = await run(PlainFieldsExecutor, query)
    stock = await run(StrawberryGraphQLCoreExecutionContext, query)
    for error in stock.errors or ():
        assert not isinstance(error.original_error, AttributeError), "the test lacks a service"
    assert plain.data == stock.data
    assert [error.formatted for error in plain.errors or ()] == [
        error.formatted for error in stock.errors or ()
    ]


@pytest.mark.parametrize(
    ("name", "objects"),
    [("ImageDetail", {"generation"}), ("Generation", {"error", "images", "partialImages"})],
)
def test_every_plain_field_has_its_reader(name: str, objects: set[str]) -> None:
    type_ = make_schema()._schema.get_type(name)
    assert isinstance(type_, GraphQLObjectType)
    assert type_.extensions[READERS].keys() == {"__typename", *type_.fields} - objects

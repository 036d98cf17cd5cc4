"""What one operation may ask for: refused before anything runs, in linear time."""

import re
import time

import httpx2
import pytest
import strawberry
from graphql import get_introspection_query

from pixyproxy.schema.limits import CountedFields
from pixyproxy.schema.schema import make_schema
from pixyproxy.settings import Settings
from tests.conftest import MakeSettings, open_client
from tests.support.graphql import data, errors_of, post
from tests.support.model_server import ModelServer

GEN = 'generateImage(prompt: "a cat", size: "1024x640") { guid }'


def aliased(count: int, field: str = "__typename") -> str:
    return " ".join(f"a{n}: {field}" for n in range(count))


async def refusal(client: httpx2.AsyncClient, query: str, message: str) -> None:
    """Check that the operation is refused before anything runs, in these words."""
    started_at = time.process_time()
    response = await post(client, query, headers={"Accept": "application/graphql-response+json"})
    assert time.process_time() - started_at < 1
    assert response.status_code == 400
    assert "data" not in response.json()
    errors = errors_of(response)
    assert {error["extensions"]["code"] for error in errors} == {"invalid-operation"}
    assert any(message in error["message"] for error in errors), errors


@pytest.fixture
async def app(make_settings: MakeSettings, model_server: ModelServer):
    settings = make_settings(openai_base_url=model_server.base_url, openai_api_key="sk-x")
    async with open_client(settings) as client:
        yield client


GENERATIONS = {
    "aliases": f"mutation {{ {aliased(5, GEN)} }}",
    "without aliases": f"mutation {{ {GEN * 5} }}",
    "inline fragments": "mutation { " + f"... {{ {GEN} }} " * 5 + "}",
    "a fragment": f"mutation {{ ...F }} fragment F on Mutation {{ {aliased(5, GEN)} }}",
    "a fragment spread often": f"mutation {{ {'...F ' * 5} }} fragment F on Mutation {{ {GEN} }}",
    "fragments in fragments": "mutation { ...A } fragment A on Mutation { ...B ...B x: " + GEN + "}"
    f"fragment B on Mutation {{ ...C ...C }} fragment C on Mutation {{ {GEN} }}",
    "behind include": f"mutation {{ {aliased(5, GEN.replace('{', '@include(if: true) {'))} }}",
    "in the other operation": f"query A {{ __typename }} mutation B {{ {aliased(5, GEN)} }}",
    "doubling fragments": "mutation { ...F0 }"
    + "".join(f"fragment F{n} on Mutation {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    + f"fragment F60 on Mutation {{ {GEN} }}",
}


@pytest.mark.parametrize("query", GENERATIONS.values(), ids=GENERATIONS.keys())
async def test_no_more_than_four_generations(
    app: httpx2.AsyncClient, model_server: ModelServer, query: str
) -> None:
    await refusal(app, query, "more than 4 generations")
    assert model_server.requests == []
    assert await data(app, "{ images { guid } }") == {"images": []}


@pytest.mark.parametrize(
    "field",
    ['submitGeneration(prompt: "a cat") { guid }', 'retryGeneration(guid: "x") { guid }'],
)
async def test_whatever_is_paid_for_counts(
    app: httpx2.AsyncClient, model_server: ModelServer, field: str
) -> None:
    query = f"mutation {{ {aliased(2, field)} b: {GEN} c: {GEN} d: {GEN} }}"
    await refusal(app, query, "more than 4 generations")
    assert model_server.requests == []


LISTS = {
    "images of images": "{ images { generation { images { generation { images { guid } } } } } }",
    "images of generations": "{ generations { images { generation { images { guid } } } } }",
    "fragments": "{ search { ...A } } fragment A on ImageDetail { generation { ...B } }"
    "fragment B on Generation { images { generation { images { guid } } } }",
}


@pytest.mark.parametrize("query", LISTS.values(), ids=LISTS.keys())
async def test_lists_do_not_multiply_without_end(app: httpx2.AsyncClient, query: str) -> None:
    await refusal(app, query, "nests lists more than 2 deep")


async def test_two_lists_deep_is_no_excess(app: httpx2.AsyncClient) -> None:
    query = "{ images { ...A } } fragment A on ImageDetail { generation { images { guid } } }"
    assert await data(app, query) == {"images": []}


async def test_four_generations_run(app: httpx2.AsyncClient, model_server: ModelServer) -> None:
    query = f"mutation {{ {aliased(2, GEN)} ...F }} fragment F on Mutation {{ b: {GEN} c: {GEN} }}"
    made = await data(app, query)
    assert list(made) == ["a0", "a1", "b", "c"]
    assert model_server.posts == 4


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("{ __typename ...Nowhere }", "Unknown fragment 'Nowhere'"),
        ("{ ...A } fragment A on Query { ...A }", "Cannot spread fragment 'A' within itself"),
        (
            "{ ...A } fragment A on Query { ...B } fragment B on Query { images { guid } ...A }",
            "Cannot spread fragment 'A' within itself via 'B'",
        ),
        ("{ __typename } fragment A on Query { __typename }", "Fragment 'A' is never used"),
        (
            "{ ...A } fragment A on Query { __typename } fragment A on Query { __typename }",
            "There can be only one fragment named 'A'",
        ),
    ],
)
async def test_a_wrong_fragment_gets_its_proper_message(
    app: httpx2.AsyncClient, inner: str, message: str
) -> None:
    await refusal(app, inner, message)


async def test_a_circle_does_not_hide_generations(
    app: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    query = f"mutation {{ ...A }} fragment A on Mutation {{ {aliased(9, GEN)} ...A }}"
    await refusal(app, query, "Cannot spread fragment 'A' within itself")
    assert model_server.requests == []


NESTED = {
    "fields": "{ " + "image { " * 10 + "guid" + " }" * 10 + " }",
    "fragments": "{ ...F0 }"
    + "".join(f"fragment F{n} on Query {{ image {{ ...F{n + 1} }} }}" for n in range(10))
    + "fragment F10 on Query { guid }",
    "inline fragments": "{ " + "... { image { " * 10 + "guid" + " } }" * 10 + " }",
    "introspection beside": "{ __typename " + "image { __typename " * 10 + " }" * 10 + " }",
}


@pytest.mark.parametrize("query", NESTED.values(), ids=NESTED.keys())
async def test_no_more_than_ten_levels(app: httpx2.AsyncClient, query: str) -> None:
    await refusal(app, query, "more than 10 levels deep")


async def test_ten_levels_are_left_to_validation(app: httpx2.AsyncClient) -> None:
    query = "{ " + "image { " * 9 + "guid" + " }" * 9 + " }"
    await refusal(app, query, "Cannot query field 'image' on type 'ImageDetail'")


async def test_introspection_works(app: httpx2.AsyncClient) -> None:
    full = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True
    )
    assert (await data(app, full))["__schema"]["queryType"]["name"] == "Query"


async def test_introspection_in_circles_is_refused(app: httpx2.AsyncClient) -> None:
    query = "{ __schema { types " + "{ fields { type " * 3 + "{ name }" + "} }" * 3 + " } }"
    await refusal(app, query, "Maximum introspection depth exceeded")


async def test_introspection_at_its_worst_is_answered_at_once(app: httpx2.AsyncClient) -> None:
    wide = "name description args { name description type { name ofType { name description } } }"
    inner = f"kind name fields {{ {wide} type {{ kind name ofType {{ kind name }} }} }}"
    query = (
        "{" + aliased(15, "__schema { types { kind name fields { name type { ...Deep } } } }") + "}"
        f"fragment Deep on __Type {{ {inner} ofType {{ {inner} ofType {{ {inner} }} }} }}"
    )
    started_at = time.process_time()
    await data(app, query)
    assert time.process_time() - started_at < 5


async def test_no_more_than_fifteen_aliases(app: httpx2.AsyncClient) -> None:
    assert len(await data(app, f"{{ {aliased(15)} }}")) == 15
    await refusal(app, f"{{ {aliased(16)} }}", "more than 15 aliases")
    spread = f"{{ ...F ... {{ ...F }} }} fragment F on Query {{ {aliased(8)} }}"
    await refusal(app, spread, "more than 15 aliases")


async def test_no_more_than_fifty_directives(app: httpx2.AsyncClient) -> None:
    skipped = " ".join("__typename @include(if: true)" for _ in range(50))
    assert await data(app, f"{{ {skipped} }}") == {"__typename": "Query"}
    for query in (
        f"{{ {skipped} ... @skip(if: true) {{ __typename }} }}",
        "{ __typename " + "@unknown " * 51 + "}",
        "query " + "@unknown " * 51 + "{ __typename }",
        "query($a: Int " + "@unknown " * 51 + ") { __typename }",
        "{ ...F " + "@unknown " * 51 + "} fragment F on Query { __typename }",
        "{ ...F } fragment F on Query " + "@unknown " * 51 + "{ __typename }",
    ):
        await refusal(app, query, "more than 50 directives")


async def test_no_more_than_a_thousand_tokens(app: httpx2.AsyncClient) -> None:
    assert await data(app, "{" + "__typename " * 400 + "}") == {"__typename": "Query"}
    await refusal(app, "{" + "a " * 999 + "}", "more than 1000 tokens")
    await refusal(app, "{ __typename }" + "#\n" * 1001, "more than 1000 comments")


async def test_the_limits_are_settings(
    make_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = make_settings(
        openai_base_url=model_server.base_url,
        openai_api_key="sk-x",
        graphql_max_depth=2,
        graphql_max_aliases=1,
        graphql_max_tokens=40,
        graphql_max_directives=1,
        graphql_max_generations=0,
    )
    async with open_client(settings) as client:
        assert await data(client, "{ a: images { guid @include(if: true) } }") == {"a": []}
        await refusal(client, "{ image { image { guid } } }", "more than 2 levels deep")
        await refusal(client, f"{{ {aliased(2)} }}", "more than 1 aliases")
        await refusal(client, "{" + "a " * 40 + "}", "more than 40 tokens")
        await refusal(client, "{ a @b @c }", "more than 1 directives")
        await refusal(client, f"mutation {{ {GEN} }}", "more than 0 generations")
    assert model_server.requests == []


def test_what_is_counted_is_found_in_the_schema() -> None:
    counted = CountedFields.of(make_schema()._schema)
    assert counted.paid == {"generateImage", "retryGeneration", "submitGeneration"}
    assert counted.lists == {
        *("edges", "entries", "failed", "faults", "generations", "images", "models", "nodes"),
        *("partialImages", "search", "tags"),
    }


def test_the_setting_names_all_that_may_be_paid_for() -> None:
    description = Settings.model_fields["graphql_max_generations"].description or ""
    named = set(re.findall("`([A-Za-z]+)`", description))
    assert named == CountedFields.of(make_schema()._schema).paid


def test_a_mutation_must_say_whether_it_may_cost() -> None:
    @strawberry.type
    class Query:
        name: str

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def draw(self) -> str:
            return ""

    with pytest.raises(KeyError):
        CountedFields.of(strawberry.Schema(query=Query, mutation=Mutation)._schema)

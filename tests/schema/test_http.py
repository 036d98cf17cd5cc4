"""GraphQL over HTTP: what is taken, what is refused, and in what form."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.graphql import data, error_of, errors_of, post
from tests.support.model_server import ModelServer

KEY = "N7mYcQ4w-tests-only-9fKz"
TYPENAME = '{"query": "{ __typename }"}'
JSON_TYPE = {"Content-Type": "application/json"}
STRICT = {"Accept": "application/graphql-response+json"}
ANSWER_DEADLINE_S = 1  # of this process, which others on the machine do not slow down
GENERATE = 'mutation { generateImage(prompt: "a cat") { guid } }'


@pytest.fixture
async def local_client(
    make_settings: MakeSettings, model_server: ModelServer
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of one application, for what no database has a part in."""
    settings = make_settings(openai_base_url=model_server.base_url, openai_api_key="sk-x")
    async with open_client(settings) as client:
        yield client


MALFORMED = {
    "nothing": b"",
    "null": b"null",
    "number": b"1",
    "string": b'"x"',
    "true": b"true",
    "list": b"[]",
    "batch": f"[{TYPENAME}, {TYPENAME}]".encode(),
    "no JSON": b"{ __typename }",
    "cut": b'{"query": "{ __typename }"',
    "two": f"{TYPENAME} {TYPENAME}".encode(),
    "invalid UTF-8": b'{"query": "{ __typename }\xff"}',
    "UTF-16": TYPENAME.encode("utf-16"),
    "brackets": b"[" * 100_000,
    "nested lists": b'{"variables": {"a": ' + b"[" * 5000 + b"]" * 5000 + b'}, "query": "{a}"}',
    "nested objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "5000 digits": b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5000 + b"}}",
    "NaN": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "Infinity": b'{"query": "{ __typename }", "variables": {"a": -Infinity}}',
    "key twice": b'{"query": "{ __typename }", "query": "{ a }"}',
    "inner key twice": b'{"query": "{ __typename }", "variables": {"a": 1, "a": 2}}',
    "no query": b"{}",
    "query null": b'{"query": null}',
    "query empty": b'{"query": ""}',
    "query number": b'{"query": 1}',
    "query list": b'{"query": ["{ __typename }"]}',
    "query object": b'{"query": {}}',
    "variables list": b'{"query": "{ __typename }", "variables": []}',
    "variables string": b'{"query": "{ __typename }", "variables": "{}"}',
    "variables number": b'{"query": "{ __typename }", "variables": 0}',
    "operationName list": b'{"query": "{ __typename }", "operationName": []}',
    "operationName false": b'{"query": "{ __typename }", "operationName": false}',
    "extensions list": b'{"query": "{ __typename }", "extensions": []}',
    "extensions string": b'{"query": "{ __typename }", "extensions": "x"}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("headers", [{}, STRICT], ids=["lenient", "strict"])
async def test_a_malformed_body_is_400(
    local_client: httpx2.AsyncClient, body: bytes, headers: dict[str, str]
) -> None:
    started_at = time.process_time()
    response = await local_client.post("/graphql", content=body, headers=JSON_TYPE | headers)
    assert time.process_time() - started_at < ANSWER_DEADLINE_S
    assert response.status_code == 400
    assert response.headers["content-type"] == headers.get("Accept", "application/json")
    error_of(response, "bad-request")
    assert "data" not in response.json()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": ""},
        {"variables": "{}"},
        *(
            {"query": "{ __typename }", name: value}
            for name in ("variables", "extensions")
            for value in ("{", "[]", "1", "x", '"x"', "NaN", "[" * 3000, '{"a":1,"a":2}')
        ),
        [("query", "{ __typename }"), ("query", "{ a }")],
    ],
)
async def test_a_malformed_url_is_400(local_client: httpx2.AsyncClient, parameters) -> None:
    response = await local_client.get(f"/graphql?{urlencode(parameters)}")
    assert response.status_code == 400
    error_of(response, "bad-request")


async def test_a_query_by_get(local_client: httpx2.AsyncClient) -> None:
    parameters = {
        "query": "query A($size: Int!) { images(size: $size) { guid } } query B { __typename }",
        "operationName": "A",
        "variables": '{"size": 1}',
        "extensions": "{}",
    }
    response = await local_client.get(f"/graphql?{urlencode(parameters)}")
    assert (response.status_code, response.json()) == (200, {"data": {"images": []}})
    for left_empty in ("&variables=", "&variables=&operationName="):
        response = await local_client.get(f"/graphql?query=%7B__typename%7D{left_empty}")
        assert response.json() == {"data": {"__typename": "Query"}}
    error_of(await local_client.get("/graphql?query=%ff"), "invalid-operation")


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": GENERATE},
        {"query": f"query Q {{ __typename }} mutation M {GENERATE[9:]}", "operationName": "M"},
        {"query": "mutation { unknownField }"},
        {"query": "subscription { images }"},
    ],
)
async def test_no_mutation_by_get(
    local_client: httpx2.AsyncClient, model_server: ModelServer, parameters: dict[str, str]
) -> None:
    response = await local_client.get(f"/graphql?{urlencode(parameters)}")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    error_of(response, "method-not-allowed")
    assert model_server.posts == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods(local_client: httpx2.AsyncClient, method: str) -> None:
    response = await local_client.request(method, "/graphql")
    assert response.status_code == 405
    error_of(response, "method-not-allowed")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json5",
        "text/json",
    ],
)
async def test_only_json_is_taken(
    local_client: httpx2.AsyncClient, model_server: ModelServer, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = json.dumps({"query": GENERATE}).encode()
    response = await local_client.post("/graphql", content=body, headers=headers)
    assert response.status_code == 415
    error_of(response, "unsupported-media-type")
    assert model_server.posts == 0


async def test_a_form_is_refused(
    local_client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    for form in ({"data": {"query": GENERATE}}, {"files": {"0": b"x"}}):
        response = await local_client.post("/graphql", **form)
        assert response.status_code == 415
    assert model_server.posts == 0


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"],
)
async def test_json_by_its_other_names(local_client: httpx2.AsyncClient, content_type: str) -> None:
    response = await local_client.post(
        "/graphql", content=TYPENAME.encode(), headers={"Content-Type": content_type}
    )
    assert response.json() == {"data": {"__typename": "Query"}}


UNREADABLE = {
    "open braces": "{a" * 5000,
    "braces": "{a" * 5000 + "}" * 5000,
    "inline fragments": "{" + "...{" * 5000,
    "list": "{ images(page: " + "[" * 5000 + "]" * 5000 + ") { guid } }",
    "short list": "{ images(page: " + "[" * 150 + "]" * 150 + ") { guid } }",
    "object": "{ images(page: " + "{a:" * 150 + "1" + "}" * 150 + ") { guid } }",
    "list type": "query($a: " + "[" * 5000 + "Int" + "]" * 5000 + ") { __typename }",
    "digits": "{ images(page: " + "9" * 5000 + ") { guid } }",
    "digits by default": "query($a: Int = " + "9" * 5000 + ") { images(page: $a) { guid } }",
    "exponent": "{ images(page: 1e" + "9" * 5000 + ") { guid } }",
    "block string for a number": '{ images(page: """' + "x\n" * 50_000 + '""") { guid } }',
    "open block string": '{ image(guid: """' + "x\n" * 50_000 + "} }",
    "long name": "{ " + "i" * 250_000 + " }",
    "NUL": "{ \x00 }",
    "schema": "type A { a: Int }",
    "subscription": 'subscription { generation(guid: "") { guid } }',
    "unknown subscription": "subscription { images }",
    "many names": "{" + " ".join(f"image{n}" for n in range(990)) + "}",
    "same name": "{" + "__typename " * 990 + "}",
    "blank": "   ",
}


@pytest.mark.parametrize("query", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_unreadable_document_is_a_proper_error(
    local_client: httpx2.AsyncClient, query: str
) -> None:
    started_at = time.process_time()
    lenient = await post(local_client, query)
    strict = await post(local_client, query, headers=STRICT)
    assert time.process_time() - started_at < 2 * ANSWER_DEADLINE_S
    assert (lenient.status_code, strict.status_code) == (200, 400)
    for response in (lenient, strict):
        assert {error["extensions"]["code"] for error in errors_of(response)} == {
            "invalid-operation"
        }
        assert "data" not in response.json()
        assert "sys.set_int_max_str_digits" not in response.text


async def test_an_empty_operation_name_is_none(local_client: httpx2.AsyncClient) -> None:
    for query in ("{ __typename }", "query Q { __typename }"):
        body = {"query": query, "operationName": ""}
        response = await local_client.post("/graphql", json=body)
        assert response.json() == {"data": {"__typename": "Query"}}
    two = {"query": "query A { __typename } query B { __typename }", "operationName": ""}
    error_of(await local_client.post("/graphql", json=two), "invalid-operation")


PERSISTED = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_persisted_queries_are_declined_in_apollos_form(
    local_client: httpx2.AsyncClient, method: str
) -> None:
    for headers, status in (({}, 200), (STRICT, 400)):
        options: dict[str, Any] = (
            {"json": {"extensions": PERSISTED}}
            if method == "POST"
            else {"params": {"extensions": json.dumps(PERSISTED)}}
        )
        response = await local_client.request(method, "/graphql", headers=headers, **options)
        assert response.status_code == status
        assert error_of(response, "PERSISTED_QUERY_NOT_SUPPORTED")["message"] == (
            "PersistedQueryNotSupported"
        )
        assert "data" not in response.json()
    with_query = {"query": "{ __typename }", "extensions": PERSISTED}
    response = await local_client.post("/graphql", json=with_query)
    assert response.json() == {"data": {"__typename": "Query"}}


async def test_a_huge_block_string_is_read(local_client: httpx2.AsyncClient) -> None:
    query = '{ image(guid: """' + "x\n" * 50_000 + '""") { guid } }'
    assert await data(local_client, query) == {"image": None}


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "{ \\ud800 }"}',
        b'{"query": "query Q { __typename }", "operationName": "\\ud800"}',
        b'{"query": "query($p: Int!) { images(page: $p) { url } }", "variables": {"p": "\\udfff"}}',
        b'{"query": "{ image(guid: \\"\\ud800\\") { guid } }"}',
    ],
)
async def test_a_lone_surrogate_in_an_error_message(
    local_client: httpx2.AsyncClient, body: bytes
) -> None:
    response = await local_client.post("/graphql", content=body, headers=JSON_TYPE)
    assert response.status_code == 200
    error_of(response, "invalid-operation")


async def test_variables_that_will_not_do(local_client: httpx2.AsyncClient) -> None:
    query = "query($page: Int!) { images(page: $page) { guid } }"
    for variables in ({}, {"page": None}, {"page": "1"}, {"page": 1e300}, {"page": [[[1]]]}):
        lenient = await post(local_client, query, variables)
        strict = await post(local_client, query, variables, headers=STRICT)
        assert (lenient.status_code, strict.status_code) == (200, 400)
        assert "data" not in lenient.json()
        error_of(lenient, "invalid-operation")
        error_of(strict, "invalid-operation")


async def test_a_field_that_fails_is_200_in_either_form(local_client: httpx2.AsyncClient) -> None:
    for headers in ({}, STRICT):
        response = await post(local_client, "{ images(size: 0) { guid } }", headers=headers)
        assert response.status_code == 200
        assert response.json()["data"] is None
        error_of(response, "constraint-violation")


async def test_too_large_a_body_is_413(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        large = TYPENAME.encode() + b" " * (256 * 1024 - len(TYPENAME))
        accepted = await client.post("/graphql", content=large, headers=JSON_TYPE)
        assert accepted.json() == {"data": {"__typename": "Query"}}
        refused = await client.post("/graphql", content=large + b" ", headers=JSON_TYPE)
        assert refused.status_code == 413
        error_of(refused, "payload-too-large")


async def test_without_the_key_it_is_401(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(api_keys=KEY)) as client:
        for headers in ({}, {"X-API-Key": "wrong"}, {"Accept": "text/html"}, STRICT):
            response = await post(client, "{ __typename }", headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["content-type"] in {"application/json", STRICT["Accept"]}
            error_of(response, "unauthenticated")
        response = await client.get("/graphql?query={__typename}", headers={"Accept": "text/html"})
        assert response.status_code == 401
        response = await client.post("/graphql", content=b"[[[", headers=JSON_TYPE)
        assert response.status_code == 401
        for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
            response = await post(client, "{ __typename }", headers=headers)
            assert response.json() == {"data": {"__typename": "Query"}}


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_browsers_get_graphiql_without_a_key(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(api_keys=KEY)) as client:
        page = await client.get("/graphql", headers=BROWSER)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert 'data-key="needed"' in page.text, "it asks for the key"
        assert KEY not in page.text
        assert (await client.get("/graphql")).status_code == 401


async def test_graphiql_can_be_switched_off(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(graphql_graphiql=False)) as client:
        response = await client.get("/graphql", headers=BROWSER)
        assert response.status_code == 400
        error_of(response, "bad-request")


async def test_introspection_can_be_switched_off(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(graphql_introspection=False)) as client:
        for query in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
            response = await post(client, query)
            assert "introspection" in errors_of(response)[0]["message"]
            assert "data" not in response.json()
        assert await data(client, "{ __typename }") == {"__typename": "Query"}


async def test_suggestions_can_be_switched_off(make_settings: MakeSettings) -> None:
    queries = ["{ imagez { guid } }", "{ images(sizee: 1) { guid } }", "{ images { guidd } }"]
    for suggestions in (True, False):
        async with open_client(make_settings(graphql_suggestions=suggestions)) as client:
            for query in queries:
                message = error_of(await post(client, query), "invalid-operation")["message"]
                assert ("Did you mean" in message) is suggestions

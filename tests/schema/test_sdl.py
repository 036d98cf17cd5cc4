"""The schema as clients see it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
from graphql import GraphQLScalarType, build_schema, get_introspection_query

from pixyproxy.app import graphql_limits
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.schema import make_schema
from tests.conftest import MakeSettings, open_client
from tests.support.graphql import data

COMMITTED = Path(__file__).parents[2] / "schema.graphql"


def test_the_committed_schema_is_the_exported_one() -> None:
    command = [sys.executable, "-m", "pixyproxy", "export-schema"]
    exported = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert COMMITTED.read_text() == exported, "run `make schema`"
    build_schema(exported)
    assert make_schema().as_str() + "\n" == exported


async def test_the_schema_is_a_document_for_anybody(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(api_keys="N7mYcQ4w-tests-only-9fKz")) as client:
        response = await client.get("/schema.graphql")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.text == COMMITTED.read_text()
        assert (await client.head("/schema.graphql")).headers["content-length"] == str(
            len(response.content)
        )
        assert (await client.post("/schema.graphql")).status_code == 405


async def test_the_document_is_off_with_introspection(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(graphql_introspection=False)) as client:
        response = await client.get("/schema.graphql")
    assert response.status_code == 404
    assert response.json()["code"] == "not-found"


def test_scalars_say_where_they_are_specified() -> None:
    types = make_schema()._schema.type_map.values()
    scalars = [type_ for type_ in types if isinstance(type_, GraphQLScalarType)]
    ours = {scalar.name: scalar.specified_by_url for scalar in scalars} if scalars else {}
    assert ours.keys() >= {"BigInt", "Date", "DateTime", "JSON"}
    for name in ("BigInt", "Date", "DateTime", "JSON"):
        assert (ours[name] or "").startswith("https://")


async def test_everything_is_described(client: httpx2.AsyncClient) -> None:
    schema = (await data(client, get_introspection_query()))["__schema"]
    silent: list[str] = []

    def check(name: str, thing: dict[str, Any]) -> None:
        if not (thing["description"] or "").strip():
            silent.append(name)

    ours = [type_ for type_ in schema["types"] if not type_["name"].startswith("__")]
    for type_ in ours:
        check(type_["name"], type_)
        for field in type_["fields"] or ():
            check(f"{type_['name']}.{field['name']}", field)
            for argument in field["args"]:
                check(f"{type_['name']}.{field['name']}({argument['name']})", argument)
        for part in [*(type_["inputFields"] or ()), *(type_["enumValues"] or ())]:
            check(f"{type_['name']}.{part['name']}", part)
    assert silent == []
    assert {"Query", "Mutation", "ImageDetail"} <= {type_["name"] for type_ in ours}


def test_the_limits_have_the_settings_defaults(make_settings: MakeSettings) -> None:
    assert graphql_limits(make_settings()) == Limits()

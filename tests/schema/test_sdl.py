"""The schema as clients see it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
from graphql import build_schema, get_introspection_query

from pixyproxy.app import graphql_limits
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.schema import make_schema
from tests.conftest import MakeSettings
from tests.support.graphql import data

COMMITTED = Path(__file__).parents[2] / "schema.graphql"


def test_the_committed_schema_is_the_exported_one() -> None:
    command = [sys.executable, "-m", "pixyproxy", "export-schema"]
    exported = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert COMMITTED.read_text() == exported, "run `make schema`"
    build_schema(exported)
    assert make_schema().as_str() + "\n" == exported


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

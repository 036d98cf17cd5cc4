"""The pages as files: their policies, their names, their languages, and their absence."""

import re
from typing import Any

import pytest

from tests.conftest import MakeSettings, open_client


def policy_of(headers: Any) -> dict[str, str]:
    directives = headers["content-security-policy"].split(";")
    return {name: value for name, _, value in (each.strip().partition(" ") for each in directives)}


async def test_the_policy_lets_nothing_else_run(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        page = await client.get("/")

    policy = policy_of(page.headers)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>PixyProxy</title>" in page.text
    assert policy["default-src"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {value for name, value in policy.items() if name.endswith("-src")} <= {
        "'none'",
        "'self'",
    }
    assert not re.search(r"<script(?![^>]* src=)|<style| on\w+=| style=", page.text)


async def test_its_files_never_change_under_their_names(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        page = await client.get("/")
        paths = re.findall(r'(?:src|href)="(ui/[^"]+)"', page.text)
        assert len(paths) > 10
        for path in paths:
            answer = await client.get(f"/{path}")
            assert answer.status_code == 200, path
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-cache"
        assert (
            await client.get(re.sub("ui/[0-9a-f]+", "ui/0123", f"/{paths[0]}"))
        ).status_code == 404
        assert (await client.get(f"/{paths[0]}.map")).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr-FR,fr;q=0.9,de;q=0.3,en;q=0.2", "de"),
        ("ja", "en"),
        ("", "en"),
        ("de;q=x", "en"),
    ],
)
async def test_the_browsers_language_chooses(
    make_settings: MakeSettings, accepted: str, language: str
) -> None:
    async with open_client(make_settings()) as client:
        page = await client.get("/", headers={"Accept-Language": accepted})

    assert f'<html lang="{language}"' in page.text
    assert page.headers["vary"] == "Accept-Language"


async def test_every_page_can_be_taken_away(make_settings: MakeSettings) -> None:
    settings = make_settings(ui=False, docs=False, graphql_graphiql=False)
    async with open_client(settings) as client:
        for path in ("/", "/docs", "/graphql"):
            answer = await client.get(path, headers={"Accept": "text/html"})
            assert answer.status_code == (400 if path == "/graphql" else 404), path
        assert (await client.get("/openapi.json")).status_code == 200

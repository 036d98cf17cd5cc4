"""GraphiQL and Swagger UI, used where there is no internet."""

import hashlib
import re
from contextlib import suppress

import httpx2
import pytest
from playwright.sync_api import Locator, expect

from pixyproxy.web.assets import GRAPHIQL, SWAGGER
from tests.support.servers import Service
from tests.support.sockets import KEY
from tests.ui.conftest import OpenPage, draw

UPSTREAM = {
    "graphiql-plugin-explorer.umd.js": (
        "de152e8415dd5e57c28fa45378490916d121fe4506f9308301216914f2ebcef1"
    ),
    "graphiql.min.css": "c6cd4b83f01c5e1ff4975d77bc957184dce6dec0155fbf9cc4d9190eba8a7b9d",
    "graphiql.min.js": "c564de05b95d184e2c5ba5ceaf2635821f6bf92f2d5777b74d91004ff6b591d1",
    "graphql-ws.min.js": "11986f83a00d26b06c80bbcb01ad2eb8734b7a92c95421584bec656f953f6eac",
    "react-dom.production.min.js": (
        "9db33292007ab6c38527b39d5663e976a305564e19b2a5a8713ea2b2c00f505d"
    ),
    "react.production.min.js": "229bbf4d0e7488209564152c6723497f1ac3934136ca1684233d2fa88fa4146f",
    "swagger-ui-bundle.js": "3f6abf70480db7e07914df4c98a77385f22ea585eaf457a3e6415ba0eae2d167",
    "swagger-ui.css": "c3cfe8248c4b0b89673600fb829924eafbac6de4bc4b2b06f5f5243483074d0a",
}
"""SHA-256 of the files that were compared with those of their makers on npm: GraphiQL 2.4.7, React
17.0.2, graphql-ws 5.13.1, @graphiql/plugin-explorer 0.1.15, Swagger UI 5.34.0."""


@pytest.mark.parametrize("source", [GRAPHIQL, SWAGGER], ids=["graphiql", "swagger"])
def test_borrowed_files_are_those_that_were_looked_at(source: object) -> None:
    assert isinstance(source, type(GRAPHIQL))
    for name, path in source.paths():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == UPSTREAM[name], name


def run_until(run: Locator, answer: Locator, text: str) -> None:
    """Click until the answer has the text: GraphiQL learns late which tab's operation it is."""
    for _ in range(10):
        run.click()
        with suppress(AssertionError):
            expect(answer).to_contain_text(text, timeout=3000)
            return
    expect(answer).to_contain_text(text)


def test_graphiql_runs_its_examples(own_service: Service, open_page: OpenPage) -> None:
    draw(own_service, "a lighthouse")
    with open_page(own_service, "/graphql") as page:
        assert page.title() == "GraphQL · PixyProxy"
        run = page.get_by_role("button", name="Execute")
        answer = page.get_by_label("Result Window")
        expect(run).to_be_visible()
        run.click()
        expect(answer).to_contain_text('"generateImage"')
        expect(answer).to_contain_text('"width": 1024')
        page.get_by_role("tab", name="Search").click()
        run_until(run, answer, '"totalCount": 2')
        page.get_by_role("tab", name="Follow").click()
        generation = httpx2.get(f"{own_service.origin}/generation", trust_env=False).json()[0]
        variables = page.get_by_label("Variables").get_by_role("textbox")
        variables.focus()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(f'{{"guid": "{generation["guid"]}"}}')
        run_until(run, answer, "SUCCEEDED")
        page.get_by_role("tab", name="Delete").click()
        expect(page.get_by_role("button", name="Show Documentation Explorer")).to_be_visible()


def test_graphiql_takes_the_key(tmp_path, open_page: OpenPage) -> None:
    with Service(tmp_path / "service", api_keys=KEY, generator="sketch") as service:
        faults: list[str] = []
        with open_page(service, "/graphql", faults=faults) as page:
            page.get_by_label("API key").fill(KEY)
            page.get_by_role("tab", name="Search").click()
            run = page.get_by_role("button", name="Execute")
            run_until(run, page.get_by_label("Result Window"), '"totalCount": 0')
        # Before there was a key the schema could not be read.
        assert all("401" in fault for fault in faults)


def test_every_operation_has_its_summary_and_can_be_tried(
    service: Service, open_page: OpenPage
) -> None:
    document = httpx2.get(f"{service.origin}/openapi.json", trust_env=False).json()
    with open_page(service, "/docs") as page:
        assert page.title() == "REST · PixyProxy"
        for path in document["paths"].values():
            for operation in path.values():
                shown = page.get_by_text(operation["summary"], exact=True).first
                expect(shown).to_be_visible()
        page.get_by_text("List tags", exact=True).click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table").get_by_text("200").first).to_be_visible()


@pytest.mark.parametrize("path", ["/graphql", "/docs"])
def test_their_policies_let_nothing_of_others_run(service: Service, path: str) -> None:
    page = httpx2.get(service.origin + path, headers={"Accept": "text/html"}, trust_env=False)
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")

"""The code of docs/graphql-clients.md, with the real packages, against a real server."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.processes import ROOT
from tests.support.programs import require_program
from tests.support.servers import Service

pytestmark = pytest.mark.slow

PACKAGES = Path(__file__).parent / "graphql_clients"
PAGE = (ROOT / "docs/graphql-clients.md").read_text()
KEY = "N7mYcQ4w-tests-only-9fKz"
DEADLINE_S = 240
BLOCKS = dict(re.findall(r"```\w+\n(?://|#) (\S+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("clients"), api_keys=KEY) as service:
        yield service


@pytest.fixture(scope="session")
def node() -> str:
    """node, with the packages installed from the lock file."""
    node, npm = require_program("node"), require_program("npm")
    command = [npm, "ci", "--prefer-offline"]
    if not _is_installed():
        done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return node


def _is_installed() -> bool:
    installed = PACKAGES / "node_modules/.package-lock.json"
    lock = json.loads((PACKAGES / "package-lock.json").read_text())["packages"]
    wanted = {name: package["version"] for name, package in lock.items() if name}
    if not installed.exists():
        return False
    there = json.loads(installed.read_text())["packages"]
    optional = {name for name, package in lock.items() if package.get("optional")}
    return all(
        name in optional or there.get(name, {}).get("version") == version
        for name, version in wanted.items()
    )


class Reader:
    """Somebody who copies the page's code into a folder, with their own host and key."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder = folder
        self._origin = service.origin

    def copy(self, *names: str) -> None:
        for name in names:
            code = BLOCKS[name].replace("YOUR-KEY", KEY)
            code = code.replace("https://pixy.example.org", self._origin)
            code = code.replace("wss://pixy.example.org", self._origin.replace("http", "ws"))
            self.write(name, code)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "NO_COLOR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path, service: Service) -> Reader:
    reader = Reader(tmp_path, service)
    (tmp_path / "node_modules").symlink_to(PACKAGES / "node_modules")
    reader.write("package.json", '{"type": "module"}')
    return reader


def script(reader: Reader, node: str, code: str) -> Any:
    """Run some JavaScript, and return what it prints as JSON."""
    reader.write("script.js", code)
    preload = (PACKAGES / "websocket.mjs").as_uri()
    return json.loads(reader.run(node, "--import", preload, "script.js"))


def test_apollo_normalises_without_being_told(reader: Reader, node: str) -> None:
    reader.copy("apollo.js")
    seen = script(
        reader,
        node,
        """
        import { GALLERY, TAG, client, draw } from "./apollo.js";
        const image = await draw("a red fox");
        await client.query({ query: GALLERY });
        await client.mutate({ mutation: TAG, variables: { guid: image.id, tag: "winter" } });
        const { images } = client.readQuery({ query: GALLERY });
        const keys = Object.keys(client.cache.extract());
        console.log(JSON.stringify({ image, images, keys }));
        process.exit();
        """,
    )
    image = seen["image"]
    assert image["prompt"] == "a red fox"
    (shown,) = [each for each in seen["images"] if each["id"] == image["id"]]
    assert shown["tags"] == ["winter"]
    assert f"ImageDetail:{image['id']}" in seen["keys"]
    assert [key for key in seen["keys"] if key.startswith("Generation:")]


def test_apollo_sees_what_a_siblings_fault_leaves(reader: Reader, node: str) -> None:
    reader.copy("apollo.js")
    seen = script(
        reader,
        node,
        """
        import { gql } from "@apollo/client";
        import { client } from "./apollo.js";
        const mutation = gql`mutation {
          paid: generateImage(prompt: "a red fox") { id }
          bad: generateImage(prompt: "a fox", outputCompression: 101) { id }
        }`;
        const { data, error } = await client.mutate({ mutation, errorPolicy: "all" });
        console.log(JSON.stringify({ data, errors: error.errors }));
        process.exit();
        """,
    )
    assert seen["data"]["paid"]["id"]
    assert seen["data"]["bad"] is None
    (error,) = seen["errors"]
    assert error["extensions"]["errors"][0]["field"] == "outputCompression"


def test_apollos_persisted_queries_fall_back(reader: Reader, node: str, service: Service) -> None:
    reader.copy("apollo.js")
    seen = script(
        reader,
        node,
        """
        import { createHash } from "node:crypto";
        import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";
        import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
        import { GALLERY } from "./apollo.js";
        const sent = [];
        const counted = (url, init) => { sent.push(init.body ?? ""); return fetch(url, init); };
        const sha256 = (text) => createHash("sha256").update(text).digest("hex");
        const http = new HttpLink({
          uri: "ORIGIN/graphql", headers: { "X-API-Key": "KEY" }, fetch: counted,
        });
        const client = new ApolloClient({
          link: new PersistedQueryLink({ sha256 }).concat(http), cache: new InMemoryCache(),
        });
        const { data } = await client.query({ query: GALLERY });
        await client.query({ query: GALLERY, fetchPolicy: "network-only" });
        console.log(JSON.stringify({ data, sent: sent.map((body) => body.includes("Gallery {")) }));
        process.exit();
        """.replace("ORIGIN", service.origin).replace("KEY", KEY),
    )
    assert seen["data"]["images"] is not None
    assert seen["sent"] == [False, True, True]


def test_urql_normalises_without_being_told(reader: Reader, node: str) -> None:
    reader.copy("urql.js")
    seen = script(
        reader,
        node,
        """
        import { DRAW, FOLLOW, GALLERY, TAG, client } from "./urql.js";
        const first = await client.mutation(DRAW, { prompt: "a red fox", order: "urql-1" });
        const guid = first.data.generateImage.id;
        const shown = [];
        const done = new Promise((resolve) => {
          client.query(GALLERY, {}).subscribe(({ data }) => {
            const image = data?.images.find((image) => image.id === guid);
            if (image) shown.push(image.tags);
            if (image?.tags.length) resolve();
          });
        });
        await client.query(GALLERY, {});
        await client.mutation(TAG, { guid, tag: "winter" });
        await done;
        const query = `query ($id: ID!) {
          node(id: $id) { id ... on ImageDetail { tags generation { id } } }
        }`;
        const { data } = await client.query(query, { id: guid });
        const followed = await new Promise((resolve) => {
          client.subscription(FOLLOW, { guid: data.node.generation.id }).subscribe(resolve);
        });
        console.log(JSON.stringify({ shown, node: data.node, followed: followed.data }));
        process.exit();
        """,
    )
    assert (seen["shown"][0], seen["shown"][-1]) == ([], ["winter"])
    assert seen["node"]["tags"] == ["winter"]
    assert seen["followed"]["generation"]["status"] == "SUCCEEDED"
    assert seen["followed"]["generation"]["id"] == seen["node"]["generation"]["id"]


def make_image(service: Service) -> str:
    """Return the GUID of a new image."""
    made = httpx2.post(
        f"{service.origin}/image",
        json={"prompt": "a lighthouse"},
        headers={"X-API-Key": KEY},
        trust_env=False,
    )
    return str(made.json()["guid"])


def test_relay_normalises_pages_and_refetches(reader: Reader, node: str, service: Service) -> None:
    guid = make_image(service)
    make_image(service)
    reader.write("package.json", '{"type": "commonjs"}')
    reader.copy("schema.sh", "relay.config.json", "src/gallery.js")
    reader.run(require_program("sh"), "schema.sh")
    assert (reader.folder / "schema.graphql").read_text() == (ROOT / "schema.graphql").read_text()
    bin_ = "node_modules/.bin"
    reader.run(node, f"{bin_}/relay-compiler")
    artifacts = {path.name for path in (reader.folder / "src/__generated__").iterdir()}
    assert "galleryImageRefetchQuery.graphql.js" in artifacts
    plugins = "relay,@babel/plugin-transform-modules-commonjs"
    reader.run(node, f"{bin_}/babel", "src", "--out-dir", "built", f"--plugins={plugins}")
    seen = script(
        reader,
        node,
        """
        const { fetchQuery, getRequest } = require("relay-runtime");
        const { environment, page, tag } = require("./built/gallery.js");
        const refetch = require("./built/__generated__/galleryImageRefetchQuery.graphql.js");
        (async () => {
          const first = await page(1);
          const next = await page(1, first.imageConnection.pageInfo.endCursor);
          const nodes = [first, next].map((each) => each.imageConnection.edges[0].node);
          await tag(nodes[1].id, "winter");
          const tags = environment.getStore().getSource().get(nodes[1].id).tags;
          const fetched = await fetchQuery(environment, refetch, { id: nodes[1].id }).toPromise();
          const told = { ids: nodes.map((node) => node.id), tags, node: fetched.node };
          console.log(JSON.stringify(told));
        })();
        """,
    )
    assert seen["ids"][1] == guid
    assert seen["tags"] == ["winter"]
    assert seen["node"]


def test_codegen_types_the_answers(reader: Reader, node: str) -> None:
    reader.copy("codegen.ts", "app/main.ts")
    reader.run(node, "node_modules/.bin/graphql-codegen", "--config", "codegen.ts")
    reader.write(
        "app/use.ts",
        """
        import type { ResultOf } from "@graphql-typed-document-node/core";
        import { generations } from "./main";

        export function first(answer: ResultOf<typeof generations>): string {
          const [failed] = answer.generations;
          const fields: string[] = failed.error?.faults.map((fault) => fault.field) ?? [];
          return failed.queuedAt + failed.id + fields.join();
        }
        // @ts-expect-error: it is not asked for
        export const nothing = (answer: ResultOf<typeof generations>) => answer.generations[0].n;
        """,
    )
    options = "--noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler"
    reader.run(node, "node_modules/.bin/tsc", *options.split(), "app/use.ts")
    types = (reader.folder / "app/gql/graphql.ts").read_text()
    assert "BigInt: { input: number; output: number; }" in types
    assert "FieldFault" in types


async def test_gql_draws_and_follows(reader: Reader) -> None:
    reader.copy("pixy.py")
    printed = await asyncio.to_thread(reader.run, sys.executable, "-W", "error", "pixy.py")
    assert re.search(r"'id': '[0-9a-f-]{36}', 'url': 'http", printed)


def test_the_page_is_tested_whole() -> None:
    tested = set(re.findall(r'"([\w./]+\.(?:js|json|sh|ts|py))"', Path(__file__).read_text()))
    assert BLOCKS.keys() <= tested
    assert len(re.findall("^```[a-z]", PAGE, re.MULTILINE)) == len(BLOCKS)


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((PACKAGES / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in packages.items() if name)
    for file in ("package.json", ".npmrc", "websocket.mjs"):
        assert "://" not in (PACKAGES / file).read_text()

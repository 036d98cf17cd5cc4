"""The trash as any client sees it: what is in it is deleted, and can come back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pixyproxy.bootstrap import Services
from tests.conftest import MakeSettings, open_client, open_with_services
from tests.support.clients import draw, eventually, is_served
from tests.support.graphql import data, error_of, post
from tests.support.model_server import ModelServer
from tests.support.problems import assert_problem
from tests.support.rows import raw

DAYS = 30
TRASH = """query($first: Int! = 20, $after: String) { trash(first: $first, after: $after) {
    totalCount nodes { guid prompt } edges { cursor node { guid deletedAt keptUntil } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
} }"""
RESTORE = "mutation($guids: [ID!]!) { restoreImages(guids: $guids) { done failed { guid code } } }"
PURGE = "mutation($guids: [ID!]!) { purgeImages(guids: $guids) { done failed { guid code } } }"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def opened(
    make_settings: MakeSettings, database_url: str, model_server: ModelServer
) -> AsyncIterator[tuple[httpx2.AsyncClient, Services]]:
    settings = make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
        trash_days=DAYS,
    )
    async with open_with_services(settings) as opened:
        yield opened


@pytest.fixture
def client(opened: tuple[httpx2.AsyncClient, Services]) -> httpx2.AsyncClient:
    return opened[0]


@pytest.fixture
def services(opened: tuple[httpx2.AsyncClient, Services]) -> Services:
    return opened[1]


async def guids(client: httpx2.AsyncClient, path: str) -> list[str]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return [image["guid"] for image in answer.json()]


async def tag(client: httpx2.AsyncClient, image: dict[str, Any], *names: str) -> dict[str, Any]:
    answer = await client.patch(f"/image/{image['guid']}", json={"add_tags": list(names)})
    return dict(answer.json())


def files(tmp_path: Path, image: dict[str, Any]) -> list[Path]:
    return [path for path in (tmp_path / "images").rglob(f"{image['guid']}*") if path.is_file()]


def make_old(database_url: str) -> None:
    """Have the time of all that is in the trash be over."""
    raw(database_url, "UPDATE trashed_images SET kept_until = '2020-01-01 00:00:00'")


@pytest.mark.parametrize("how", ["rest", "batch", "graphql", "graphql-many"])
async def test_what_is_in_the_trash_is_gone_everywhere(
    client: httpx2.AsyncClient, tmp_path: Path, database_url: str, how: str
) -> None:
    kept, image = await draw(client, "a fox"), await draw(client)
    await tag(client, image, "pets")
    guid, path = image["guid"], f"/image/{image['guid']}"
    assert (await client.get(f"{path}/content?width=64")).status_code == 200
    variables = {"guids": [guid]}
    match how:
        case "rest":
            deleted = await client.delete(path)
            assert (deleted.status_code, deleted.content) == (204, b"")
        case "batch":
            answer = await client.post("/image/batch/delete", json=variables)
            assert answer.json() == {"done": [guid], "failed": []}
        case "graphql":
            query = f'mutation {{ deleteImage(guid: "{guid}") {{ guid tags }} }}'
            assert await data(client, query) == {"deleteImage": {"guid": guid, "tags": ["pets"]}}
        case _:
            query = "mutation($guids: [ID!]!) { deleteImages(guids: $guids) { done } }"
            assert await data(client, query, variables) == {"deleteImages": {"done": [guid]}}

    for method, url in (
        ("GET", path),
        ("GET", f"{path}/content"),
        ("GET", f"{path}/content?width=64"),
        ("DELETE", path),
        ("PATCH", path),
    ):
        body = {"json": {"add_tags": ["a"]}} if method == "PATCH" else {}
        assert_problem(await client.request(method, url, **body), 410, "image-gone")
    again = await client.post("/image/batch/delete", json=variables)
    assert again.json() == {"done": [], "failed": [{"guid": guid, "code": "image-gone"}]}
    assert await guids(client, "/image") == [kept["guid"]]
    assert await guids(client, "/image/search?query=cat") == []
    assert await guids(client, f"/image/search?guid={guid}") == []
    assert await guids(client, f"/image?guid={guid}") == []
    assert (await client.get("/tags")).json() == []
    assert (await client.get("/stats")).json()["image_count"] == 1
    assert (await client.post("/image/zip", json=variables)).status_code == 404
    generation = (await client.get(f"/generation/{image['generation_guid']}")).json()
    assert generation["images"] == []
    query = f'{{ image(guid: "{guid}") {{ guid }} node(id: "{guid}") {{ id }} }}'
    assert await data(client, query) == {"image": None, "node": None}
    assert len(files(tmp_path, image)) == 1
    assert [path for path in (tmp_path / "variants").rglob(f"*{guid}*") if path.is_file()] == []
    assert raw(database_url, "SELECT COUNT(*) FROM deleted_images") == [(0,)]


@pytest.mark.parametrize("how", ["rest", "graphql"])
async def test_what_is_restored_is_as_it_was(client: httpx2.AsyncClient, how: str) -> None:
    images = [await draw(client, f"cat number {number}") for number in range(4)]
    chosen = [await tag(client, images[at], "pets", "cats") for at in (1, 3)]
    names = [image["guid"] for image in chosen]
    await client.post("/image/batch/delete", json={"guids": names})
    await draw(client, "a dog")
    wish = {"guids": [*names, NOBODY, "nonsense"]}
    if how == "rest":
        result = (await client.post("/trash/restore", json=wish)).json()
    else:
        result = (await data(client, RESTORE, wish))["restoreImages"]

    failed = [{"guid": guid, "code": "image-not-found"} for guid in (NOBODY, "nonsense")]
    assert result == {"done": names, "failed": failed}
    in_order = [image["guid"] for image in images[::-1]]
    assert (await guids(client, "/image"))[1:] == in_order
    assert await guids(client, "/image/search?query=cat") == in_order
    assert await guids(client, "/image/search?tag=pets") == names[::-1]
    counts = {one["name"]: one["image_count"] for one in (await client.get("/tags")).json()}
    assert counts == {"cats": 2, "pets": 2}
    assert (await client.get("/stats")).json()["image_count"] == 5
    for image in chosen:
        now = (await client.get(f"/image/{image['guid']}")).json()
        assert now.pop("updated_at") > image["updated_at"]
        assert now.items() <= image.items()
        assert await is_served(client, image)
    assert await guids(client, "/trash") == []
    again = await client.post("/trash/restore", json={"guids": names})
    assert again.json() == {"done": names, "failed": []}
    assert (await client.delete(f"/image/{names[0]}")).status_code == 204
    assert await guids(client, "/trash") == names[:1]


async def test_the_trash_is_listed_page_by_page(client: httpx2.AsyncClient) -> None:
    images = [await draw(client, f"cat {number}") for number in range(5)]
    order = [images[at]["guid"] for at in (2, 0, 4, 1, 3)]
    for guid in order:
        await client.delete(f"/image/{guid}")
    newest_first = order[::-1]
    found, url = [], "/trash?size=2"
    while url:
        answer = await client.get(url)
        found += answer.json()
        link = answer.headers.get("link", "")
        url = link.partition("<")[2].partition(">")[0]
    assert [image["guid"] for image in found] == newest_first
    first = images[3]
    for name in ("prompt", "created_at", "thumbhash", "tags", "sha256"):
        assert found[0][name] == first[name]
    assert "url" not in found[0]
    kept_for = datetime.fromisoformat(found[0]["kept_until"]) - datetime.fromisoformat(
        found[0]["deleted_at"]
    )
    assert kept_for == timedelta(days=DAYS)

    page = (await data(client, TRASH, {"first": 2}))["trash"]
    assert [node["guid"] for node in page["nodes"]] == newest_first[:2]
    assert page["totalCount"] == 5
    assert page["pageInfo"]["hasNextPage"] is True
    assert page["pageInfo"]["endCursor"] == page["edges"][1]["cursor"]
    last = (await data(client, TRASH, {"first": 4, "after": page["edges"][1]["cursor"]}))["trash"]
    assert [node["guid"] for node in last["nodes"]] == newest_first[2:]
    assert last["pageInfo"]["hasNextPage"] is False
    assert last["pageInfo"]["hasPreviousPage"] is True
    nothing = (await data(client, TRASH, {"first": 0}))["trash"]
    assert (nothing["nodes"], nothing["totalCount"]) == ([], 5)


@pytest.mark.parametrize("query", ["size=0", "size=101", "after=x", "before=x", "page=2"])
async def test_parts_of_the_trash_that_there_are_not(
    client: httpx2.AsyncClient, query: str
) -> None:
    assert_problem(await client.get(f"/trash?{query}"), 422, "constraint-violation")
    if query.startswith("after"):
        error_of(await post(client, TRASH, {"after": "x"}), "constraint-violation")


@pytest.mark.parametrize("how", ["rest", "graphql"])
async def test_what_is_purged_is_gone_for_good(
    client: httpx2.AsyncClient, tmp_path: Path, database_url: str, how: str
) -> None:
    trashed, there, other = [await draw(client) for _ in range(3)]
    await client.delete(f"/image/{trashed['guid']}")
    wish = {"guids": [trashed["guid"], there["guid"], NOBODY, trashed["guid"]]}
    if how == "rest":
        result = (await client.post("/image/batch/purge", json=wish)).json()
    else:
        result = (await data(client, PURGE, wish))["purgeImages"]

    gone = [trashed["guid"], there["guid"]]
    assert result == {"done": gone, "failed": [{"guid": NOBODY, "code": "image-not-found"}]}
    assert files(tmp_path, trashed) == files(tmp_path, there) == []
    assert await guids(client, "/trash") == []
    assert await guids(client, "/image") == [other["guid"]]
    for guid in gone:
        assert_problem(await client.get(f"/image/{guid}"), 410, "image-gone")
    failed = [{"guid": guid, "code": "image-gone"} for guid in gone]
    for path in ("/trash/restore", "/image/batch/purge"):
        again = await client.post(path, json={"guids": gone})
        assert again.json() == {"done": [], "failed": failed}
    tombstones = raw(database_url, "SELECT guid, bytes_gone FROM deleted_images")
    assert sorted(tombstones) == sorted((guid, 1) for guid in gone)


@pytest.mark.parametrize("how", ["rest", "graphql"])
async def test_the_trash_is_emptied(client: httpx2.AsyncClient, tmp_path: Path, how: str) -> None:
    images = [await draw(client) for _ in range(3)]
    for image in images[:2]:
        await client.delete(f"/image/{image['guid']}")
    for count in (2, 0):
        if how == "rest":
            assert (await client.delete("/trash")).json() == {"image_count": count}
        else:
            assert await data(client, "mutation { emptyTrash }") == {"emptyTrash": count}
    assert await guids(client, "/trash") == []
    assert [len(files(tmp_path, image)) for image in images] == [0, 0, 1]
    assert await is_served(client, images[2])


async def test_what_has_been_there_for_its_time_is_deleted_for_good(
    client: httpx2.AsyncClient, services: Services, tmp_path: Path, database_url: str
) -> None:
    old, young = await draw(client), await draw(client)
    await client.delete(f"/image/{old['guid']}")
    await services.housekeeping.tidy()
    assert len(files(tmp_path, old)) == 1
    make_old(database_url)
    await client.delete(f"/image/{young['guid']}")
    assert await guids(client, "/trash") == [young["guid"]]
    late = await client.post("/trash/restore", json={"guids": [old["guid"]]})
    assert late.json()["failed"] == [{"guid": old["guid"], "code": "image-gone"}]
    await services.housekeeping.tidy()
    assert (len(files(tmp_path, old)), len(files(tmp_path, young))) == (0, 1)
    assert raw(database_url, "SELECT guid, bytes_gone FROM deleted_images") == [(old["guid"], 1)]
    assert_problem(await client.get(f"/image/{old['guid']}"), 410, "image-gone")


async def test_what_is_in_it_stays_when_there_is_no_trash_any_more(
    client: httpx2.AsyncClient,
    make_settings: MakeSettings,
    database_url: str,
    tmp_path: Path,
) -> None:
    first, second = await draw(client), await draw(client)
    await client.delete(f"/image/{first['guid']}")
    settings = make_settings(database_url=database_url, generator="sketch")
    async with open_client(settings) as without:
        await without.delete(f"/image/{second['guid']}")
        assert files(tmp_path, second) == []
        assert await guids(without, "/trash") == [first["guid"]]
        await without.post("/trash/restore", json={"guids": [first["guid"]]})
        assert await is_served(without, first)


async def test_who_restores_and_deletes_at_once_loses_nothing(client: httpx2.AsyncClient) -> None:
    images = [await draw(client, f"cat {number}") for number in range(4)]
    names = [image["guid"] for image in images]
    for image in images:
        await tag(client, image, "b", "a")
    for _ in range(3):
        await asyncio.gather(
            *(client.delete(f"/image/{guid}") for guid in names),
            *(client.post("/trash/restore", json={"guids": [guid]}) for guid in names),
            *(client.delete(f"/image/{guid}") for guid in names),
        )
        there, trashed = await guids(client, "/image"), await guids(client, "/trash")
        assert sorted(there + trashed) == sorted(names)
        counts = {one["image_count"] for one in (await client.get("/tags")).json()}
        assert counts == ({len(there)} if there else set())
        assert (await client.get("/stats")).json()["image_count"] == len(there)
    restored = await client.post("/trash/restore", json={"guids": names})
    assert restored.json()["failed"] == []
    assert await guids(client, "/image") == names[::-1]


async def test_more_are_restored_at_once_than_there_are_connections(
    client: httpx2.AsyncClient,
) -> None:
    names = [(await draw(client, f"cat {number}"))["guid"] for number in range(30)]
    await client.post("/image/batch/delete", json={"guids": names[5:]})
    deletions = [client.delete(f"/image/{guid}") for guid in names[:5]]
    restorations = [client.post("/trash/restore", json={"guids": [name]}) for name in names[5:]]
    answers = await asyncio.gather(*deletions, *restorations)
    assert [answer.json()["done"] for answer in answers[5:]] == [[name] for name in names[5:]]


async def test_a_restored_image_is_drawn_in_other_sizes_again(
    client: httpx2.AsyncClient,
) -> None:
    image = await draw(client)
    url = f"/image/{image['guid']}/content?width=64"
    before = (await client.get(url)).content
    await client.delete(f"/image/{image['guid']}")
    assert (await client.get(url)).status_code == 410
    await client.post("/trash/restore", json={"guids": [image["guid"]]})

    async def is_as_before() -> bool:
        answer = await client.get(url)
        return answer.status_code == 200 and answer.content == before

    await eventually(is_as_before)

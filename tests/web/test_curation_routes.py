"""REST: tags and the end of images, as any client sees them."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.support.clients import draw
from tests.support.problems import assert_problem
from tests.support.rows import raw


async def tag(client: httpx2.AsyncClient, guid: str, *add: str, remove: tuple = ()) -> dict:
    body = {"add_tags": list(add), "remove_tags": list(remove)}
    response = await client.patch(f"/image/{guid}", json=body)
    assert response.status_code == 200, response.text
    changed: dict = response.json()
    return changed


async def counts(client: httpx2.AsyncClient, **parameters: str) -> dict[str, int]:
    listed = (await client.get("/tags", params=parameters)).json()
    return {entry["name"]: entry["image_count"] for entry in listed}


async def test_a_deleted_image_is_gone_everywhere(
    client: httpx2.AsyncClient, tmp_path: Path, database_url: str
) -> None:
    kept, image = await draw(client, "a fox"), await draw(client)
    await tag(client, image["guid"], "pets")
    path = f"/image/{image['guid']}"
    assert (await client.get(f"{path}/content")).status_code == 200

    deleted = await client.delete(path)
    assert deleted.status_code == 204
    assert deleted.content == b""

    for method, url in (
        ("GET", path),
        ("GET", f"{path}/content"),
        ("HEAD", f"{path}/content"),
        ("DELETE", path),
        ("PATCH", path),
    ):
        body = {"json": {"add_tags": ["a"]}} if method == "PATCH" else {}
        gone = await client.request(method, url, **body)
        if method == "HEAD":
            assert gone.status_code == 410
        else:
            assert_problem(gone, 410, "image-gone")
    assert [each["guid"] for each in (await client.get("/image")).json()] == [kept["guid"]]
    assert (await client.get("/image/search?query=cat")).json() == []
    assert (await client.get(f"/image/search?guid={image['guid']}")).json() == []
    assert (await client.get(f"/image?guid={image['guid']}")).json() == []
    generation = (await client.get(f"/generation/{image['generation_guid']}")).json()
    assert (generation["status"], generation["images"]) == ("succeeded", [])
    assert await counts(client) == {}
    files = [path for path in (tmp_path / "images").rglob("*") if image["guid"] in path.name]
    assert files == []
    assert raw(database_url, "SELECT guid, bytes_gone FROM deleted_images") == [(image["guid"], 1)]


@pytest.mark.parametrize("guid", ["nonsense", "%00", "00000000-0000-4000-8000-000000000000"])
async def test_what_is_not_there_cannot_be_changed(client: httpx2.AsyncClient, guid: str) -> None:
    assert_problem(await client.delete(f"/image/{guid}"), 404, "image-not-found")
    changed = await client.patch(f"/image/{guid}", json={"add_tags": ["a"]})
    assert_problem(changed, 404, "image-not-found")
    assert await counts(client) == {}


async def test_of_two_deletions_at_once_one_succeeds(client: httpx2.AsyncClient) -> None:
    guid = (await draw(client))["guid"]
    answers = await asyncio.gather(*(client.delete(f"/image/{guid}") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204, 410, 410, 410, 410]


async def test_tags_are_added_removed_searched_and_counted(client: httpx2.AsyncClient) -> None:
    first, second = await draw(client, "a cat"), await draw(client, "a dog")
    changed = await tag(client, first["guid"], " Winter\u3000 HOLIDAY ", "pets", "Pets")
    assert changed["tags"] == ["pets", "winter holiday"]
    assert changed["updated_at"] > first["updated_at"]
    same = {name: value for name, value in changed.items() if name not in {"tags", "updated_at"}}
    assert same.items() <= first.items()
    assert (await client.get(f"/image/{first['guid']}")).json() == changed
    await tag(client, second["guid"], "pets", "petshop", "春")
    assert await counts(client) == {"pets": 2, "petshop": 1, "winter holiday": 1, "春": 1}
    assert await counts(client, prefix="PET") == {"pets": 2, "petshop": 1}
    assert await counts(client, prefix="春", first="1") == {"春": 1}
    assert await counts(client, prefix="%") == {}
    found = await client.get("/image/search", params={"tag": ["pets", "WINTER holiday"]})
    assert [each["guid"] for each in found.json()] == [first["guid"]]

    unchanged = await tag(client, first["guid"], "pets", remove=("nothing",))
    assert unchanged == changed
    bare = await tag(client, first["guid"], remove=("pets", "winter holiday"))
    assert bare["tags"] == []
    assert bare["updated_at"] > changed["updated_at"]
    assert await counts(client) == {"pets": 1, "petshop": 1, "春": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"add_tags": [""]}, "add_tags.0"),
        ({"add_tags": ["x" * 65]}, "add_tags.0"),
        ({"add_tags": ["a\u0000"]}, "add_tags.0"),
        ({"add_tags": ["a\u001bb"]}, "add_tags.0"),
        ({"add_tags": [1]}, "add_tags.0"),
        ({"add_tags": "pets"}, "add_tags"),
        ({"add_tags": ["a"] * 51}, "add_tags"),
        ({"add_tags": ["pets"], "remove_tags": ["PETS"]}, "add_tags"),
        ({"prompt": "another"}, "prompt"),
        ({"guid": "another"}, "guid"),
        ([], "body"),
    ],
)
async def test_what_cannot_change_does_not(
    client: httpx2.AsyncClient, body: object, field: str
) -> None:
    image = await draw(client)
    answer = await client.patch(f"/image/{image['guid']}", json=body)
    problem = assert_problem(answer, 422, "constraint-violation")
    assert [each["field"] for each in problem["errors"]] == [field]
    assert (await client.get(f"/image/{image['guid']}")).json() == image
    assert await counts(client) == {}


async def test_an_image_has_so_many_tags_and_no_more(client: httpx2.AsyncClient) -> None:
    guid = (await draw(client))["guid"]
    await tag(client, guid, *(f"tag {number}" for number in range(50)))
    answer = await client.patch(f"/image/{guid}", json={"add_tags": ["one more"]})
    assert_problem(answer, 422, "constraint-violation")
    assert "one more" not in await counts(client, first="100")
    swapped = await tag(client, guid, "one more", remove=("tag 7",))
    assert len(swapped["tags"]) == 50


async def test_many_who_change_at_once_lose_no_count(client: httpx2.AsyncClient) -> None:
    guids = [(await draw(client, f"number {number}"))["guid"] for number in range(8)]
    names = ["d", "b", "a", "c"]
    await asyncio.gather(*(tag(client, guid, *names) for guid in guids))
    assert await counts(client) == dict.fromkeys("abcd", 8)
    changes = [tag(client, guid, "e", remove=("a", "d")) for guid in guids[:4]]
    deletions = [client.delete(f"/image/{guid}") for guid in guids[4:]]
    await asyncio.gather(*changes, *deletions)
    assert await counts(client) == {"b": 4, "c": 4, "e": 4}


async def test_more_may_change_at_once_than_there_are_connections(
    client: httpx2.AsyncClient,
) -> None:
    guids = [(await draw(client, f"number {number}"))["guid"] for number in range(30)]
    deletions = [client.delete(f"/image/{guid}") for guid in guids[:5]]
    await asyncio.gather(*deletions, *(tag(client, guid, "a") for guid in guids[5:]))
    assert await counts(client) == {"a": 25}


async def test_stats_count_what_is_kept(client: httpx2.AsyncClient) -> None:
    empty = {"image_count": 0, "byte_size": 0, "entries": []}
    assert (await client.get("/stats")).json() == empty
    first, second = await draw(client), await draw(client)
    stats = (await client.get("/stats")).json()
    assert stats["image_count"] == 2
    assert stats["byte_size"] == first["byte_size"] + second["byte_size"]
    (entry,) = stats["entries"]
    assert entry == {
        "day": first["created_at"][:10],
        "model": "gpt-image-2",
        "content_type": "image/png",
        "image_count": 2,
        "byte_size": stats["byte_size"],
    }
    await client.delete(f"/image/{first['guid']}")
    await client.delete(f"/image/{second['guid']}")
    assert (await client.get("/stats")).json() == empty


@pytest.mark.parametrize("query", ["first=0", "first=101", "first=x", "prefix=" + "x" * 1001])
async def test_tags_that_cannot_be_listed(client: httpx2.AsyncClient, query: str) -> None:
    assert_problem(await client.get(f"/tags?{query}"), 422, "constraint-violation")

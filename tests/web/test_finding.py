"""REST: images by criteria, by GUIDs, and by cursors that the `Link` header names."""

import re
from pathlib import Path

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.problems import assert_problem

LINK = re.compile(r'<([^>]*)>; rel="(prev|next)"')


def links_of(response: httpx2.Response) -> dict[str, str]:
    return {rel: url for url, rel in LINK.findall(response.headers.get("link", ""))}


async def draw(client: httpx2.AsyncClient, *prompts: str) -> list[str]:
    answers = [await client.post("/image", json={"prompt": prompt}) for prompt in prompts]
    return [answer.json()["guid"] for answer in answers]


def prompts_of(response: httpx2.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [image["prompt"] for image in response.json()]


@pytest.mark.parametrize("path", ["/image?after=&size=2", "/image/search?query=cat&after=&size=2"])
async def test_cursors_lead_through_the_list_and_back(
    client: httpx2.AsyncClient, path: str
) -> None:
    await draw(client, "cat a", "cat b", "cat c", "cat d", "cat e")
    first = await client.get(path)
    assert prompts_of(first) == ["cat e", "cat d"]
    assert links_of(first).keys() == {"next"}
    await draw(client, "cat f")
    second = await client.get(links_of(first)["next"])
    assert prompts_of(second) == ["cat c", "cat b"]
    third = await client.get(links_of(second)["next"])
    assert prompts_of(third) == ["cat a"]
    assert links_of(third).keys() == {"prev"}
    assert prompts_of(await client.get(links_of(third)["prev"])) == ["cat c", "cat b"]
    back = await client.get(links_of(second)["prev"])
    assert prompts_of(back) == ["cat e", "cat d"]
    assert prompts_of(await client.get(links_of(back)["prev"])) == ["cat f"]


@pytest.mark.parametrize("path", ["/image", "/image/search"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=nonsense", "after"),
        ("after=nje5f0p8fBU", "after"),  # as versions before gave them
        ("before=%00", "before"),
        ("after=&page=2", "after"),
        ("after=&before=", "after"),
        ("after=" + "x" * 65, "after"),
    ],
)
async def test_cursors_that_will_not_do(
    client: httpx2.AsyncClient, path: str, query: str, field: str
) -> None:
    problem = assert_problem(await client.get(f"{path}?{query}"), 422, "constraint-violation")
    assert [each["field"] for each in problem["errors"]] == [field]


async def test_cursors_are_good_for_as_long_as_their_database(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings()
    async with open_client(settings) as one, open_client(settings) as beside:
        await draw(one, "a", "b", "c")
        link = links_of(await one.get("/image?after=&size=2"))["next"]
        assert prompts_of(await beside.get(link)) == ["a"]
        assert links_of(await beside.get("/image?after=&size=2"))["next"] == link
    async with open_client(settings) as later:
        assert prompts_of(await later.get(link)) == ["a"]
    other = make_settings(database_url=f"sqlite:///{tmp_path}/other.db", images=tmp_path / "other")
    async with open_client(other) as elsewhere:
        await draw(elsewhere, "a", "b", "c")
        problem = assert_problem(await elsewhere.get(link), 422, "constraint-violation")
    assert [each["field"] for each in problem["errors"]] == ["after"]


async def test_criteria_combine(client: httpx2.AsyncClient) -> None:
    await draw(client, "a red fox", "a blue fox")

    async def found(**parameters: str) -> list[str]:
        return prompts_of(await client.get("/image/search", params=parameters))

    assert await found(query="fox", model="gpt-image-2") == ["a blue fox", "a red fox"]
    assert await found(query="fox -red", content_type="image/png") == ["a blue fox"]
    assert await found(query="fox", model="other") == []
    (fox, *_) = (await client.get("/image")).json()
    dimensions = f"{fox['width']}x{fox['height']}"
    assert await found(model="", dimensions=dimensions) == ["a blue fox", "a red fox"]
    forms = [await found(orientation=form) for form in ("square", "landscape", "portrait")]
    assert sorted(map(len, forms)) == [0, 0, 2]
    assert await found(created_after="2020-01-01T00:00:00Z", prompt="red") == ["a red fox"]
    assert await found(created_before="2020-01-01T00:00:00Z") == []
    assert await found(tag="pets") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("dimensions=1x1x1", "dimensions"),
        ("orientation=round", "orientation"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-11-20T10:00:00", "created_after"),
        ("content_type=text/html", "content_type"),
        ("&".join(["tag=a"] * 21), "tag"),
    ],
)
async def test_criteria_that_will_not_do(
    client: httpx2.AsyncClient, query: str, field: str
) -> None:
    problem = assert_problem(
        await client.get(f"/image/search?{query}"), 422, "constraint-violation"
    )
    assert [each["field"] for each in problem["errors"]] == [field]


async def test_images_by_their_guids(client: httpx2.AsyncClient) -> None:
    first, second = await draw(client, "a", "b")
    found = await client.get(f"/image?guid={second}&guid=nonsense&guid={first}&guid={second}")
    assert [image["guid"] for image in found.json()] == [second, first]
    assert prompts_of(await client.get("/image?guid=nonsense")) == []
    too_many = await client.get("/image?" + "&".join(["guid=x"] * 101))
    assert_problem(too_many, 422, "constraint-violation")

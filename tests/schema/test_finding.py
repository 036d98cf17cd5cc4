"""GraphQL: images by criteria, by GUIDs, and by cursors, after Relay's specification."""

from typing import Any

import httpx2
import pytest

from tests.support.graphql import data, error_of, generate, post
from tests.support.rows import raw

CONNECTION = """query(
    $first: Int, $after: String, $last: Int, $before: String, $filter: ImageFilter,
    $order: ImageOrder! = NEWEST_FIRST
) {
    imageConnection(
        first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $order
    ) {
        edges { cursor node { prompt } }
        nodes { prompt }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}"""
TOTAL = """query($filter: ImageFilter) {
    imageConnection(filter: $filter, first: 0) { totalCount totalCountIsEstimate edges { cursor } }
}"""
SEARCH = "query($filter: ImageFilter) { search(filter: $filter) { prompt } }"


async def draw(client: httpx2.AsyncClient, *prompts: str) -> list[str]:
    """Return the GUIDs of new images, the oldest first."""
    return [(await generate(client, prompt))["guid"] for prompt in prompts]


async def connect(client: httpx2.AsyncClient, **variables: Any) -> dict[str, Any]:
    """Return a connection; its edges, nodes and cursors fit together."""
    found = (await data(client, CONNECTION, variables))["imageConnection"]
    assert found["nodes"] == [edge["node"] for edge in found["edges"]]
    cursors = [edge["cursor"] for edge in found["edges"]] or [None]
    assert found["pageInfo"]["startCursor"] == cursors[0]
    assert found["pageInfo"]["endCursor"] == cursors[-1]
    return dict(found)


def prompts_of(found: dict[str, Any]) -> list[str]:
    return [node["prompt"] for node in found["nodes"]]


async def test_a_connection_is_walked_forwards_while_images_are_added(
    client: httpx2.AsyncClient,
) -> None:
    await draw(client, "a", "b", "c", "d", "e")
    page = await connect(client, first=2)
    assert prompts_of(page) == ["e", "d"]
    assert page["pageInfo"]["hasNextPage"]
    assert not page["pageInfo"]["hasPreviousPage"]
    await draw(client, "f")
    page = await connect(client, first=2, after=page["pageInfo"]["endCursor"])
    assert prompts_of(page) == ["c", "b"]
    assert page["pageInfo"]["hasNextPage"]
    assert page["pageInfo"]["hasPreviousPage"]
    page = await connect(client, first=2, after=page["pageInfo"]["endCursor"])
    assert prompts_of(page) == ["a"]
    assert not page["pageInfo"]["hasNextPage"]
    page = await connect(client, first=2, after=page["pageInfo"]["endCursor"])
    assert prompts_of(page) == []


async def test_a_connection_is_walked_backwards_and_in_the_other_order(
    client: httpx2.AsyncClient,
) -> None:
    await draw(client, "a", "b", "c", "d")
    page = await connect(client, last=2)
    assert prompts_of(page) == ["b", "a"]
    assert page["pageInfo"]["hasPreviousPage"]
    assert not page["pageInfo"]["hasNextPage"]
    page = await connect(client, last=3, before=page["pageInfo"]["startCursor"])
    assert prompts_of(page) == ["d", "c"]
    assert not page["pageInfo"]["hasPreviousPage"]
    assert page["pageInfo"]["hasNextPage"]
    page = await connect(client, first=3, order="OLDEST_FIRST")
    assert prompts_of(page) == ["a", "b", "c"]
    page = await connect(client, first=3, after=page["pageInfo"]["endCursor"], order="OLDEST_FIRST")
    assert prompts_of(page) == ["d"]
    page = await connect(client, last=1, order="OLDEST_FIRST")
    assert prompts_of(page) == ["d"]


async def test_a_slice_lies_between_two_cursors(client: httpx2.AsyncClient) -> None:
    await draw(client, "a", "b", "c", "d", "e")
    every = await connect(client)
    newest, *_, oldest = [edge["cursor"] for edge in every["edges"]]
    between = await connect(client, first=100, after=newest, before=oldest)
    assert prompts_of(between) == ["d", "c", "b"]
    assert prompts_of(await connect(client, last=1, after=newest, before=oldest)) == ["b"]


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"first": -1}, "first"),
        ({"first": 101}, "first"),
        ({"last": 101}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"after": "nonsense"}, "after"),
        ({"after": "AAAAAAAAAAA"}, "after"),
        ({"before": "ä"}, "before"),
        ({"after": "x" * 10_000}, "after"),
        ({"filter": {"query": "x" * 1001}}, "query"),
        ({"filter": {"query": "x " * 51}}, "query"),
        ({"filter": {"prompt": " ".join(f"x{n}*" for n in range(11))}}, "prompt"),
        ({"filter": {"dimensions": "large"}}, "dimensions"),
        ({"filter": {"contentType": "text/html"}}, "content_type"),
        ({"filter": {"createdAfter": "2026-11-20T10:00:00"}}, "created_after"),
        ({"filter": {"tags": ["x" * 65]}}, "tags.0"),
        ({"filter": {"tags": ["a"] * 21}}, "tags"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    client: httpx2.AsyncClient, variables: dict[str, Any], field: str
) -> None:
    error = error_of(await post(client, CONNECTION, variables), "constraint-violation")
    assert [each["field"] for each in error["extensions"]["errors"]] == [field]


async def test_cursors_do_not_show_ids(client: httpx2.AsyncClient) -> None:
    await draw(client, "a", "b")
    first, second = (edge["cursor"] for edge in (await connect(client))["edges"])
    assert len(first) == len(second) == 32
    assert first[:4] != second[:4]


async def test_criteria_combine(client: httpx2.AsyncClient, database_url: str) -> None:
    red, blue, wide = await draw(client, "a red fox", "a blue fox", "a wide fox in the snow")
    raw(database_url, f"UPDATE images SET width = 1536, height = 1024 WHERE guid = '{wide}'")
    raw(database_url, f"UPDATE images SET model = 'other' WHERE guid = '{blue}'")
    raw(database_url, f"UPDATE images SET tags = '[\"pets\",\"winter\"]' WHERE guid = '{red}'")
    raw(
        database_url,
        f"UPDATE images SET created_at = '2020-05-05 10:00:00.000000' WHERE guid = '{red}'",
    )

    async def found(**filter_: Any) -> list[str]:
        listed = (await data(client, SEARCH, {"filter": filter_}))["search"]
        connected = prompts_of(await connect(client, filter=filter_))
        assert [image["prompt"] for image in listed] == connected
        return connected

    assert await found() == ["a wide fox in the snow", "a blue fox", "a red fox"]
    assert await found(query="") == await found()
    assert await found(query="FOX -snow") == ["a blue fox", "a red fox"]
    assert await found(query='"fox in" sn*') == ["a wide fox in the snow"]
    assert await found(prompt="fox", model="other") == ["a blue fox"]
    assert await found(orientation="LANDSCAPE") == ["a wide fox in the snow"]
    assert await found(dimensions="1536x1024", query="fox") == ["a wide fox in the snow"]
    assert await found(dimensions="1536x1025") == []
    assert await found(tags=["Winter", " PETS "]) == ["a red fox"]
    assert await found(tags=["winter", "summer"]) == []
    assert await found(createdBefore="2020-05-05T12:00:00.000001+02:00") == ["a red fox"]
    assert await found(createdBefore="2020-05-05T10:00:00Z") == []
    assert await found(createdAfter="2020-05-05T10:00:00Z", query="red") == ["a red fox"]
    assert await found(contentType="image/png", guid=blue) == ["a blue fox"]
    assert await found(contentType="image/webp") == []


async def test_the_total_is_counted_when_it_is_asked_for(client: httpx2.AsyncClient) -> None:
    await draw(client, "a red fox", "a blue fox", "a dog")
    for filter_, total in (({}, 3), ({"query": "fox"}, 2), ({"query": "cat"}, 0)):
        counted = (await data(client, TOTAL, {"filter": filter_}))["imageConnection"]
        assert counted == {"totalCount": total, "totalCountIsEstimate": False, "edges": []}


async def test_images_by_their_guids(client: httpx2.AsyncClient) -> None:
    first, second = await draw(client, "a", "b")
    query = "query($guids: [ID!]) { images(guids: $guids) { guid } }"
    asked = [second, "nonsense", first, second, first[:-1]]
    found = (await data(client, query, {"guids": asked}))["images"]
    assert [image["guid"] for image in found] == [second, first]
    assert (await data(client, query, {"guids": []}))["images"] == []
    assert len((await data(client, query, {"guids": None}))["images"]) == 2
    error = error_of(await post(client, query, {"guids": [first] * 101}), "constraint-violation")
    assert error["extensions"]["errors"][0]["field"] == "guids"


async def test_pages_of_a_search_end_where_cursors_go_on(client: httpx2.AsyncClient) -> None:
    query = 'query($page: Int!) { search(query: "fox", page: $page, size: 100) { guid } }'
    assert (await data(client, query, {"page": 100}))["search"] == []
    error = error_of(await post(client, query, {"page": 101}), "constraint-violation")
    assert "cursor" in error["message"]

"""GraphQL: tags and the end of images."""

import httpx2

from tests.support.graphql import data, error_of, generate, post

UPDATE = """mutation($guid: ID!, $add: [String!], $remove: [String!]) {
    updateImage(guid: $guid, addTags: $add, removeTags: $remove) { guid tags updatedAt }
}"""
DELETE = "mutation($guid: ID!) { deleteImage(guid: $guid) { guid prompt } }"


async def test_an_image_is_tagged_found_and_counted(client: httpx2.AsyncClient) -> None:
    first, second = await generate(client, "a cat"), await generate(client, "a dog")
    changed = await data(client, UPDATE, {"guid": first["guid"], "add": ["Pets", "cats"]})
    assert changed["updateImage"]["tags"] == ["cats", "pets"]
    assert changed["updateImage"]["updatedAt"] > first["updatedAt"]
    await data(client, UPDATE, {"guid": second["guid"], "add": ["pets"], "remove": None})
    listed = await data(client, "{ tags { name imageCount } images { tags } }")
    assert listed["tags"] == [
        {"name": "pets", "imageCount": 2},
        {"name": "cats", "imageCount": 1},
    ]
    assert [image["tags"] for image in listed["images"]] == [["pets"], ["cats", "pets"]]
    few = await data(client, '{ tags(first: 1, prefix: "c") { name } }')
    assert few["tags"] == [{"name": "cats"}]
    found = await data(client, '{ search(filter: {tags: ["cats"]}) { guid } }')
    assert found["search"] == [{"guid": first["guid"]}]


async def test_fields_are_named_as_graphql_spells_them(client: httpx2.AsyncClient) -> None:
    guid = (await generate(client))["guid"]
    rest = await client.patch(f"/image/{guid}", json={"add_tags": ["a", "x" * 65]})
    assert rest.json()["errors"][0]["field"] == "add_tags.1"
    variables = {"guid": guid, "add": ["a", "x" * 65]}
    error = error_of(await post(client, UPDATE, variables), "constraint-violation")
    assert error["path"] == ["updateImage"]
    assert error["extensions"]["errors"][0]["field"] == "addTags.1"
    assert error["message"].startswith("addTags.1: ")
    early = '{ search(filter: {createdAfter: "2026-01-02T00:00:00Z", tags: [""]}) { id } }'
    assert error_of(await post(client, early), "constraint-violation")["extensions"]["errors"]


async def test_a_deleted_image_is_gone(client: httpx2.AsyncClient) -> None:
    image = await generate(client)
    variables = {"guid": image["guid"]}
    deleted = await data(client, DELETE, variables)
    assert deleted["deleteImage"] == {"guid": image["guid"], "prompt": "a cat"}
    assert await data(client, "query($guid: ID!) { image(guid: $guid) { guid } }", variables) == {
        "image": None
    }
    assert await data(client, '{ images { guid } search(query: "cat") { guid } }') == {
        "images": [],
        "search": [],
    }
    error_of(await post(client, DELETE, variables), "image-gone")
    error_of(await post(client, UPDATE, variables), "image-gone")
    error_of(await post(client, DELETE, {"guid": "nonsense"}), "image-not-found")
    generations = await data(client, "{ generations { status images { guid } } }")
    assert generations == {"generations": [{"status": "SUCCEEDED", "images": []}]}


async def test_stats(client: httpx2.AsyncClient) -> None:
    image = await generate(client)
    query = """{ stats {
        imageCount byteSize entries { day model contentType imageCount byteSize }
    } }"""
    assert (await data(client, query))["stats"] == {
        "imageCount": 1,
        "byteSize": image["byteSize"],
        "entries": [
            {
                "day": image["createdAt"][:10],
                "model": "gpt-image-2",
                "contentType": "image/png",
                "imageCount": 1,
                "byteSize": image["byteSize"],
            }
        ],
    }

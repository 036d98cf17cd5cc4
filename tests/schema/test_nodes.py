"""What has a GUID is a Node: found by its id alone, alone or together."""

import uuid
from typing import Any

import httpx2
import pytest

from tests.support.graphql import data, error_of, generate, post
from tests.support.statements import counted_reads

NODE = """query($id: ID!) {
    node(id: $id) {
        __typename id
        ... on ImageDetail { guid filename url generation { id } }
        ... on Generation { guid status images { id } }
    }
}"""
NODES = """query($ids: [ID!]!) {
    nodes(ids: $ids) { id ... on ImageDetail { prompt } ... on Generation { status } }
}"""
NOBODY = str(uuid.UUID(int=7))


async def generation_of(client: httpx2.AsyncClient, guid: str) -> str:
    query = "query($guid: ID!) { image(guid: $guid) { generation { id guid } } }"
    generation = (await data(client, query, {"guid": guid}))["image"]["generation"]
    assert generation["id"] == generation["guid"]
    return str(generation["id"])


async def test_a_node_is_found_by_its_id(client: httpx2.AsyncClient) -> None:
    made = await generate(client)
    generation = await generation_of(client, made["guid"])
    image = (await data(client, NODE, {"id": made["guid"]}))["node"]
    assert image == {
        "__typename": "ImageDetail",
        "id": made["guid"],
        "guid": made["guid"],
        "filename": made["filename"],
        "url": made["url"],
        "generation": {"id": generation},
    }
    assert (await data(client, NODE, {"id": generation}))["node"] == {
        "__typename": "Generation",
        "id": generation,
        "guid": generation,
        "status": "SUCCEEDED",
        "images": [{"id": made["guid"]}],
    }


@pytest.mark.parametrize("id_", [NOBODY, "", "nonsense", "\x00", "ImageDetail:1"])
async def test_no_node_is_null(client: httpx2.AsyncClient, id_: str) -> None:
    assert await data(client, NODE, {"id": id_}) == {"node": None}
    assert await data(client, NODES, {"ids": [id_]}) == {"nodes": [None]}


async def test_a_deleted_image_is_no_node(client: httpx2.AsyncClient) -> None:
    guid = (await generate(client))["guid"]
    await data(client, f'mutation {{ deleteImage(guid: "{guid}") {{ id }} }}')
    assert await data(client, NODE, {"id": guid}) == {"node": None}
    assert await data(client, NODES, {"ids": [guid]}) == {"nodes": [None]}


async def test_nodes_stand_in_their_places(client: httpx2.AsyncClient) -> None:
    images = [(await generate(client, f"number {number}"))["guid"] for number in range(3)]
    generation = await generation_of(client, images[0])
    ids = [images[1], NOBODY, generation, images[0], images[1]]
    with counted_reads() as statements:
        found = (await data(client, NODES, {"ids": ids}))["nodes"]
    assert len(statements) == 2
    assert found == [
        {"id": images[1], "prompt": "number 1"},
        None,
        {"id": generation, "status": "SUCCEEDED"},
        {"id": images[0], "prompt": "number 0"},
        {"id": images[1], "prompt": "number 1"},
    ]
    with counted_reads() as statements:
        await data(client, NODES, {"ids": images})
    assert len(statements) == 1
    assert await data(client, NODES, {"ids": []}) == {"nodes": []}


async def test_nodes_are_bounded(client: httpx2.AsyncClient) -> None:
    ids = [str(uuid.uuid4()) for _ in range(101)]
    assert await data(client, NODES, {"ids": ids[:100]}) == {"nodes": [None] * 100}
    error = error_of(await post(client, NODES, {"ids": ids}), "constraint-violation")
    assert error["extensions"]["errors"] == [{"field": "ids", "message": "must be at most 100 ids"}]
    deep = "{ nodes(ids: []) { ... on Generation { images { generation { images { id } } } } } }"
    assert "nests lists" in error_of(await post(client, deep), "invalid-operation")["message"]


async def test_every_type_with_a_guid_is_a_node(client: httpx2.AsyncClient) -> None:
    query = """{ __schema { types { kind name fields { name } interfaces { name } } }
                 __type(name: "Node") { possibleTypes { name } } }"""
    told: dict[str, Any] = await data(client, query)
    with_guid = {
        type_["name"]
        for type_ in told["__schema"]["types"]
        if type_["kind"] == "OBJECT" and {"name": "guid"} in type_["fields"]
    }
    nodes = {type_["name"] for type_ in told["__type"]["possibleTypes"]}
    names_another = {"BatchFailure", "TrashedImage"}  # the latter is found by no id
    assert with_guid - names_another == nodes == {"ImageDetail", "Generation"}

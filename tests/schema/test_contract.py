"""What GraphQL offers, on both databases: generating, finding, listing, searching."""

import uuid
from datetime import datetime, timedelta

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.graphql import DETAIL, data, error_of, generate, post
from tests.support.model_server import ModelServer

IMAGE = f"query($guid: ID!) {{ image(guid: $guid) {DETAIL} }}"
GUIDS = "query($page: Int! = 1, $size: Int! = 20) { images(page: $page, size: $size) { guid } }"
SEARCH = """query($query: String, $prompt: String, $filename: String, $guid: String) {
    search(query: $query, prompt: $prompt, filename: $filename, guid: $guid) { guid }
}"""
GENERATE_WITH_ALL = """mutation {
    generateImage(prompt: "a cat", model: "gpt-image-2", size: "1024x640", quality: "low",
        background: "opaque", outputFormat: "webp", outputCompression: 50, moderation: "low") {
        guid contentType width height model parameters
    }
}"""


async def test_an_image_is_generated_and_found(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    prompt = "a cat 🐈 \u202b\u05e9\u05dc\u05d5\u05dd\u202c e\u0301 漢字"
    made = await generate(client, prompt)
    assert uuid.UUID(made["guid"]).version == 4
    assert made["prompt"] == prompt
    assert made["contentType"] == "image/png"
    assert made["filename"].endswith(".png")
    assert (made["width"], made["height"]) == (1024, 1024)
    assert datetime.fromisoformat(made["createdAt"]).utcoffset() == timedelta(0)
    assert (await data(client, IMAGE, {"guid": made["guid"]}))["image"] == made
    content = await client.get(made["url"])
    assert len(content.content) == made["byteSize"]
    assert model_server.posts == 1


async def test_both_faces_show_the_same(client: httpx2.AsyncClient) -> None:
    made = await generate(client)
    rest = (await client.get(f"/image/{made['guid']}")).json()
    query = "query($guid: ID!) { image(guid: $guid) { generation { guid } } }"
    image = (await data(client, query, {"guid": made["guid"]}))["image"]
    assert rest.pop("generation_guid") == image["generation"]["guid"]
    camel = {
        "".join(part.title() if n else part for n, part in enumerate(name.split("_"))): value
        for name, value in rest.items()
    }
    times = {"createdAt", "updatedAt"}
    assert camel.keys() == made.keys()
    assert {n: v for n, v in camel.items() if n not in times} == {
        n: v for n, v in made.items() if n not in times
    }
    for name in times:
        assert datetime.fromisoformat(camel[name]) == datetime.fromisoformat(made[name])


async def test_what_is_given_reaches_the_model_and_what_is_left_out_does_not(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    made = (await data(client, GENERATE_WITH_ALL))["generateImage"]
    await generate(client, "a dog")
    full, bare = (request.json for request in model_server.requests)
    assert full == {
        "prompt": "a cat",
        "model": "gpt-image-2",
        "size": "1024x640",
        "quality": "low",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 50,
        "moderation": "low",
    }
    assert bare == {"prompt": "a dog", "model": "gpt-image-2"}
    assert (made["contentType"], made["width"], made["height"]) == ("image/webp", 1024, 640)
    assert made["parameters"]["quality"] == "low"


async def test_style_reaches_a_model_that_knows_it(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    await data(
        client,
        'mutation { generateImage(prompt: "a cat", model: "dall-e-3", style: "natural") { guid } }',
    )
    assert model_server.requests[0].json["style"] == "natural"


async def test_null_is_the_same_as_left_out(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    query = """mutation($size: String, $compression: Int) {
        generateImage(prompt: "a cat", size: $size, outputCompression: $compression, style: null)
        { guid }
    }"""
    await data(client, query, {"size": None})
    assert not {"size", "output_compression", "style"} & model_server.requests[0].json.keys()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ('prompt: ""', "prompt"),
        ('prompt: "  "', "prompt"),
        ('prompt: "nul \\u0000"', "prompt"),
        ('prompt: "a cat", size: "1x1"', "size"),
        ('prompt: "a cat", quality: "hd"', "quality"),
        ('prompt: "a cat", outputFormat: "png", outputCompression: 101', "outputCompression"),
        ('prompt: "a cat", outputFormat: "png", outputCompression: 50', "outputCompression"),
    ],
)
async def test_what_will_not_do_is_refused_unpaid(
    client: httpx2.AsyncClient, model_server: ModelServer, arguments: str, field: str
) -> None:
    response = await post(client, f"mutation {{ generateImage({arguments}) {{ guid }} }}")
    error = error_of(response, "constraint-violation")
    assert error["path"] == ["generateImage"]
    assert error["extensions"]["errors"][0]["field"] == field
    assert "output_" not in response.text
    assert response.json()["data"] == {"generateImage": None}
    assert model_server.posts == 0


async def test_a_lone_surrogate_in_a_prompt_is_a_constraint_violation(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    body = (
        b'{"query": "mutation($p: String!) { generateImage(prompt: $p) { guid } }",'
        b' "variables": {"p": "\\ud800"}}'
    )
    response = await client.post(
        "/graphql", content=body, headers={"Content-Type": "application/json"}
    )
    error_of(response, "constraint-violation")
    assert model_server.posts == 0


async def test_the_models_refusal_comes_with_its_code(
    client: httpx2.AsyncClient, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.moderation_blocked(), ms.rate_limited("3600"))
    query = 'mutation { generateImage(prompt: "a cat") { guid } }'
    rejected = await post(client, query)
    error_of(rejected, "prompt-rejected")
    assert "UPSTREAM" not in rejected.text
    busy = error_of(await post(client, query), "generator-busy")
    assert busy["extensions"]["retryAfter"] == 3600


@pytest.mark.parametrize("change", [str.upper, "{} ".format, " {}".format, "{}ä".format])
async def test_a_guid_must_be_exactly_right(client: httpx2.AsyncClient, change) -> None:
    guid = (await generate(client))["guid"]
    assert (await data(client, IMAGE, {"guid": change(guid)}))["image"] is None


@pytest.mark.parametrize(
    "guid", ["", "0", "nonsense", "'", "\x00", "x" * 10_000, str(uuid.UUID(int=0)), "\u202e"]
)
async def test_no_image_is_null(client: httpx2.AsyncClient, guid: str) -> None:
    assert await data(client, IMAGE, {"guid": guid}) == {"image": None}


async def test_an_integer_for_a_guid_finds_nothing(client: httpx2.AsyncClient) -> None:
    await generate(client)
    assert await data(client, "{ image(guid: 0) { guid } }") == {"image": None}


async def test_paging(client: httpx2.AsyncClient) -> None:
    made = [(await generate(client, f"number {n}"))["guid"] for n in range(5)][::-1]

    async def page(**paging: int) -> list[str]:
        return [image["guid"] for image in (await data(client, GUIDS, paging))["images"]]

    assert await page() == made
    assert await page(size=100) == made
    assert await page(page=1, size=2) == made[:2]
    assert await page(page=3, size=2) == made[4:]
    assert await page(page=4, size=2) == []
    assert await page(page=2**31 - 1, size=100) == []


@pytest.mark.parametrize("field", ["images", "search"])
@pytest.mark.parametrize(
    ("paging", "fault"), [("page: 0", "page"), ("page: -1", "page"), ("size: 0", "size"),
                          ("size: 101", "size"), ("size: -2147483648", "size")]
)  # fmt: skip
async def test_paging_beyond_its_bounds(
    client: httpx2.AsyncClient, field: str, paging: str, fault: str
) -> None:
    error = error_of(
        await post(client, f"{{ {field}({paging}) {{ guid }} }}"), "constraint-violation"
    )
    assert [each["field"] for each in error["extensions"]["errors"]] == [fault]


@pytest.mark.parametrize("page", ["2147483648", "1.5", '"1"', "null", "true", "1e400"])
async def test_a_page_that_is_no_page(client: httpx2.AsyncClient, page: str) -> None:
    response = await post(client, f"{{ images(page: {page}) {{ guid }} }}")
    error_of(response, "invalid-operation")
    assert "data" not in response.json()


async def test_search(client: httpx2.AsyncClient) -> None:
    cat = await generate(client, "A black cat, in the rain")
    dog = await generate(client, "a black dog")

    async def found(**criteria: str) -> list[str]:
        return [image["guid"] for image in (await data(client, SEARCH, criteria))["search"]]

    assert await found() == [dog["guid"], cat["guid"]]
    assert await found(prompt="RAIN cat") == [cat["guid"]]
    assert await found(query="black") == [dog["guid"], cat["guid"]]
    assert await found(query=dog["guid"]) == [dog["guid"]]
    assert await found(prompt="ca") == []
    assert await found(filename="dog") == [dog["guid"]]
    assert await found(guid=cat["guid"], prompt="black") == [cat["guid"]]
    assert await found(guid=cat["guid"], prompt="dog") == []


async def test_too_long_a_search(client: httpx2.AsyncClient) -> None:
    response = await post(client, SEARCH, {"query": "x" * 100_000})
    error = error_of(response, "constraint-violation")
    assert error["extensions"]["errors"][0]["field"] == "query"


async def test_the_url_follows_the_request(client: httpx2.AsyncClient) -> None:
    guid = (await generate(client))["guid"]
    query = f'{{ image(guid: "{guid}") {{ url }} images {{ url }} }}'
    response = await post(client, query, headers={"Host": "127.0.0.1:9999"})
    expected = {"url": f"http://127.0.0.1:9999/image/{guid}/content"}
    assert response.json()["data"] == {"image": expected, "images": [expected]}


async def test_the_url_follows_the_setting(make_settings: MakeSettings) -> None:
    settings = make_settings(public_base_url="https://pictures.example/deep/")
    async with open_client(settings) as client:
        made = await generate(client)
    assert made["url"] == f"https://pictures.example/deep/image/{made['guid']}/content"


async def test_fragments_aliases_directives_and_typename(client: httpx2.AsyncClient) -> None:
    guid = (await generate(client))["guid"]
    query = """query($guid: ID!, $no: Boolean! = false) {
        one: image(guid: $guid) { ...Names kind: contentType }
        none: image(guid: "nonsense") { ...Names }
        images { id: guid ... on ImageDetail { __typename width @include(if: $no) } }
    }
    fragment Names on ImageDetail { guid, guid, file: filename @skip(if: true) }"""
    assert await data(client, query, {"guid": guid}) == {
        "one": {"guid": guid, "kind": "image/png"},
        "none": None,
        "images": [{"id": guid, "__typename": "ImageDetail"}],
    }


async def test_one_of_several_operations_runs(client: httpx2.AsyncClient) -> None:
    query = "query A { __typename } query B { images { guid } }"
    body = {"query": query, "operationName": "B"}
    assert (await client.post("/graphql", json=body)).json() == {"data": {"images": []}}
    for name in (None, "C", "\U0001f600", ""):
        response = await client.post("/graphql", json=body | {"operationName": name})
        error_of(response, "invalid-operation")

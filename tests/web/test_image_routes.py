import asyncio
import re
import uuid
from datetime import UTC, datetime

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.guids import NOT_GUIDS
from tests.support.model_server import (
    ModelServer,
    error,
    image,
    moderation_blocked,
    png,
    rate_limited,
)
from tests.support.problems import assert_problem

FIELDS = [
    "guid",
    "filename",
    "prompt",
    "created_at",
    "updated_at",
    "url",
    "content_type",
    "width",
    "height",
    "byte_size",
    "sha256",
    "model",
    "revised_prompt",
    "parameters",
    "generation_guid",
    "tags",
    "thumbhash",
    "has_content_credentials",
]
RFC_3339_IN_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def make(client: httpx2.AsyncClient, prompt: str, **parameters: object) -> dict:
    response = await client.post("/image", json={"prompt": prompt, **parameters})
    assert response.status_code == 201, response.text
    return response.json()


async def test_an_image_is_made(client: httpx2.AsyncClient, model_server: ModelServer) -> None:
    data = png(48, 32)
    model_server.answer_with(image(data=data))
    before = datetime.now(UTC)

    response = await client.post(
        "/image", json={"prompt": "a red fox", "size": "1024x1024", "quality": "low"}
    )

    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json"
    made = response.json()
    assert sorted(made) == sorted(FIELDS)
    assert str(uuid.UUID(made["guid"], version=4)) == made["guid"]
    assert response.headers["location"] == f"/image/{made['guid']}"
    assert made["url"] == f"http://localhost:8000/image/{made['guid']}/content"
    assert made["prompt"] == "a red fox"
    assert made["filename"].startswith("a-red-fox-")
    assert made["filename"].endswith(".png")
    assert RFC_3339_IN_UTC.fullmatch(made["created_at"])
    assert made["updated_at"] == made["created_at"]
    assert before <= datetime.fromisoformat(made["created_at"]) <= datetime.now(UTC)
    assert (made["width"], made["height"], made["byte_size"]) == (48, 32, len(data))
    assert made["content_type"] == "image/png"
    assert made["model"] == "gpt-image-2"
    assert made["parameters"] == {"size": "1024x1024", "quality": "low"}
    assert made["revised_prompt"] is None
    generation = (await client.get(f"/generation/{made['generation_guid']}")).json()
    assert generation["images"] == [made]
    assert model_server.posts == 1


async def test_what_was_made_is_read_listed_and_found_alike(client: httpx2.AsyncClient) -> None:
    made = await make(client, "a red fox")

    assert (await client.get(f"/image/{made['guid']}")).json() == made
    assert (await client.get("/image")).json() == [made]
    assert (await client.get("/image/search", params={"prompt": "fox"})).json() == [made]


async def test_an_image_is_read_from_the_database_as_it_was_made(
    make_settings: MakeSettings, database_url: str
) -> None:
    settings = make_settings(database_url=database_url)
    async with open_client(settings) as client:
        made = await make(
            client, "a red fox\n\t\u0627\u064e\u0644\u0652 e\u0301 🦊 \U0010ffff", size="64x64"
        )
    async with open_client(settings) as client:
        assert (await client.get(f"/image/{made['guid']}")).json() == made


@pytest.mark.parametrize("guid", NOT_GUIDS)
@pytest.mark.parametrize("suffix", ["", "/content"])
async def test_a_malformed_guid_is_not_found(
    make_settings: MakeSettings, guid: str, suffix: str
) -> None:
    async with open_client(make_settings()) as client:
        response = await client.get(f"/image/{guid}{suffix}")

    code = "not-found" if "%2f" in guid else "image-not-found"
    assert_problem(response, 404, code)


@pytest.mark.parametrize("suffix", ["", "/content"])
async def test_a_guid_in_any_other_spelling_is_not_found(
    client: httpx2.AsyncClient, suffix: str
) -> None:
    guid = (await make(client, "a fox"))["guid"]
    others = [
        str(uuid.uuid4()),
        guid.upper(),
        guid + "%20",
        "%20" + guid,
        guid + "%0a",
        guid.replace("-", ""),
        guid[:-1] + "%C3%A4",
    ]
    for other in others:
        assert_problem(await client.get(f"/image/{other}{suffix}"), 404, "image-not-found")


async def test_pages_hold_all_images_newest_first(client: httpx2.AsyncClient) -> None:
    guids = [(await make(client, f"fox {number}"))["guid"] for number in range(5)]

    found: list[str] = []
    url = "/image?size=2"
    for _page in range(3):
        response = await client.get(url)
        found += [each["guid"] for each in response.json()]
        url = response.links.get("next", {}).get("url", "")

    assert found == guids[::-1]
    assert url == ""


async def test_links_name_the_pages_beside(client: httpx2.AsyncClient) -> None:
    for number in range(3):
        await make(client, f"fox {number}")

    first = await client.get("/image?page=1&size=1")
    middle = await client.get("/image/search?prompt=fox&page=2&size=1")
    last = await client.get("/image?page=2&size=2")

    assert first.headers["link"] == '</image?size=1&page=2>; rel="next"'
    assert middle.headers["link"] == (
        '</image/search?prompt=fox&size=1&page=1>; rel="prev", '
        '</image/search?prompt=fox&size=1&page=3>; rel="next"'
    )
    assert last.headers["link"] == '</image?size=2&page=1>; rel="prev"'


async def test_links_keep_strange_criteria(client: httpx2.AsyncClient) -> None:
    await make(client, "fox é")

    response = await client.get("/image/search", params={"prompt": 'é ">,\r\nfox;', "size": 1})

    link = response.links["next"]["url"]
    assert link.isascii()
    assert httpx2.URL(link).params["prompt"] == 'é ">,\r\nfox;'


async def test_beyond_the_end_a_page_is_empty(client: httpx2.AsyncClient) -> None:
    await make(client, "a fox")

    for path in ("/image", "/image/search"):
        response = await client.get(path, params={"page": 2**31 - 1, "size": 100})
        assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("path", ["/image", "/image/search"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page", "0"),
        ("page", "-1"),
        ("page", "1.5"),
        ("page", "x"),
        ("page", ""),
        ("page", "2147483648"),
        ("page", "9" * 5_000),
        ("page", "1e3"),
        ("size", "0"),
        ("size", "101"),
        ("size", "null"),
        ("size", "-9223372036854775809"),
    ],
)
async def test_paging_has_bounds(
    make_settings: MakeSettings, path: str, field: str, value: str
) -> None:
    async with open_client(make_settings()) as client:
        response = await client.get(path, params={field: value})

    body = assert_problem(response, 422, "constraint-violation")
    assert [fault["field"] for fault in body["errors"]] == [field]


async def test_search_criteria_combine(client: httpx2.AsyncClient) -> None:
    fox = await make(client, "a red fox in the snow")
    owl = await make(client, "a red owl")
    guids = {fox["guid"]: "fox", owl["guid"]: "owl"}

    async def search(**criteria: str) -> list[str]:
        response = await client.get("/image/search", params=criteria)
        assert response.status_code == 200
        return [guids[each["guid"]] for each in response.json()]

    assert await search() == ["owl", "fox"]
    assert await search(prompt="red") == ["owl", "fox"]
    assert await search(prompt="SNOW fox") == ["fox"]
    assert await search(prompt="sno") == []
    assert await search(prompt="red", filename="owl") == ["owl"]
    assert await search(query="fox png") == ["fox"]
    assert await search(query=owl["guid"]) == ["owl"]
    assert await search(guid=fox["guid"]) == ["fox"]
    assert await search(guid=fox["guid"], prompt="owl") == []
    assert await search(guid=fox["guid"].upper()) == []


@pytest.mark.parametrize("field", ["query", "prompt", "filename", "guid"])
@pytest.mark.parametrize("value", ["x" * 1001, "a\x00b"])
async def test_search_criteria_have_bounds(
    make_settings: MakeSettings, field: str, value: str
) -> None:
    async with open_client(make_settings()) as client:
        response = await client.get("/image/search", params={field: value})

    body = assert_problem(response, 422, "constraint-violation")
    assert [fault["field"] for fault in body["errors"]] == [field]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "bad-request"),
        (b"{", 400, "bad-request"),
        (b"\xff", 400, "bad-request"),
        (b'{"prompt": "a", "prompt": "b"}', 400, "bad-request"),
        (b'{"prompt": "a", "output_compression": NaN}', 400, "bad-request"),
        (b'{"prompt": "a", "output_compression": 1e999}', 400, "bad-request"),
        (b'{"prompt": "a", "output_compression": ' + b"9" * 5_000 + b"}", 400, "bad-request"),
        (b"[" * 100_000, 400, "bad-request"),
        (b'{"a":' * 50_000, 400, "bad-request"),
        (b"null", 422, "constraint-violation"),
        (b"1", 422, "constraint-violation"),
        (b'"x"', 422, "constraint-violation"),
        (b'[{"prompt": "a"}]', 422, "constraint-violation"),
        (b"{}", 422, "constraint-violation"),
        (b'{"prompt": null}', 422, "constraint-violation"),
        (b'{"prompt": 1}', 422, "constraint-violation"),
        (b'{"prompt": ""}', 422, "constraint-violation"),
        (b'{"prompt": " \\n\\t\\u3000"}', 422, "constraint-violation"),
        (b'{"prompt": "a\\u0000b"}', 422, "constraint-violation"),
        (b'{"prompt": "a\\ud800b"}', 422, "constraint-violation"),
        (b'{"\\ud800": 1, "prompt": "a"}', 422, "constraint-violation"),
        (b'{"prompt": "' + b"x" * 32_001 + b'"}', 422, "constraint-violation"),
        (b'{"prompt": "a", "unknown": 1}', 422, "constraint-violation"),
        (b'{"prompt": "a", "output_compression": 1.5}', 422, "constraint-violation"),
        (b'{"prompt": "a", "output_compression": true}', 422, "constraint-violation"),
        (b'{"prompt": "a", "output_compression": -1}', 422, "constraint-violation"),
        (
            b'{"prompt": "a", "output_compression": ' + b"9" * 4_000 + b"}",
            422,
            "constraint-violation",
        ),
        (b'{"prompt": "a", "size": ["1024x1024"]}', 422, "constraint-violation"),
        (b'{"prompt": "a", "size": "huge"}', 422, "constraint-violation"),
        (b'{"prompt": "a", "n": 0}', 422, "constraint-violation"),
        (b'{"prompt": "a", "n": 2}', 422, "constraint-violation"),
        (b'{"prompt": "a", "n": 11}', 422, "constraint-violation"),
        (b'{"prompt": "a", "n": "1"}', 422, "constraint-violation"),
        (b'{"prompt": "a", "quality": ""}', 422, "constraint-violation"),
    ],
)
async def test_a_bad_body_is_refused_before_anything_is_paid(
    make_settings: MakeSettings, model_server: ModelServer, content: bytes, status: int, code: str
) -> None:
    settings = make_settings(openai_base_url=model_server.base_url, openai_api_key="sk-its-own")
    async with open_client(settings) as client:
        headers = {"Content-Type": "application/json"}
        response = await client.post("/image", content=content, headers=headers)
        assert (await client.get("/image")).json() == []

    assert_problem(response, status, code)
    assert model_server.posts == 0


async def test_a_refusal_is_no_larger_than_what_it_refuses(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        body = {f"field_{number}": 1 for number in range(20_000)}
        response = await client.post("/image", json=body)

    assert_problem(response, 422, "constraint-violation")
    assert len(response.content) < 10_000


async def test_a_refusal_says_what_would_do(make_settings: MakeSettings) -> None:
    async with open_client(
        make_settings(model="dall-e-3", openai_base_url="http://127.0.0.1:9/v1")
    ) as client:
        response = await client.post("/image", json={"prompt": "a fox", "style": "bold"})

    body = assert_problem(response, 422, "constraint-violation")
    (fault,) = body["errors"]
    assert (fault["field"], fault["allowed"]) == ("style", ["vivid", "natural"])


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_only_json_is_taken(make_settings: MakeSettings, content_type: str) -> None:
    async with open_client(make_settings()) as client:
        response = await client.post(
            "/image", content=b'{"prompt": "a"}', headers={"Content-Type": content_type}
        )

    assert_problem(response, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"]
)
async def test_json_may_be_called_so(make_settings: MakeSettings, content_type: str) -> None:
    async with open_client(make_settings()) as client:
        response = await client.post(
            "/image", content=b'{"prompt": "a"}', headers={"Content-Type": content_type}
        )

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (moderation_blocked(), 422, "prompt-rejected"),
        (rate_limited("7"), 429, "generator-busy"),
        (error(401, code="invalid_api_key"), 502, "generator-account"),
        (error(500), 503, "generator-unavailable"),
    ],
)
async def test_a_fault_of_the_model_has_its_status(
    make_settings: MakeSettings,
    model_server: ModelServer,
    behaviour: object,
    status: int,
    code: str,
) -> None:
    model_server.answer_with(behaviour)
    settings = make_settings(
        openai_base_url=model_server.base_url,
        openai_api_key="sk-its-own",
        generation_timeout_s=5,  # too short for another try after the 7 s of the rate limit
    )
    async with open_client(settings) as client:
        response = await client.post("/image", json={"prompt": "a fox"})

    assert_problem(response, status, code)
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/image", "GET, POST"),
        ("/tags", "GET"),
        ("/stats", "GET"),
        ("/image/5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05/content", "GET, HEAD"),
        ("/generation", "GET, POST"),
        ("/generation/c8d1e6f0-2b47-4a95-9e13-6d0f8b2a7c54/retry", "POST"),
        ("/generation/c8d1e6f0-2b47-4a95-9e13-6d0f8b2a7c54/events", "GET"),
        ("/health/live", "GET"),
    ],
)
async def test_another_method_is_told_which_would_do(
    make_settings: MakeSettings, path: str, allow: str
) -> None:
    async with open_client(make_settings()) as client:
        for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"):
            response = await client.request(method, path)
            assert_problem(response, 405, "method-not-allowed")
            assert response.headers["allow"] == allow


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/image/search", "GET"),
        ("/image/5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05", "DELETE, GET, PATCH"),
    ],
)
async def test_paths_below_images_are_told_their_own_methods(
    make_settings: MakeSettings, path: str, allow: str
) -> None:
    async with open_client(make_settings()) as client:
        for method in ("PUT", "OPTIONS", "TRACE"):
            response = await client.request(method, path)
            assert_problem(response, 405, "method-not-allowed")
            assert response.headers["allow"] == allow


async def test_an_unknown_path_is_not_found(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        for path in ("/nowhere", "/image/", "/images", "/docs/", "/x//image", "/IMAGE"):
            assert_problem(await client.get(path), 404, "not-found")


async def test_a_storm_of_the_same_reads_is_served(client: httpx2.AsyncClient) -> None:
    made = await make(client, "a fox")

    answers = await asyncio.gather(*(client.get(f"/image/{made['guid']}") for _ in range(100)))

    assert all(answer.json() == made for answer in answers)

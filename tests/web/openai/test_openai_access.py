"""Keys as these clients send them: in one way, or the same one in several."""

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.openai_errors import assert_openai_error

KEY, OTHER = "fZ0_kQ7mT3xW9sVb2LrJ", "Y4nC8pRq1vHdE6uKs0aX"
FOX = {"prompt": "a fox", "size": "64x64"}
BEARER = ("Authorization", f"Bearer {KEY}")
CALLS = [
    ("POST", "/v1/images/generations"),
    ("POST", "/openai/v1/images/generations"),
    ("POST", "/openai/deployments/d/images/generations"),
    ("GET", "/v1/models"),
]


async def call(
    client: httpx2.AsyncClient, method: str, path: str, *headers: tuple[str, str]
) -> httpx2.Response:
    return await client.request(
        method, path, headers=list(headers), json=FOX if method == "POST" else None
    )


@pytest.mark.parametrize(
    "headers",
    [
        [BEARER],
        [("api-key", KEY)],
        [("X-API-Key", KEY)],
        [BEARER, ("api-key", KEY)],
        [BEARER, ("api-key", KEY), ("X-API-Key", KEY)],
        [BEARER, BEARER],
    ],
)
async def test_a_key_may_come_several_times_if_it_is_the_same(
    make_settings: MakeSettings, headers: list[tuple[str, str]]
) -> None:
    async with open_client(make_settings(api_keys=f"{KEY},{OTHER}")) as client:
        for method, path in CALLS:
            assert (await call(client, method, path, *headers)).status_code == 200
        elsewhere = await client.get("/image", headers=headers)
        known = [name for name, _ in headers if name != "api-key"]
        assert elsewhere.status_code == (200 if len(known) == 1 else 401)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", f"Basic {KEY}")],
        [("api-key", "")],
        [("api-key", KEY + "x")],
        [BEARER, ("api-key", OTHER)],
        [BEARER, ("Authorization", "Basic eA==")],
    ],
)
async def test_without_a_valid_key_nobody_gets_in(
    make_settings: MakeSettings, headers: list[tuple[str, str]]
) -> None:
    async with open_client(make_settings(api_keys=f"{KEY},{OTHER}")) as client:
        for method, path in CALLS:
            response = await call(client, method, path, *headers)
            error = assert_openai_error(response, 401, "invalid_api_key")
            assert error["type"] == "invalid_request_error"
            assert response.headers["www-authenticate"] == "Bearer"


async def test_without_configured_keys_a_dummy_is_let_pass(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        response = await call(
            client, "GET", "/v1/models", ("Authorization", "Bearer none"), ("api-key", "dummy")
        )

    assert response.status_code == 200


async def test_a_browser_may_send_and_read_what_the_sdk_does(make_settings: MakeSettings) -> None:
    origin = "https://app.example"
    asked = (
        "authorization,content-type,idempotency-key,openai-organization,openai-project,"
        "x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
        "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,"
        "x-stainless-timeout"
    )
    async with open_client(make_settings(cors_origins=origin)) as client:
        preflight = await client.options(
            "/v1/images/generations",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": asked,
            },
        )
        answer = await client.get("/v1/models", headers={"Origin": origin})

    assert preflight.status_code == 200, preflight.text
    readable = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert {"x-request-id", "retry-after", "x-should-retry", "openai-processing-ms"} <= {*readable}

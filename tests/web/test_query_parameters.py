"""Query parameters that a JSON route does not have."""

import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.problems import assert_problem

KEY = "fZ0_kQ7mT3xW9sVb2LrJ"
GUID = "5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"


async def test_what_a_route_does_not_have_is_refused_with_the_nearest_name(
    make_settings: MakeSettings,
) -> None:
    async with open_client(make_settings()) as client:
        for method, url, name, nearest in [
            ("GET", "/image?q=fox", "q", "did you mean query of /image/search?"),
            ("GET", "/image?model=x", "model", "did you mean model of /image/search?"),
            ("GET", "/image?sise=5", "sise", "did you mean size?"),
            ("GET", "/image?fox", "fox", "known are guid, page, size, after, before"),
            ("GET", "/image/search?q=fox&page=1", "q", "did you mean query?"),
            ("GET", "/image/search?Query=fox", "Query", "did you mean query?"),
            ("GET", "/image/search?tags=fox", "tags", "did you mean tag?"),
            ("POST", "/image?promt=fox", "promt", "no parameters are"),
            ("GET", f"/image/{GUID}?width=5", "width", "no parameters are"),
            ("PATCH", f"/image/{GUID}?x=", "x", "no parameters are"),
            ("DELETE", f"/image/{GUID}?force=1", "force", "no parameters are"),
            ("GET", "/generation?state=queued", "state", "did you mean status?"),
            ("POST", "/generation?n=2", "n", "no parameters are"),
            ("GET", f"/generation/{GUID}?a=1", "a", "no parameters are"),
            ("POST", f"/generation/{GUID}/retry?a=1", "a", "no parameters are"),
            ("GET", "/tags?fist=5", "fist", "did you mean first?"),
            ("GET", "/stats?day=today", "day", "no parameters are"),
        ]:
            response = await client.request(method, url)
            problem = assert_problem(response, 422, "constraint-violation")
            (fault,) = problem["errors"]
            assert fault["field"] == name, url
            assert nearest in fault["message"], (url, fault)


async def test_bytes_and_event_streams_never_refuse(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        made = (await client.post("/image", json={"prompt": "a fox", "size": "64x64"})).json()
        content = await client.get(f"/image/{made['guid']}/content?utm_source=x")
        events = await client.get(f"/generation/{made['generation_guid']}/events?lastEventId=")
    assert len(content.content) == made["byte_size"]
    assert "event: generation" in events.text


@pytest.mark.parametrize("url", ["/image?q=fox", "/stats?a=1", f"/image/{GUID}?a=1"])
async def test_the_key_is_asked_for_first(make_settings: MakeSettings, url: str) -> None:
    async with open_client(make_settings(api_keys=KEY)) as client:
        assert_problem(await client.get(url), 401, "unauthenticated")


async def test_of_very_many_only_some_are_told(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        url = "/image?" + "&".join(f"x{number}=1" for number in range(500))
        problem = assert_problem(await client.get(url), 422, "constraint-violation")
    assert len(problem["errors"]) == 20

"""Conditional requests and ranges, after RFC 9110, over both databases and every form of them."""

import hashlib
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from pixyproxy.web.conditions import Validators, range_asked
from tests.conftest import MakeSettings, open_client
from tests.support.clients import draw
from tests.support.model_server import ModelServer, image, noise_png
from tests.support.problems import assert_problem

SMALL, LARGE = noise_png(50_000), noise_png(5_000_000)
TAG = Validators('"tag"', datetime(2026, 11, 20, 9, 15, 0, 999_999, tzinfo=UTC))


@pytest.fixture(params=["small", "large"])
async def served(
    client: httpx2.AsyncClient, model_server: ModelServer, request: pytest.FixtureRequest
) -> tuple[httpx2.AsyncClient, str, bytes]:
    """A client, the path of an image's bytes, and the bytes."""
    data = SMALL if request.param == "small" else LARGE
    model_server.answer_with(image(data=data))
    made = await draw(client, "a fox")
    return client, f"/image/{made['guid']}/content", data


async def test_a_part_is_served(served: tuple[httpx2.AsyncClient, str, bytes]) -> None:
    client, path, data = served
    size = len(data)
    for asked, start, end in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, size),
        ("bytes=-100", size - 100, size),
        (f"bytes=-{2 * size}", 0, size),
        (f"bytes=10-{size * 10}", 10, size),
        (f"Bytes = {size - 1}-{size - 1}", size - 1, size),
    ]:
        response = await client.get(path, headers={"Range": asked})
        assert response.status_code == 206, asked
        assert response.content == data[start:end], asked
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert response.headers["content-length"] == str(end - start)
        assert response.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
        assert response.headers["content-type"] == "image/png"


async def test_parts_make_the_whole(served: tuple[httpx2.AsyncClient, str, bytes]) -> None:
    client, path, data = served
    step = len(data) // 7
    parts = [
        await client.get(path, headers={"Range": f"bytes={at}-{at + step - 1}"})
        for at in range(0, len(data), step)
    ]
    assert b"".join(part.content for part in parts) == data


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-6", "bytes=5-4", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "bytes=1", "0-5",
     "bytes=0-" + "9" * 30, "bytes=1-2-3", ""],
)  # fmt: skip
async def test_several_ranges_and_what_is_none_get_the_whole(
    make_settings: MakeSettings, asked: str
) -> None:
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        response = await client.get(f"/image/{made['guid']}/content", headers={"Range": asked})
    assert response.status_code == 200
    assert hashlib.sha256(response.content).hexdigest() == made["sha256"]
    assert "content-range" not in response.headers


async def test_a_part_beyond_the_end_cannot_be_had(
    served: tuple[httpx2.AsyncClient, str, bytes],
) -> None:
    client, path, data = served
    for asked in (f"bytes={len(data)}-", f"bytes={len(data)}-{len(data) + 5}", "bytes=-0"):
        response = await client.get(path, headers={"Range": asked})
        assert_problem(response, 416, "range-not-satisfiable")
        assert response.headers["content-range"] == f"bytes */{len(data)}"
        assert "immutable" not in response.headers.get("cache-control", "")


async def test_head_knows_no_range(served: tuple[httpx2.AsyncClient, str, bytes]) -> None:
    client, path, data = served
    response = await client.head(path, headers={"Range": "bytes=0-1"})
    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(data))


async def test_a_part_of_other_bytes_is_not_served(
    served: tuple[httpx2.AsyncClient, str, bytes],
) -> None:
    client, path, data = served
    first = await client.get(path)
    etag, date = first.headers["etag"], first.headers["last-modified"]
    for if_range, status in [
        (etag, 206),
        (date, 206),
        (f"W/{etag}", 200),
        ('"other"', 200),
        ("Fri, 20 Nov 2020 09:15:00 GMT", 200),
        ("nonsense", 200),
    ]:
        headers = {"Range": "bytes=1-3", "If-Range": if_range}
        response = await client.get(path, headers=headers)
        assert (response.status_code, if_range) == (status, if_range)
        assert response.content == (data[1:4] if status == 206 else data)


async def test_dates(make_settings: MakeSettings) -> None:
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        path = f"/image/{made['guid']}/content"
        first = await client.get(path)
        at = parsedate_to_datetime(first.headers["last-modified"])
        assert at == datetime.fromisoformat(made["created_at"]).replace(microsecond=0)

        async def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await client.get(path, headers=named)).status_code

        now, before, after = (
            format_datetime(at + timedelta(seconds=seconds), usegmt=True) for seconds in (0, -1, 9)
        )
        assert await status(If_Modified_Since=now) == 304
        assert await status(If_Modified_Since=after) == 304
        assert await status(If_Modified_Since=before) == 200
        assert await status(If_Modified_Since="yesterday") == 200
        # A tag wins over a date.
        assert await status(If_Modified_Since=now, If_None_Match='"other"') == 200
        assert await status(If_Modified_Since=before, If_None_Match=first.headers["etag"]) == 304
        assert await status(If_Unmodified_Since=before) == 412
        assert await status(If_Unmodified_Since=now) == 200
        assert await status(If_Match='"other"') == 412
        assert await status(If_Match=f"W/{first.headers['etag']}") == 412
        assert await status(If_Match=f'"a", {first.headers["etag"]}') == 200
        assert await status(If_Match="*", If_Unmodified_Since=before) == 200
        refused = await client.get(path, headers={"If-Match": '"other"'})
        assert_problem(refused, 412, "precondition-failed")


@given(st.text(max_size=60), st.integers(1, 10_000))
def test_whatever_is_asked_a_part_lies_within(asked: str, size: int) -> None:
    try:
        part = range_asked({"range": f"bytes={asked}"}, TAG, size)
    except HTTPException as error:
        assert error.status_code == 416  # noqa: PT017
        return
    assert part is None or 0 <= part[0] < part[1] <= size


@pytest.mark.parametrize("value", ["1", "true"])
async def test_a_download_is_an_attachment(make_settings: MakeSettings, value: str) -> None:
    async with open_client(make_settings()) as client:
        made = await draw(client, "a fox")
        path = f"/image/{made['guid']}/content"
        response = await client.get(f"{path}?download={value}")
        inline = await client.get(f"{path}?download=0")
        refused = await client.get(f"{path}?download=maybe")
    expected = f'attachment; filename="{made["filename"]}"'
    assert response.headers["content-disposition"] == expected
    assert hashlib.sha256(response.content).hexdigest() == made["sha256"]
    assert inline.headers["content-disposition"].startswith("inline")
    assert_problem(refused, 422, "constraint-violation")


async def test_dates_are_gmt_in_all_three_forms(
    served: tuple[httpx2.AsyncClient, str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, path, data = served
    last = parsedate_to_datetime((await client.get(path)).headers["last-modified"])
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for form in (
            "%a, %d %b %Y %H:%M:%S GMT",
            "%A, %d-%b-%y %H:%M:%S GMT",
            "%a %b %d %H:%M:%S %Y",
        ):
            same, before = (moment.strftime(form) for moment in (last, last - timedelta(seconds=1)))
            unmodified = await client.get(path, headers={"If-Modified-Since": same})
            assert unmodified.status_code == 304, form
            modified = await client.get(path, headers={"If-Modified-Since": before})
            assert modified.status_code == 200, form
            failed = await client.get(path, headers={"If-Unmodified-Since": before})
            assert failed.status_code == 412, form
            part = {"Range": "bytes=0-4"}
            assert (await client.get(path, headers=part | {"If-Range": same})).content == data[:5]
            assert (await client.get(path, headers=part | {"If-Range": before})).content == data
    finally:
        monkeypatch.undo()
        time.tzset()

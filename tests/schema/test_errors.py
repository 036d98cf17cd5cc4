"""What goes wrong inside stays inside; the log has it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from pixyproxy.app import create_app, make_state
from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core.exceptions import DatabaseUnavailableError
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.settings import Settings
from tests.conftest import MakeSettings
from tests.support.graphql import data, error_of, errors_of, generate, post
from tests.support.rows import raw

INTERNAL = "Something unforeseen went wrong. The service's log has the details."


class BrokenRepository(ImageRepository):
    """Fails in a way that nobody foresaw."""

    async def list_images(self, context: DatabaseContext, *, page: int, size: int):
        raise RuntimeError("a secret of the operator")


class PatientRepository(ImageRepository):
    """Answers nobody before two ask at once."""

    def __init__(self, open_context: Callable[[], DatabaseContext]) -> None:
        super().__init__(open_context)
        self._together = asyncio.Barrier(2)

    async def get_images(self, context: DatabaseContext, guids: Sequence[str]):
        async with asyncio.timeout(30):
            await self._together.wait()
        return await super().get_images(context, guids)


def put_in(services: Services, kind: type[ImageRepository]) -> None:
    """Put another repository in the place of the service's own."""
    repository = kind(services.images._repository.open_context)
    services.images._repository = services.finder._repository = repository


@asynccontextmanager
async def open_with_services(
    settings: Settings,
) -> AsyncIterator[tuple[httpx2.AsyncClient, Services]]:
    """Yield a client of an application, and the services behind it, into which faults are put."""
    app = create_app(settings)
    async with open_services(settings) as services:
        state = make_state(settings, services).as_lifespan_state()

        async def with_services(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx2.ASGITransport(with_services)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://localhost:8000"
        ) as client:
            yield client, services


async def test_what_nobody_foresaw_is_masked_and_logged(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_with_services(make_settings()) as (client, services):
        put_in(services, BrokenRepository)
        response = await post(client, "{ images { guid } __typename }")
    assert response.status_code == 200
    error = error_of(response, "internal-error")
    assert error["message"] == INTERNAL
    assert error["path"] == ["images"]
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a secret of the operator"


async def test_sibling_fields_run_at_once(make_settings: MakeSettings) -> None:
    async with open_with_services(make_settings()) as (client, services):
        a, b = [(await generate(client))["guid"] for _ in range(2)]
        services.images._cache._entries.clear()
        put_in(services, PatientRepository)
        query = (
            "query($a: ID!, $b: ID!) { a: image(guid: $a) { guid } b: image(guid: $b) { guid } }"
        )
        assert await data(client, query, {"a": a, "b": b}) == {"a": {"guid": a}, "b": {"guid": b}}


async def test_a_value_that_breaks_its_type_is_masked(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_with_services(make_settings()) as (client, services):
        guid = (await generate(client))["guid"]
        image = await services.images.get_image(guid)
        services.images.remember_new(
            [image.model_copy(update={"sha256": None, "parameters": None})]
        )
        for name in ("sha256", "parameters"):
            response = await post(client, f'{{ image(guid: "{guid}") {{ filename {name} }} }}')
            assert response.json()["data"] == {"image": None}
            error = errors_of(response)[0]
            assert error["path"] == ["image", name]
            assert error["extensions"]["code"] == "internal-error"
            assert error["message"] == INTERNAL
        content_type = f'{{ image(guid: "{guid}") {{ contentType }} }}'
        assert await data(client, content_type) == {"image": {"contentType": "image/png"}}
    assert "Cannot return null for non-nullable field ImageDetail.sha256" in caplog.text


async def test_a_table_that_is_gone(
    client: httpx2.AsyncClient, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    raw(database_url, "DROP TABLE images")
    response = await post(client, "{ images { guid } }")
    error = error_of(response, "database-unavailable")
    assert error["path"] == ["images"]
    assert error["message"] == DatabaseUnavailableError.default_message
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert records
    assert all("images" in record.getMessage() for record in records)


async def test_no_prompt_reaches_the_log(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await generate(client, "a confidential cat")
        errors_of(await post(client, 'mutation { generateImage(prompt: "confidential" '))
        errors_of(await post(client, "{ images(page: $confidential) { guid } }"))
    assert "confidential" not in caplog.text
    assert "refused code=invalid-operation" in caplog.text

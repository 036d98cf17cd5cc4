"""Clients that try again by themselves get what they began, in whatever process."""

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.support import model_server as ms
from tests.support.model_server import ModelServer
from tests.support.openai_errors import assert_openai_error
from tests.support.rows import raw
from tests.support.servers import Service

pytestmark = pytest.mark.slow

URL = "/v1/images/generations"
PROMPT = {"prompt": "a red fox", "response_format": "url"}
ADOPTED = "goes to try"


@pytest.fixture
def service(tmp_path: Path, database_url: str, model_server: ModelServer) -> Iterator[Service]:
    """Two processes on each database."""
    with Service(
        tmp_path / "service",
        "--workers",
        "2",
        database_url=database_url,
        openai_base_url=model_server.base_url,
    ) as service:
        while service.log.count("Application startup complete") < 2:  # the port is open before
            time.sleep(0.1)
        yield service


@pytest.fixture
def lone_service(tmp_path: Path, model_server: ModelServer) -> Iterator[Service]:
    """One process."""
    with Service(tmp_path / "service", openai_base_url=model_server.base_url, lease_s=1) as service:
        yield service


def sdk(service: Service) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"{service.origin}/v1", api_key="none", timeout=5, max_retries=2
    )


async def delivered(service: Service) -> None:
    """Wait until it is noted that an answer has arrived, which is after it has."""
    database = f"sqlite:///{service.folder}/pixyproxy.db"
    async with asyncio.timeout(60):
        while raw(database, "SELECT delivered FROM generations") != [(1,)]:
            await asyncio.sleep(0.02)


async def adopted(service: Service, count: int) -> None:
    """Wait until so many further tries have taken over what they began."""
    async with asyncio.timeout(60):
        while service.log.count(ADOPTED) < count:
            await asyncio.sleep(0.05)


async def test_a_client_that_runs_out_of_patience_pays_once(
    service: Service, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with sdk(service) as client:
        asking = asyncio.create_task(
            client.images.with_raw_response.generate(prompt="a red fox", model="gpt-image-2")
        )
        await adopted(service, 2)  # its second try and its third
        model_server.release()
        answer = await asking

    assert answer.headers["idempotency-replayed"] == "true"
    assert len(model_server.ledger) == 1
    (item,) = answer.parse().data or ()
    assert base64.b64decode(item.b64_json or "")


async def test_two_such_clients_get_an_image_each(
    service: Service, model_server: ModelServer
) -> None:
    model_server.answer_with(
        ms.after_release(ms.image(ms.png(seed=1))), ms.after_release(ms.image(ms.png(seed=2)))
    )
    async with sdk(service) as one, sdk(service) as other:
        asking = [
            asyncio.create_task(client.images.generate(prompt="a red fox"))
            for client in (one, other)
        ]
        await adopted(service, 2)
        model_server.release()
        answers = await asyncio.gather(*asking)

    images = [answer.data[0].b64_json for answer in answers if answer.data]
    assert len({*images}) == 2
    assert len(model_server.ledger) == 2


async def test_a_stream_is_tried_again_too(
    lone_service: Service, model_server: ModelServer
) -> None:
    """Its head comes after 10 s, which is more than this client waits."""
    model_server.answer_with(ms.after_release(ms.image()))
    async with sdk(lone_service) as client:
        asking = asyncio.create_task(client.images.generate(prompt="a red fox", stream=True))
        await adopted(lone_service, 1)
        model_server.release()
        events = [event async for event in await asking]

    assert [event.type for event in events] == ["image_generation.completed"]
    assert len(model_server.ledger) == 1


async def test_what_a_killed_process_had_sent_is_not_sent_again(
    lone_service: Service, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.hang())
    async with httpx2.AsyncClient(base_url=lone_service.origin, timeout=60) as client:
        asking = asyncio.create_task(try_number(client, 0))
        await model_server.calls_accepted(1)
        lone_service.kill()
        with pytest.raises(httpx2.TransportError):
            await asking
        lone_service.start()
        response = await try_number(client, 1)

    assert_openai_error(response, 424, "upstream_outcome_unknown")
    assert response.headers["idempotency-replayed"] == "true"
    assert len(model_server.ledger) == 1


async def test_what_was_delivered_is_drawn_anew(
    lone_service: Service, model_server: ModelServer
) -> None:
    async with httpx2.AsyncClient(base_url=lone_service.origin, timeout=60) as client:
        first = await try_number(client, 0)
        await delivered(lone_service)
        again = await try_number(client, 1)  # of a client whose first try never arrived

    assert first.json()["data"] != again.json()["data"]
    assert "idempotency-replayed" not in again.headers
    assert len(model_server.ledger) == 2


async def test_what_nothing_was_paid_for_is_tried_for_real(tmp_path: Path) -> None:
    port_of_nobody = ms.unused_base_url()
    with Service(
        tmp_path / "service", openai_base_url=port_of_nobody, generation_timeout_s=1
    ) as service:
        async with httpx2.AsyncClient(base_url=service.origin, timeout=60) as client:
            with pytest.raises(httpx2.ReadTimeout):
                await try_number(client, 0, patience_s=0.3)
            while not (await client.get("/generation?status=failed")).json():
                await asyncio.sleep(0.05)
            with ModelServer(int(port_of_nobody.split(":")[2].split("/")[0])) as model_server:
                while (response := await try_number(client, 1)).status_code == 503:
                    await asyncio.sleep(0.2)  # until the server is tried again
                assert response.status_code == 200
                assert "idempotency-replayed" not in response.headers
                assert len(model_server.ledger) == 1


async def test_other_content_and_other_callers_begin_anew(
    tmp_path: Path, model_server: ModelServer
) -> None:
    keys = ("fZ0_kQ7mT3xW9sVb2LrJ", "Y4nC8pRq1vHdE6uKs0aX")
    model_server.answer_with(ms.after_release(ms.image()))
    with Service(
        tmp_path / "service", openai_base_url=model_server.base_url, api_keys=",".join(keys)
    ) as service:
        async with httpx2.AsyncClient(base_url=service.origin, timeout=60) as client:
            with pytest.raises(httpx2.ReadTimeout):
                await try_number(client, 0, patience_s=0.5, key=keys[0])
            others = [
                asyncio.create_task(try_number(client, 1, key=keys[1])),
                asyncio.create_task(try_number(client, 1, key=keys[0], n=2)),
            ]
            await model_server.calls_accepted(3)
            model_server.release()
            same = await try_number(client, 1, key=keys[0])
            answers = [await other for other in others]

    assert same.headers["idempotency-replayed"] == "true"
    assert not any("idempotency-replayed" in answer.headers for answer in answers)
    assert len(model_server.ledger) == 3


async def test_a_service_that_stops_lets_go_of_what_was_not_sent(
    tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.hang())
    with Service(
        tmp_path / "service",
        openai_base_url=model_server.base_url,
        max_concurrent_generations=1,
        shutdown_grace_s=1,
    ) as service:
        async with httpx2.AsyncClient(base_url=service.origin, timeout=60) as client:
            sent = asyncio.create_task(try_number(client, 0))
            await model_server.calls_accepted(1)
            queued = asyncio.create_task(try_number(client, 0))
            while not (await client.get("/generation?status=queued")).json():
                await asyncio.sleep(0.05)
            service.terminate()
            assert_openai_error(await queued, 503, "overloaded", should_retry=True)
            assert_openai_error(await sent, 424, "upstream_outcome_unknown")


async def try_number(
    client: httpx2.AsyncClient,
    number: int,
    *,
    patience_s: float = 60,
    key: str | None = None,
    **fields: Any,
) -> httpx2.Response:
    headers = {"x-stainless-retry-count": str(number), "x-stainless-read-timeout": str(patience_s)}
    if key is not None:
        headers["api-key"] = key
    return await client.post(
        URL,
        json={**PROMPT, **fields},
        headers=headers,
        timeout=httpx2.Timeout(60, read=patience_s),
    )

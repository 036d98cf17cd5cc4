"""Stopping under load: readiness fails first, nothing told is lost, the rest goes on after."""

import asyncio
import json
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from pixyproxy.schema.sockets import SUBPROTOCOL
from tests.reliability.campaign import Campaign, Outcome
from tests.reliability.conftest import Serve
from tests.reliability.load import Load
from tests.support import model_server as ms
from tests.support.clients import client_of, eventually
from tests.support.generations import ended, submit
from tests.support.model_server import ModelServer
from tests.support.servers import STOPPED, Service

STOPS_WITHIN_S = 30


async def test_a_stop_under_load_loses_nothing_that_was_acknowledged(
    tmp_path: Path, database_url: str
) -> None:
    with Campaign(
        tmp_path, database_url, processes=1, drain_s=1, max_concurrent_generations=2
    ) as campaign:
        (service,) = campaign.services

        async def stop_and_start(outcome: Outcome, load: Load) -> None:
            async with client_of(service) as client:
                for _ in range(20):
                    load.generations.add((await submit(client, n=2))["guid"])
                began = time.monotonic()
                service.terminate()
                async with asyncio.timeout(1):
                    while (await client.get("/health/ready")).status_code != 503:
                        await asyncio.sleep(0.01)
                assert (await client.get("/health/live")).status_code == 200
            assert await asyncio.to_thread(service.process.wait, STOPS_WITHIN_S) in STOPPED
            assert time.monotonic() - began < STOPS_WITHIN_S
            await asyncio.to_thread(service.start)

        outcome = await campaign.put_to_the_test(1, stop_and_start)
        assert outcome.violations == []
        assert "Traceback" not in service.log


async def test_what_the_model_has_not_answered_at_the_end_reads_unknown_and_the_queue_goes_on(
    serve: Serve, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.hang(), ms.hang(), ms.image(ms.png()))
    service = serve(max_concurrent_generations=2, shutdown_grace_s=1, lease_s=30)
    async with client_of(service) as client:
        asking = asyncio.create_task(client.post("/image", json={"prompt": "a fox"}))
        await model_server.calls_accepted(1)
        sent = await submit(client)
        await model_server.calls_accepted(2)
        queued = [await submit(client) for _ in range(3)]
        waiting = asyncio.create_task(client.post("/image", json={"prompt": "a hare"}))

        async def is_queued() -> bool:
            answer = await client.get("/generation", params={"status": "queued"})
            return len(answer.json()) == 4

        await eventually(is_queued)
        service.terminate()
        answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (504, "generator-timeout")
        answer = await waiting
        assert answer.status_code == 202  # it was not begun, and is not lost
        queued.append(answer.json())
        assert await asyncio.to_thread(service.process.wait, STOPS_WITHIN_S) in STOPPED
        assert len(model_server.ledger) == 2
        await asyncio.to_thread(service.start)
        assert (await client.get(f"/generation/{sent['guid']}")).json()["status"] == "unknown"
        for generation in queued:
            assert (await ended(client, generation["guid"]))["status"] == "succeeded"
    calls = [entry.call for entry in model_server.ledger]
    assert len(calls) == len(set(calls)) == 6
    assert "Traceback" not in service.log


async def test_sigint_drains_without_waiting_for_balancers(
    serve: Serve, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    service = serve(max_concurrent_generations=1, drain_s=300, shutdown_grace_s=300)
    socket_url = f"ws://127.0.0.1:{service.port}/graphql"
    async with client_of(service) as client:
        running = await submit(client)
        await model_server.calls_accepted(1)
        queued = [await submit(client) for _ in range(3)]
        async with (
            connect(socket_url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None) as socket,
            client.stream("GET", f"/generation/{queued[-1]['guid']}/events") as followed,
        ):
            events = followed.aiter_text()
            assert "queued" in await anext(events)
            service.process.send_signal(signal.SIGINT)
            async with asyncio.timeout(STOPS_WITHIN_S):
                assert not [event async for event in events if "event:" in event]
                await socket.wait_closed()
        model_server.release()
        assert await asyncio.to_thread(service.process.wait, STOPS_WITHIN_S) == 0
        assert len(model_server.ledger) == 1
        await asyncio.to_thread(service.start)
        for generation in (running, *queued):
            assert (await ended(client, generation["guid"]))["status"] == "succeeded"
    service.kill()  # which SIGTERM would not do for long
    calls = [entry.call for entry in model_server.ledger]
    assert len(calls) == len(set(calls)) == 4
    assert "Traceback" not in service.log


async def test_followers_who_do_not_read_hold_up_neither_the_others_nor_the_stop(
    tmp_path: Path, sqlite_url: str, model_server: ModelServer
) -> None:
    """What they are sent fills all buffers between: each event has a prompt of 128,000 bytes."""
    model_server.answer_with(ms.after_release(ms.image(ms.png())))
    settings = {"openai_base_url": model_server.base_url, "openai_api_key": "sk-a-key-of-its-own"}
    query = "subscription ($guid: ID!) { generation(guid: $guid) { a: prompt b: prompt } }"
    with (
        Service(tmp_path / "service", database_url=sqlite_url, **settings) as service,
        ExitStack() as followers,
    ):
        async with client_of(service) as client:
            guid = (await submit(client, "🦊" * 32_000))["guid"]
            await model_server.calls_accepted(1)
            for _ in range(10):
                follower = followers.enter_context(socket.socket())
                follower.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                follower.connect(("127.0.0.1", service.port))
                request = f"GET /generation/{guid}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
                follower.sendall(request.encode())
            url = f"ws://127.0.0.1:{service.port}/graphql"
            deaf = await connect(
                url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None, ping_interval=None
            )
            await deaf.send(json.dumps({"type": "connection_init"}))
            await deaf.recv()
            deaf.transport.pause_reading()
            payload = {"query": query, "variables": {"guid": guid}}
            for number in range(50):
                message = {"type": "subscribe", "id": str(number), "payload": payload}
                await deaf.send(json.dumps(message))
            model_server.release()
            assert (await ended(client, guid))["status"] == "succeeded"
            assert (await client.get("/health/ready")).status_code == 200
            service.terminate()
            assert await asyncio.to_thread(service.process.wait, STOPS_WITHIN_S) in STOPPED
            deaf.transport.abort()
            await deaf.wait_closed()
        assert "Traceback" not in service.log

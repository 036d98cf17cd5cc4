"""Two processes on one database: what is asked for twice is done once, and the work is shared."""

import asyncio

import httpx2

from tests.reliability.conftest import Serve
from tests.support import model_server as ms
from tests.support.clients import client_of, is_served
from tests.support.generations import ended, submit
from tests.support.model_server import ModelServer

REQUESTS = 50


async def test_fifty_requests_with_one_key_over_two_processes_are_one_paid_call(
    serve: Serve, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image(ms.png())))
    services = await asyncio.gather(asyncio.to_thread(serve), asyncio.to_thread(serve))
    async with client_of(services[0]) as one, client_of(services[1]) as other:

        async def ask(client: httpx2.AsyncClient) -> httpx2.Response:
            headers = {"Idempotency-Key": "the-same"}
            return await client.post("/image", json={"prompt": "a fox"}, headers=headers)

        asking = [asyncio.create_task(ask([one, other][n % 2])) for n in range(REQUESTS)]
        await model_server.calls_accepted(1)
        model_server.release()
        answers = await asyncio.gather(*asking)
        assert {(answer.status_code, answer.json().get("code")) for answer in answers} == {
            (201, None)
        }
        assert len({answer.json()["guid"] for answer in answers}) == 1
        replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
        assert sorted(map(str, replayed)) == ["None"] + ["true"] * (REQUESTS - 1)
        (image,) = (await other.get("/image")).json()
        assert await is_served(other, image)
    assert model_server.posts == len(model_server.ledger) == 1


async def test_what_one_process_has_no_slot_for_another_one_draws(
    serve: Serve, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image(ms.png())))
    async with client_of(serve(max_concurrent_generations=1)) as client:
        submitted = [await submit(client) for _ in range(4)]
        await model_server.calls_accepted(1)
        serve(max_concurrent_generations=1)
        await model_server.calls_accepted(2)  # the first one has one slot only
        model_server.release()
        for generation in submitted:
            assert (await ended(client, generation["guid"]))["status"] == "succeeded"
        assert len((await client.get("/image")).json()) == 4
    assert len({entry.call for entry in model_server.ledger}) == len(model_server.ledger) == 4

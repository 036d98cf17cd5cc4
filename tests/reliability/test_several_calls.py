"""A generation of several calls: what happens to one of them must not harm the others."""

import asyncio
import threading
from contextlib import suppress

import pytest

from pixyproxy.core.models import AttemptStatus
from pixyproxy.data.repositories.generations import GenerationRepository
from tests.conftest import MakeSettings, open_client
from tests.reliability.conftest import Serve
from tests.reliability.faults import locked_table
from tests.support import model_server as ms
from tests.support.clients import client_of, eventually
from tests.support.generations import ended, read_events, submit
from tests.support.model_server import Exchange, ModelServer
from tests.support.rows import raw


async def test_a_call_that_cannot_begin_leaves_the_others_their_images(
    serve: Serve, model_server: ModelServer, database_url: str
) -> None:
    """The database is away when the second call is to be tried again; the first is in flight."""
    model_server.answer_with(
        ms.after_release(ms.image(ms.png())), ms.rate_limited("1"), ms.image(ms.png())
    )

    async def was_refused() -> bool:
        return ("failed",) in raw(database_url, "SELECT status FROM attempts")

    async with client_of(serve(lease_s=10)) as client:
        generation = await submit(client, model="dall-e-3", n=2)
        await model_server.requests_arrived(2)
        await eventually(was_refused)
        with locked_table(database_url, "attempts"):
            await asyncio.sleep(4)  # longer than the pause and the database's deadline together
        model_server.release()
        settled = await ended(client, generation["guid"])
        assert (settled["status"], settled["error"]) == ("succeeded", None)
        assert len(settled["images"]) == 2
    assert len(model_server.ledger) == 2


async def test_a_late_answer_is_not_asked_for_again_while_its_image_is_fetched(
    serve: Serve, model_server: ModelServer, database_url: str
) -> None:
    """The first call's late answer is being kept when the second call, the last one, ends."""
    answers = [threading.Event(), threading.Event()]
    drawn = ms.image(ms.png())
    url = model_server.serve_file("late.png", ms.after_release(ms.file(ms.png())))

    async def late(exchange: Exchange) -> None:
        await asyncio.to_thread(answers[0].wait)
        await ms.item(url=url).then(exchange)

    async def second(exchange: Exchange) -> None:
        await asyncio.to_thread(answers[1].wait)
        await drawn.then(exchange)

    model_server.answer_with(ms.Accepting(late), ms.Accepting(second), drawn)

    async def second_is_kept() -> bool:
        return raw(database_url, "SELECT status FROM attempts WHERE number = 2") == [("succeeded",)]

    async with client_of(serve(max_concurrent_generations=1, generation_timeout_s=4)) as client:
        generation = await submit(client, model="dall-e-3", n=2)
        await model_server.calls_accepted(2)  # the first one has not been answered in time
        answers[0].set()
        await model_server.requests_arrived(3)
        answers[1].set()
        await eventually(second_is_kept)
        await asyncio.sleep(1)  # time to do it wrong
        model_server.release()
        settled = await ended(client, generation["guid"])
        assert settled["status"] == "succeeded"
        assert len(settled["images"]) == 2
    assert len(model_server.ledger) == 2


async def test_a_call_in_flight_is_not_settled_by_its_own_process(
    serve: Serve, model_server: ModelServer, database_url: str
) -> None:
    """The database is away for longer than the lease: nobody can say that the process lives."""
    model_server.answer_with(ms.after_release(ms.image(ms.png())))
    async with client_of(serve(lease_s=1)) as client:
        asking = [
            asyncio.create_task(client.post("/image", json={"prompt": "a fox"})) for _ in range(8)
        ]
        await model_server.calls_accepted(8)
        with locked_table(database_url, "generations"):
            await asyncio.sleep(3)
        await asyncio.sleep(2)  # two leases: time to settle
        generations = (await client.get("/generation")).json()
        assert {generation["status"] for generation in generations} == {"running"}
        model_server.release()
        answers = await asyncio.gather(*asking)
        assert {answer.status_code for answer in answers} == {201}
    assert len(model_server.ledger) == 8


async def test_no_call_is_sent_that_nobody_would_wait_for(
    serve: Serve, model_server: ModelServer, database_url: str
) -> None:
    """The database is away, when a call is to be tried again, until its deadline has passed."""
    model_server.answer_with(ms.rate_limited("1"), ms.delayed(ms.image(ms.png()), 0.2, 0.2))

    async def was_refused() -> bool:
        return ("failed",) in raw(database_url, "SELECT status FROM attempts")

    async with client_of(serve(lease_s=10, generation_timeout_s=2)) as client:
        generation = await submit(client)
        following = asyncio.create_task(client.get(f"/generation/{generation['guid']}/events"))
        await eventually(was_refused)
        with locked_table(database_url, "attempts"):
            await asyncio.sleep(4)
        (*_, settled) = read_events((await following).text)
        assert settled["status"] in {"succeeded", "failed"}
    assert len(model_server.ledger) == (settled["status"] == "succeeded")


async def test_a_generation_ends_after_all_of_its_calls(
    make_settings: MakeSettings,
    database_url: str,
    model_server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both calls fail at once, and the first one's end takes its time to be written."""
    model_server.answer_with(ms.error(500), ms.error(500))
    second_is_written = asyncio.Event()
    seen: list[set[AttemptStatus]] = []
    update, finish = GenerationRepository.update_attempt, GenerationRepository.finish

    async def update_slowly(self, context, attempt) -> None:
        if attempt.ended_at is not None and attempt.number == 2:
            second_is_written.set()
        elif attempt.ended_at is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(second_is_written.wait(), 1)
        await update(self, context, attempt)

    async def finish_and_look(self, context, generation, runner) -> bool:
        made = await self.get_attempts(context, generation.guid)
        seen.append({attempt.status for attempt in made})
        return await finish(self, context, generation, runner)

    monkeypatch.setattr(GenerationRepository, "update_attempt", update_slowly)
    monkeypatch.setattr(GenerationRepository, "finish", finish_and_look)
    settings = make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
    )
    async with open_client(settings) as client:
        generation = await submit(client, model="dall-e-3", n=2)
        assert (await ended(client, generation["guid"]))["status"] == "failed"
    assert seen == [{AttemptStatus.FAILED}]

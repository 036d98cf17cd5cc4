"""Generations as rows: what is written down, tried again, shared and settled."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core import make_guid
from pixyproxy.core.exceptions import (
    GenerationStateError,
    GeneratorUnavailableError,
    IdempotencyConflictError,
    OverloadedError,
    StillRunningError,
)
from pixyproxy.core.models import (
    Answer,
    AnsweredImage,
    AttemptStatus,
    ContentType,
    Generation,
    GenerationCreate,
    GenerationStatus,
)
from pixyproxy.data.files.folder import FolderStore
from pixyproxy.service.generating.circuit import FAILURES_TO_OPEN
from pixyproxy.service.generating.record import cut_into_calls
from pixyproxy.service.generating.terms import Terms
from pixyproxy.settings import Settings
from tests.conftest import MakeSettings, open_client
from tests.support import model_server as ms
from tests.support.databases import open_database
from tests.support.dead_process import DeadProcess
from tests.support.mariadb import free_port
from tests.support.model_server import ModelServer

REQUEST = GenerationCreate(prompt="a fox")


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, model_server: ModelServer) -> Settings:
    return make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
        lease_s=1,
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as services:
        services.engine.start()
        yield services


async def end_of(services: Services, guid: str) -> Generation:
    """Wait for the generation's end."""
    async with asyncio.timeout(20):
        async for generation in services.generations.watch(guid):
            if generation.status.is_final:
                return generation
    raise AssertionError("the service has stopped")


async def submit(services: Services, key: str | None = None, **fields: Any) -> Generation:
    request = GenerationCreate(**({"prompt": "a fox"} | fields))
    submitted = await services.generations.submit(request, Terms("me", idempotency_key=key))
    return submitted.generation


async def attempts_of(services: Services, guid: str) -> list[tuple[str, str | None]]:
    attempts = await services.generations.list_attempts(guid)
    return [(attempt.status.value, attempt.error_code) for attempt in attempts]


async def test_what_is_submitted_runs_by_itself_and_all_of_it_is_written_down(
    services: Services, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    running = await submit(services, size="1024x1024")
    assert (running.status, running.n) == (GenerationStatus.RUNNING, 1)
    await model_server.requests_arrived(1)
    model_server.release()
    ended = await end_of(services, running.guid)
    assert ended.status is GenerationStatus.SUCCEEDED
    assert (ended.model, ended.model_served) == ("gpt-image-2", "gpt-image-2")
    assert ended.usage == ms.usage(1)
    assert ended.upstream_request_id == "req_0123456789abcdef"
    assert ended.error is None
    assert ended.started_at is not None
    assert ended.answered_at is not None
    assert ended.stored_at is not None
    assert ended.finished_at is not None
    assert ended.queued_at <= ended.started_at <= ended.answered_at <= ended.stored_at
    (image,) = (await services.generations.images_of([ended.guid]))[ended.guid]
    assert image.generation_guid == ended.guid
    assert await attempts_of(services, ended.guid) == [("succeeded", None)]
    (entry,) = model_server.ledger
    assert entry.call == f"{ended.guid}-1"


async def test_several_images_come_by_one_call_where_the_model_allows(
    services: Services, model_server: ModelServer
) -> None:
    generation = await submit(services, n=3)
    ended = await end_of(services, generation.guid)
    images = (await services.generations.images_of([ended.guid]))[ended.guid]
    assert len({image.sha256 for image in images}) == 3
    assert [entry.n for entry in model_server.ledger] == [3]
    assert ended.usage == ms.usage(3)


async def test_several_images_come_by_several_calls_where_it_does_not_and_a_part_may_fail(
    services: Services, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.image(), ms.charge_then(ms.error(500)), ms.image())
    generation = await submit(services, n=3, model="dall-e-3")
    ended = await end_of(services, generation.guid)
    assert ended.status is GenerationStatus.SUCCEEDED
    assert ended.error is not None
    assert ended.error.code == "generator-unavailable"
    assert len((await services.generations.images_of([ended.guid]))[ended.guid]) == 2
    assert [entry.n for entry in model_server.ledger] == [1, 1, 1]
    attempts = await attempts_of(services, ended.guid)
    assert sorted(attempts, key=str) == [
        ("failed", "generator-unavailable"),
        ("succeeded", None),
        ("succeeded", None),
    ]


@pytest.mark.parametrize(
    ("n", "max_n", "calls"), [(1, 1, [1]), (3, 1, [1, 1, 1]), (4, 10, [4]), (10, 4, [4, 4, 2])]
)
def test_a_request_is_cut_into_calls(n: int, max_n: int, calls: list[int]) -> None:
    assert cut_into_calls(n, max_n) == calls


async def test_fewer_images_than_asked_for_are_kept_and_the_rest_is_told(
    services: Services, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.item(b64_json=ms._base64(ms.png())))
    ended = await end_of(services, (await submit(services, n=2)).guid)
    assert ended.status is GenerationStatus.SUCCEEDED
    assert ended.error is not None
    assert ended.error.code == "bad-generator-response"
    assert len((await services.generations.images_of([ended.guid]))[ended.guid]) == 1


async def test_a_rate_limit_is_waited_for(services: Services, model_server: ModelServer) -> None:
    model_server.answer_with(ms.rate_limited("1"), ms.image())
    ended = await end_of(services, (await submit(services)).guid)
    assert ended.status is GenerationStatus.SUCCEEDED
    assert await attempts_of(services, ended.guid) == [
        ("failed", "generator-busy"),
        ("succeeded", None),
    ]
    assert [entry.call for entry in model_server.ledger] == [f"{ended.guid}-2"]


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (ms.error(429, "insufficient_quota"), "failed", "generator-account"),
        (ms.error(401, "invalid_api_key"), "failed", "generator-account"),
        (ms.moderation_blocked(), "refused", "prompt-rejected"),
        (
            ms.error(400, "invalid_value", "invalid_request_error", "size"),
            "failed",
            "constraint-violation",
        ),
        (ms.charge_then(ms.error(500)), "failed", "generator-unavailable"),
        (ms.html(), "failed", "bad-generator-response"),
        (ms.cut_in_body(), "unknown", "generator-timeout"),
    ],
)
async def test_what_was_or_may_have_been_accepted_is_never_sent_again_by_itself(
    services: Services,
    model_server: ModelServer,
    behaviour: ms.Behaviour,
    status: str,
    code: str,
) -> None:
    model_server.answer_with(behaviour, ms.image())
    ended = await end_of(services, (await submit(services)).guid)
    assert ended.error is not None
    assert (ended.status.value, ended.error.code) == (status, code)
    assert await attempts_of(services, ended.guid) == [(status, code)]
    assert model_server.posts == 1


async def test_a_server_that_cannot_be_reached_is_tried_until_it_can_be(
    settings: Settings,
) -> None:
    port = free_port()
    down = settings.model_copy(update={"openai_base_url": f"http://127.0.0.1:{port}/v1"})
    async with open_services(down) as services:
        generation = await submit(services)

        async def tries() -> list[tuple[str, str | None]]:
            return await attempts_of(services, generation.guid)

        async with asyncio.timeout(20):
            while ("unsent", "generator-unavailable") not in await tries():
                await asyncio.sleep(0.02)
        with ModelServer(port) as server:
            ended = await end_of(services, generation.guid)
            assert ended.status is GenerationStatus.SUCCEEDED
            assert len(server.ledger) == 1
        assert (await tries())[-1] == ("succeeded", None)


async def test_after_failures_to_connect_the_circuit_opens_and_callers_are_told_at_once(
    settings: Settings,
) -> None:
    down = settings.model_copy(update={"openai_base_url": ms.unused_base_url()})
    async with open_services(down) as services:
        services.engine.start()
        for _ in range(FAILURES_TO_OPEN):
            await submit(services)
        async with asyncio.timeout(20):
            while not services.engine.circuit.is_open:
                await asyncio.sleep(0.02)
        with pytest.raises(GeneratorUnavailableError, match="in a row") as caught:
            await services.generations.create_image(GenerationCreate(prompt="a fox"))
        assert caught.value.retry_after_s
        verdicts = await services.health.check()
        assert verdicts["generator"] == "generator-unavailable"
        assert services.health.is_ready(verdicts)
        queued = await submit(services)
        assert queued.status is GenerationStatus.QUEUED


async def test_a_late_answer_moves_unknown_to_succeeded(
    settings: Settings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with open_services(settings.model_copy(update={"generation_timeout_s": 2.0})) as services:
        generation = await submit(services)
        ended = await end_of(services, generation.guid)
        assert ended.status is GenerationStatus.UNKNOWN
        model_server.release()
        async with asyncio.timeout(20):
            while ended.status is not GenerationStatus.SUCCEEDED:
                await asyncio.sleep(0.02)
                ended = await services.generations.get_generation(generation.guid)
        assert ended.error is None
        assert len((await services.generations.images_of([ended.guid]))[ended.guid]) == 1
        assert await attempts_of(services, ended.guid) == [("succeeded", None)]


async def test_a_failed_one_is_tried_again_on_the_users_word_once(
    services: Services, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.charge_then(ms.error(500)), ms.image())
    ended = await end_of(services, (await submit(services)).guid)
    assert ended.status is GenerationStatus.FAILED
    answers = await asyncio.gather(
        *(services.generations.retry(ended.guid) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(answer, Generation) for answer in answers) == 1
    assert sum(isinstance(answer, GenerationStateError) for answer in answers) == 2
    again = await end_of(services, ended.guid)
    assert again.status is GenerationStatus.SUCCEEDED
    assert again.error is None
    assert [entry.call for entry in model_server.ledger] == [f"{ended.guid}-1", f"{ended.guid}-2"]
    with pytest.raises(GenerationStateError):
        await services.generations.retry(ended.guid)


async def test_the_same_key_gives_the_same_generation_however_many_send_it_at_once(
    services: Services, model_server: ModelServer
) -> None:
    found = await asyncio.gather(*(submit(services, "key-1") for _ in range(20)))
    assert len({generation.guid for generation in found}) == 1
    await end_of(services, found[0].guid)
    assert model_server.posts == 1
    again = await services.generations.submit(REQUEST, Terms("me", "key-1"), is_waited_for=True)
    assert again.replayed
    image = await services.generations.wait_for_image(again, None)
    assert image.generation_guid == found[0].guid
    assert model_server.posts == 1
    with pytest.raises(IdempotencyConflictError):
        await submit(services, "key-1", prompt="another fox")
    other = Terms("somebody else", idempotency_key="key-1")
    assert (await services.generations.submit(REQUEST, other)).generation.guid != found[0].guid


async def test_only_so_many_are_queued(settings: Settings, model_server: ModelServer) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    small = settings.model_copy(
        update={"max_concurrent_generations": 1, "max_queued_generations": 2}
    )
    async with open_services(small) as services:
        services.engine.start()
        guids = [(await submit(services)).guid for _ in range(3)]
        with pytest.raises(OverloadedError):
            await submit(services)
        cancelled = await services.generations.cancel(guids[2])
        assert cancelled.status is GenerationStatus.CANCELLED
        with pytest.raises(GenerationStateError, match="may be charged"):
            await services.generations.cancel(guids[0])
        model_server.release()
        assert (await end_of(services, guids[1])).status is GenerationStatus.SUCCEEDED
    assert model_server.posts == 2


async def test_who_does_not_wait_long_enough_is_told_its_name(
    services: Services, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    with pytest.raises(StillRunningError) as caught:
        await services.generations.create_image(GenerationCreate(prompt="a fox"), wait_s=0.2)
    model_server.release()
    ended = await end_of(services, caught.value.generation_guid)
    assert ended.status is GenerationStatus.SUCCEEDED


async def test_two_processes_share_the_queue(settings: Settings, model_server: ModelServer) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    narrow = settings.model_copy(update={"max_concurrent_generations": 1})
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(open_services(narrow)) for _ in range(2)]
        one.engine.start()
        guids = [(await submit(one)).guid for _ in range(4)]
        two.engine.start()
        await model_server.requests_arrived(2)
        model_server.release()
        for guid in guids:
            assert (await end_of(one, guid)).status is GenerationStatus.SUCCEEDED
    assert len({entry.call for entry in model_server.ledger}) == 4


@pytest.fixture
def dead(settings: Settings) -> DeadProcess:
    return DeadProcess(settings)


@pytest.mark.parametrize("unsent", [False, True])
async def test_what_a_dead_process_had_not_sent_is_queued_again(
    dead: DeadProcess, settings: Settings, model_server: ModelServer, *, unsent: bool
) -> None:
    code = {"error_code": "generator-unavailable"}
    attempts = [dead.attempt(status=AttemptStatus.UNSENT, **code)] if unsent else []
    await dead.leave(*attempts)
    async with open_services(settings) as services:
        services.engine.start()
        ended = await end_of(services, dead.guid)
    assert ended.status is GenerationStatus.SUCCEEDED
    assert model_server.posts == 1


async def test_what_a_dead_process_had_sent_is_unknown_and_not_sent_again(
    dead: DeadProcess, settings: Settings, model_server: ModelServer
) -> None:
    await dead.leave(dead.attempt())
    async with open_services(settings) as services:
        services.engine.start()
        ended = await end_of(services, dead.guid)
        assert await attempts_of(services, dead.guid) == [("unknown", "generator-timeout")]
    assert ended.status is GenerationStatus.UNKNOWN
    assert ended.error is not None
    assert "cut off" in ended.error.message
    assert model_server.posts == 0


async def test_what_a_dead_process_was_given_by_url_is_fetched(
    dead: DeadProcess, settings: Settings, model_server: ModelServer
) -> None:
    drawn = ms.png(seed=9)
    url = model_server.serve_file("drawn.png", ms.file(drawn))
    image = AnsweredImage(url=url, revised_prompt="a red fox")
    await dead.leave(dead.attempt(answer=Answer(model="m", images=(image,))))
    async with open_services(settings) as services:
        services.engine.start()
        ended = await end_of(services, dead.guid)
        assert ended.status is GenerationStatus.SUCCEEDED
        (kept,) = (await services.generations.images_of([dead.guid]))[dead.guid]
        assert kept.revised_prompt == "a red fox"
        assert bytes(await services.images.read_content(kept)) == drawn
    assert model_server.posts == 0


async def test_what_a_dead_process_had_stored_gets_its_row(
    dead: DeadProcess, settings: Settings, model_server: ModelServer
) -> None:
    async with open_services(settings) as services:
        image = await services.generations.create_image(GenerationCreate(prompt="another fox"))
        data = bytes(await services.images.read_content(image))
    attempt = dead.attempt(n=2, image_guids=(make_guid(), make_guid()))
    stored = image.model_copy(
        update={"guid": attempt.image_guids[1], "generation_guid": dead.guid, "prompt": "a fox"}
    )
    store = FolderStore(settings.images, min_free_mb=0)
    sidecar = stored.model_dump_json().encode()
    await store.write(stored.guid, stored.content_type, data, sidecar)
    store.close()
    await dead.leave(attempt, n=2)
    async with open_services(settings) as services:
        services.engine.start()
        ended = await end_of(services, dead.guid)
        assert ended.status is GenerationStatus.SUCCEEDED
        assert ended.error is not None  # of two images one was found
        assert await services.images.get_image(stored.guid) == stored
        async with asyncio.timeout(20):
            while await FolderStore(settings.images, min_free_mb=0).read_sidecar(stored.guid):
                await asyncio.sleep(0.02)
    assert model_server.posts == 1


async def test_of_a_dead_process_part_by_part(
    dead: DeadProcess, settings: Settings, model_server: ModelServer
) -> None:
    """Of three parts one is unknown, one refused, one was not accepted."""
    await dead.leave(
        dead.attempt(1, part=0),
        dead.attempt(2, part=1, status=AttemptStatus.REFUSED, error_code="prompt-rejected"),
        dead.attempt(3, part=2, status=AttemptStatus.FAILED, error_code="generator-busy"),
        n=3,
        model="dall-e-3",
    )
    database = open_database(settings.database_url, pool_size=1)
    async with database.open_context() as context:
        await context.execute(sa.text("UPDATE generations SET max_n = 1"))
    await database.aclose()
    async with open_services(settings) as services:
        services.engine.start()
        ended = await end_of(services, dead.guid)
        assert await attempts_of(services, dead.guid) == [
            ("unknown", "generator-timeout"),
            ("refused", "prompt-rejected"),
            ("failed", "generator-busy"),
            ("succeeded", None),
        ]
    assert ended.status is GenerationStatus.SUCCEEDED
    assert ended.error is not None
    assert ended.error.code == "generator-timeout"
    assert model_server.posts == 1


async def test_who_begins_to_follow_late_is_told_the_end_all_the_same(
    services: Services, model_server: ModelServer
) -> None:
    """One follower knows the end; another one's view is from before."""
    model_server.answer_with(ms.after_release(ms.image()))
    stale = await submit(services)
    first = asyncio.create_task(end_of(services, stale.guid))
    await model_server.requests_arrived(1)
    watch = services.engine.watch
    async with aclosing(watch.follow(stale)) as idle:  # it stays, and keeps the generation followed
        await anext(idle)
        model_server.release()
        await first
        async with asyncio.timeout(20), aclosing(watch.follow(stale)) as late:
            assert [progress.generation.status.value async for progress in late] == [
                "running",
                "succeeded",
            ]


async def test_what_is_paid_for_in_part_cannot_be_cancelled_and_so_not_retried(
    dead: DeadProcess, settings: Settings, model_server: ModelServer
) -> None:
    paid = dead.attempt(1, part=0, status=AttemptStatus.SUCCEEDED)
    await dead.leave(paid, n=2, status="queued", model="dall-e-3")
    async with open_services(settings) as services:  # which does not share in the work
        with pytest.raises(GenerationStateError, match="may be charged"):
            await services.generations.cancel(dead.guid)
        with pytest.raises(GenerationStateError):
            await services.generations.retry(dead.guid)


@pytest.mark.parametrize("code", ["generator-unavailable", "generator-busy"])
async def test_what_was_not_accepted_can_be_cancelled(
    dead: DeadProcess, settings: Settings, code: str
) -> None:
    status = AttemptStatus.UNSENT if code == "generator-unavailable" else AttemptStatus.FAILED
    await dead.leave(dead.attempt(1, status=status, error_code=code), status="queued")
    async with open_services(settings) as services:
        cancelled = await services.generations.cancel(dead.guid)
    assert cancelled.status is GenerationStatus.CANCELLED


@pytest.mark.slow
async def test_a_late_answer_wins_over_a_retry_that_failed(
    settings: Settings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()), ms.charge_then(ms.error(500)))
    async with open_services(settings.model_copy(update={"generation_timeout_s": 3.0})) as services:
        services.engine.start()
        ended = await end_of(services, (await submit(services)).guid)
        assert ended.status is GenerationStatus.UNKNOWN
        await services.generations.retry(ended.guid)
        ended = await end_of(services, ended.guid)
        assert ended.status is GenerationStatus.FAILED
        model_server.release()
        async with asyncio.timeout(20):
            while ended.status is not GenerationStatus.SUCCEEDED:
                await asyncio.sleep(0.02)
                ended = await services.generations.get_generation(ended.guid)
        assert ended.error is None
        assert len((await services.generations.images_of([ended.guid]))[ended.guid]) == 1
    assert model_server.posts == 2


async def test_a_server_that_answers_badly_is_there_all_the_same(
    settings: Settings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.charge_then(ms.error(500)))
    async with open_services(settings) as services:
        circuit = services.engine.circuit
        for _ in range(FAILURES_TO_OPEN - 1):
            circuit.failed()
        await end_of(services, (await submit(services)).guid)
        circuit.failed()
        assert not circuit.is_open


async def test_a_row_of_a_failure_says_when_it_was_not_accepted_to_the_end(
    settings: Settings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.rate_limited("9"))
    short = settings.model_copy(update={"generation_timeout_s": 1.0})
    async with open_services(short) as services:
        ended = await end_of(services, (await submit(services)).guid)
        assert ended.status is GenerationStatus.FAILED
        assert ended.error is not None
        assert ended.error.code == "generator-busy"
    down = short.model_copy(update={"openai_base_url": ms.unused_base_url()})
    async with open_services(down) as services:
        ended = await end_of(services, (await submit(services)).guid)
        assert ended.status is GenerationStatus.FAILED
        assert ended.error is not None
        assert ended.error.code == "generator-unavailable"


async def test_a_key_is_good_for_a_day_and_longer(
    services: Services, settings: Settings, model_server: ModelServer
) -> None:
    generation = await submit(services, "key-1")
    await end_of(services, generation.guid)
    database = open_database(settings.database_url, pool_size=1)
    day = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=25)
    async with database.open_context() as context:
        earlier = "UPDATE generations SET queued_at = :day, finished_at = :day"
        await context.execute(sa.text(earlier), {"day": day})
    await database.aclose()
    assert (await submit(services, "key-1")).guid == generation.guid
    assert model_server.posts == 1


async def test_a_file_that_no_row_knows_is_neither_served_nor_removed(
    settings: Settings, model_server: ModelServer
) -> None:
    guid = make_guid()
    store = FolderStore(settings.images, min_free_mb=0)
    store.open()
    await store.write(guid, ContentType.PNG, ms.png())
    store.close()
    async with open_client(settings) as client:
        await client.post("/image", json={"prompt": "a fox"})
        assert (await client.get(f"/image/{guid}/content")).status_code == 404
    assert bytes(await store.read(guid, ContentType.PNG)) == ms.png()


async def test_after_a_rest_callers_who_wait_may_try_the_server_again(
    services: Services, model_server: ModelServer
) -> None:
    circuit = services.engine.circuit
    for _ in range(FAILURES_TO_OPEN):
        circuit.failed()
    with pytest.raises(GeneratorUnavailableError):
        await services.generations.create_image(GenerationCreate(prompt="a fox"))
    circuit._next_try_at = 0.0  # the rest is over
    await services.generations.create_image(GenerationCreate(prompt="a fox"))
    assert not circuit.is_open


async def test_what_comes_while_the_service_drains_is_left_to_the_next_start(
    settings: Settings, model_server: ModelServer
) -> None:
    async with open_services(settings) as services:
        services.engine.start()
        services.engine.drain()
        queued = await submit(services)
        assert queued.status is GenerationStatus.QUEUED
        with pytest.raises(StillRunningError):
            await services.generations.create_image(GenerationCreate(prompt="a fox"))
    assert model_server.posts == 0
    async with open_services(settings) as services:
        services.engine.start()
        assert (await end_of(services, queued.guid)).status is GenerationStatus.SUCCEEDED


async def test_a_stop_waits_for_an_answer_that_is_late_already(
    settings: Settings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    stack = AsyncExitStack()
    short = settings.model_copy(update={"generation_timeout_s": 2.0})
    services = await stack.enter_async_context(open_services(short))
    ended = await end_of(services, (await submit(services)).guid)
    assert ended.status is GenerationStatus.UNKNOWN
    services.engine.drain()
    closing = asyncio.create_task(stack.aclose())
    await asyncio.sleep(0)
    model_server.release()
    await closing
    async with open_services(settings) as services:
        ended = await services.generations.get_generation(ended.guid)
    assert ended.status is GenerationStatus.SUCCEEDED


@pytest.mark.slow
async def test_a_late_answer_during_a_retry_leaves_the_retry_its_lease(
    settings: Settings, model_server: ModelServer
) -> None:
    late = ms.after_release(ms.image())

    async def break_off_when_told(exchange: ms.Exchange) -> None:
        await asyncio.to_thread(told.wait)
        await exchange.close()

    told = threading.Event()
    model_server.answer_with(late, break_off_when_told)
    async with open_services(settings.model_copy(update={"generation_timeout_s": 2.0})) as services:
        services.engine.start()
        ended = await end_of(services, (await submit(services)).guid)
        await services.generations.retry(ended.guid)
        await model_server.requests_arrived(2)
        model_server.release()
        async with asyncio.timeout(20):
            while not (await services.generations.images_of([ended.guid]))[ended.guid]:
                await asyncio.sleep(0.02)
        assert (await services.generations.get_generation(ended.guid)).status in {
            GenerationStatus.RUNNING,
            GenerationStatus.UNKNOWN,
        }
        told.set()
        async with asyncio.timeout(20):
            while ended.status is not GenerationStatus.SUCCEEDED:
                await asyncio.sleep(0.02)
                ended = await services.generations.get_generation(ended.guid)
        attempts = await attempts_of(services, ended.guid)
        assert attempts == [("succeeded", None), ("unknown", "generator-timeout")]


async def test_also_callers_who_did_not_wait_long_enough_fill_the_queue(
    settings: Settings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    small = settings.model_copy(
        update={"max_concurrent_generations": 1, "max_queued_generations": 1}
    )
    async with open_services(small) as services:
        services.engine.start()
        await submit(services)
        for _ in range(3):  # one that is queued, and two who may wait
            with pytest.raises(StillRunningError):
                await services.generations.create_image(
                    GenerationCreate(prompt="a fox"), wait_s=0.05
                )
        with pytest.raises(OverloadedError):
            await services.generations.create_image(GenerationCreate(prompt="a fox"), wait_s=0.05)
        model_server.release()


async def test_a_url_that_fails_for_longer_is_tried_on(
    services: Services, model_server: ModelServer
) -> None:
    outcomes = [ms.error(503)] * 4 + [ms.file(ms.png())]

    async def behave(exchange: ms.Exchange) -> None:
        await outcomes.pop(0)(exchange)

    model_server.answer_with(ms.item(url=model_server.serve_file("drawn.png", behave)))
    ended = await end_of(services, (await submit(services)).guid)
    assert ended.status is GenerationStatus.SUCCEEDED
    assert model_server.posts == 1


@pytest.mark.slow
async def test_while_a_late_part_is_kept_the_generation_runs_so_that_a_kill_is_settled(
    settings: Settings, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.image(), ms.after_release(ms.image()))
    async with open_services(settings.model_copy(update={"generation_timeout_s": 2.0})) as services:
        begun = await submit(services, n=2, model="dall-e-3")
        ended = await end_of(services, begun.guid)
        assert ended.status is GenerationStatus.SUCCEEDED
        assert ended.error is not None
        away = settings.images.rename(settings.images.with_name("away"))
        model_server.release()
        async with asyncio.timeout(20):
            while ended.status is not GenerationStatus.RUNNING:
                await asyncio.sleep(0.02)
                ended = await services.generations.get_generation(begun.guid)
        away.rename(settings.images)
        ended = await end_of(services, begun.guid)
        assert ended.status is GenerationStatus.SUCCEEDED
        assert ended.error is None
        assert len((await services.generations.images_of([begun.guid]))[begun.guid]) == 2

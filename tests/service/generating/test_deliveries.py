"""Who gets a generation that an earlier try began: one, and only what has reached nobody."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pixyproxy.core import make_guid
from pixyproxy.core.models import Attempt, AttemptStatus, Generation, GenerationStatus
from pixyproxy.data.init import Database
from pixyproxy.data.repositories.deliveries import DeliveryRepository
from pixyproxy.data.repositories.generations import GenerationRepository, Origin
from pixyproxy.service.generating import deliveries as module
from pixyproxy.service.generating.deliveries import Deliveries
from pixyproxy.service.generating.terms import ClientTry, Submitted

KEY, OTHER_KEY = "a" * 64, "b" * 64
RUNNING, FAILED = GenerationStatus.RUNNING, GenerationStatus.FAILED


def a_try(number: int = 1, **fields: Any) -> ClientTry:
    return ClientTry(**{"request_key": KEY, "number": number, **fields})


class Tries:
    """Generations in a database, and the tries of clients to have them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._generations = GenerationRepository(database.open_context)
        self.deliveries = Deliveries(DeliveryRepository(database.open_context), self._generations)

    async def begin(
        self,
        status: GenerationStatus = RUNNING,
        *,
        caller: str = "me",
        age_s: float = 0,
        attempt: AttemptStatus | None = None,
        error_code: str | None = None,
    ) -> Submitted:
        """Write down what a first try began."""
        now = datetime.now(UTC)
        generation = Generation(
            guid=make_guid(),
            status=status,
            prompt="a fox",
            model="m",
            parameters={},
            n=1,
            queued_at=now - timedelta(seconds=age_s),
        )
        origin = Origin(caller=caller, fingerprint="f" * 64, request_key=KEY)
        async with self._database.open_context() as context:
            assert await self._generations.create_generation(context, generation, origin)
            if attempt is not None:
                tried = Attempt(
                    generation_guid=generation.guid,
                    number=1,
                    part=0,
                    n=1,
                    status=attempt,
                    image_guids=(make_guid(),),
                    error_code=error_code,
                    sent_at=now,
                )
                await self._generations.create_attempt(context, tried)
        return Submitted(generation, replayed=False, is_tracked=True)

    async def deliver(self, submitted: Submitted, *, is_whole: bool) -> None:
        """Have an answer reach its caller, or not."""
        async with self.deliveries.delivering(submitted) as delivery:
            delivery.is_whole = is_whole

    async def begin_in_vain(self, *args: Any, **fields: Any) -> str:
        """Write down what a first try began whose caller has gone; return its GUID."""
        submitted = await self.begin(*args, **fields)
        await self.deliver(submitted, is_whole=False)
        return submitted.generation.guid

    async def adopt(self, number: int = 1, caller: str = "me", **fields: Any) -> Submitted | None:
        return await self.deliveries.adopt(caller, a_try(number, **fields))

    async def who_gets(self, number: int = 1, **fields: Any) -> str | None:
        """Return the GUID of what such a try gets."""
        adopted = await self.adopt(number, **fields)
        return adopted and adopted.generation.guid


@pytest.fixture
def tries(database: Database) -> Tries:
    return Tries(database)


async def test_a_second_try_gets_what_the_first_began(tries: Tries) -> None:
    guid = await tries.begin_in_vain()

    assert await tries.who_gets(0) is None
    assert await tries.who_gets(1, request_key=OTHER_KEY) is None
    assert await tries.who_gets(1, caller="another") is None
    assert await tries.who_gets(1) == guid
    assert await tries.who_gets(1) is None  # it is taken


async def test_what_the_first_has_left_goes_before_what_one_may_still_wait_for(
    tries: Tries,
) -> None:
    awaited = (await tries.begin()).generation.guid
    older = await tries.begin_in_vain()
    newer = await tries.begin_in_vain()
    newest_awaited = (await tries.begin()).generation.guid

    found = [await tries.who_gets() for _ in range(5)]

    assert found == [newer, older, newest_awaited, awaited, None]


async def test_what_was_delivered_is_nobodys(tries: Tries) -> None:
    first = await tries.begin(GenerationStatus.SUCCEEDED)
    await tries.deliver(first, is_whole=True)
    await tries.deliver(first, is_whole=False)  # known too late of an earlier try

    assert await tries.who_gets() is None


@pytest.mark.parametrize(
    ("status", "attempt", "error_code", "is_worth_it"),
    [
        (GenerationStatus.QUEUED, None, None, True),
        (GenerationStatus.SUCCEEDED, AttemptStatus.SUCCEEDED, None, True),
        (GenerationStatus.UNKNOWN, AttemptStatus.UNKNOWN, "generator-timeout", True),
        (GenerationStatus.REFUSED, AttemptStatus.REFUSED, "prompt-rejected", True),
        (FAILED, AttemptStatus.FAILED, "bad-generator-response", True),
        (FAILED, AttemptStatus.FAILED, "generator-unavailable", True),  # after a 5xx
        (FAILED, AttemptStatus.FAILED, "generator-busy", False),
        (FAILED, AttemptStatus.UNSENT, "generator-unavailable", False),
        (FAILED, None, "database-unavailable", False),
        (GenerationStatus.CANCELLED, None, None, False),
    ],
)
async def test_what_nothing_was_paid_for_is_tried_for_real(
    tries: Tries,
    status: GenerationStatus,
    attempt: AttemptStatus | None,
    error_code: str | None,
    is_worth_it: bool,
) -> None:
    guid = await tries.begin_in_vain(status, attempt=attempt, error_code=error_code)

    assert await tries.who_gets() == (guid if is_worth_it else None)


@pytest.mark.parametrize(
    ("age_s", "patience_s", "is_found"),
    [(890, 0, True), (910, 0, False), (1190, 600, True), (1210, 600, False)],
)
async def test_what_is_too_old_is_not_meant(
    tries: Tries, age_s: float, patience_s: float, is_found: bool
) -> None:
    guid = await tries.begin_in_vain(age_s=age_s)

    assert await tries.who_gets(patience_s=patience_s) == (guid if is_found else None)


async def test_a_try_that_goes_away_leaves_it_to_the_next(tries: Tries) -> None:
    first = await tries.begin()
    adopted = await tries.adopt(1)
    assert adopted is not None
    waiting = asyncio.create_task(tries.who_gets(2))
    await asyncio.sleep(0)
    async with tries.deliveries.delivering(adopted):
        assert not waiting.done()

    assert await waiting == first.generation.guid


async def test_a_third_try_begins_anew_where_the_second_was_another_clients(
    tries: Tries,
) -> None:
    await tries.begin()
    adopted = await tries.adopt(1)
    assert adopted is not None
    waiting = asyncio.create_task(tries.who_gets(2))
    async with tries.deliveries.delivering(adopted) as delivery:
        delivery.is_whole = True

    assert await waiting is None


async def test_a_try_whose_process_died_counts_as_gone(
    tries: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ADOPTED_FOR_S", 0.2)
    guid = await tries.begin_in_vain()

    assert await tries.who_gets(1) == guid
    assert await tries.who_gets(2) == guid


async def test_who_waits_long_still_has_it(tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADOPTED_FOR_S", 1)
    await tries.begin()
    adopted = await tries.adopt()
    assert adopted is not None
    async with tries.deliveries.delivering(adopted):
        await asyncio.sleep(1.5)
        assert await tries.who_gets() is None


async def test_of_many_at_once_each_gets_another(database: Database) -> None:
    tries = [Tries(database) for _ in range(4)]
    guids = {await tries[0].begin_in_vain() for _ in range(5)}

    found = await asyncio.gather(*(tries[index % 4].who_gets() for index in range(16)))

    assert sorted(guid for guid in found if guid) == sorted(guids)


async def test_what_is_not_tracked_is_left_alone(tries: Tries) -> None:
    submitted = await tries.begin()
    async with tries.deliveries.delivering(
        Submitted(submitted.generation, replayed=False)
    ) as delivery:
        delivery.is_whole = True

    assert await tries.who_gets() == submitted.generation.guid

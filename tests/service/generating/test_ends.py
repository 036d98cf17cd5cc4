"""Each way in which a generation ends passes one seam, and what hangs on it is called once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core.exceptions import DatabaseUnavailableError, StillRunningError
from pixyproxy.core.models import GenerationCreate
from pixyproxy.data.context import DatabaseContext
from pixyproxy.service.generating.ends import End
from pixyproxy.service.generating.terms import Terms
from pixyproxy.settings import Settings
from tests.conftest import MakeSettings
from tests.service.checking.test_fsck import Kept
from tests.support import model_server as ms
from tests.support.dead_process import DeadProcess
from tests.support.model_server import ModelServer

REQUEST = GenerationCreate(prompt="a fox", size="64x64")


class Listeners:
    """A listener of each kind, and what both were told."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.within: list[End] = []
        self.after: list[End] = []
        self._news = asyncio.Event()
        services.engine.ends.call_within_transaction(self._hear_within)
        services.engine.ends.call_after_commit(self._hear_after)

    async def _hear_within(self, context: DatabaseContext, end: End) -> None:
        (written,) = await self.services.engine.generations.get_generations(
            context, [end.generation.guid]
        )
        assert written.status is end.generation.status
        self.within.append(end)

    def _hear_after(self, end: End) -> None:
        self.after.append(end)
        self._news.set()

    async def hear(self, *statuses: str) -> None:
        """Wait for as many ends, and compare what was told of them."""
        async with asyncio.timeout(20):
            while len(self.after) < len(statuses):
                self._news.clear()
                await self._news.wait()
        assert [end.generation.status.value for end in self.after] == list(statuses)
        assert self.within == self.after


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str) -> Settings:
    return make_settings(database_url=database_url)


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[Listeners]:
    async with open_services(settings) as services:
        yield Listeners(services)


class FailingCommit:
    """Has one commit fail: before it is done, or after, so that nobody knows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_done: bool) -> None:
        commit = DatabaseContext.commit_transaction

        async def fail_once(context: DatabaseContext) -> None:
            if self.is_armed:
                self.is_armed = False
                if is_done:
                    await commit(context)
                raise DatabaseUnavailableError
            await commit(context)

        self.is_armed = False
        monkeypatch.setattr(DatabaseContext, "commit_transaction", fail_once)


async def test_a_run_ends(settings: Settings) -> None:
    async with listening(settings) as listeners:
        image = await listeners.services.generations.create_image(REQUEST)
        await listeners.hear("succeeded")
        assert listeners.after[0].images == (image,)


async def test_an_answer_is_late(
    make_settings: MakeSettings, database_url: str, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    settings = make_settings(
        database_url=database_url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
        generation_timeout_s=2,
    )
    async with listening(settings) as listeners:
        await listeners.services.generations.submit(GenerationCreate(prompt="a fox"), Terms())
        await listeners.hear("unknown")
        model_server.release()
        await listeners.hear("unknown", "succeeded")


async def test_a_dead_process_is_settled(settings: Settings) -> None:
    dead = DeadProcess(settings)
    await dead.leave(dead.attempt())
    async with listening(settings) as listeners:
        await listeners.services.engine.recovery.settle()
        await listeners.hear("unknown")
        assert listeners.after[0].images is None


async def test_a_queued_one_is_cancelled(settings: Settings) -> None:
    async with listening(settings) as listeners:
        generations = listeners.services.generations
        submitted = await generations.submit(REQUEST, Terms(), runs_here=False)
        await generations.cancel(submitted.generation.guid)
        await listeners.hear("cancelled")


@pytest.mark.parametrize("runs_here", [True, False])
async def test_a_submission_is_withdrawn(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, runs_here: bool
) -> None:
    commit = FailingCommit(monkeypatch, is_done=True)
    async with listening(settings) as listeners:
        commit.is_armed = True
        with pytest.raises(DatabaseUnavailableError):
            await listeners.services.generations.submit(REQUEST, Terms(), runs_here=runs_here)
        await listeners.hear("failed")


async def test_a_check_finds_an_image(settings: Settings) -> None:
    async with listening(settings) as listeners:
        kept = Kept(listeners.services, settings.database_url, settings.images)
        image = await kept.draw_without_row()
        kept.sql(
            f"UPDATE generations SET status = 'unknown' WHERE guid = '{image.generation_guid}'"
        )
        await kept.check(repair=True)
        await listeners.hear("succeeded", "succeeded")
        assert listeners.after[1].images is not None
        assert [found.guid for found in listeners.after[1].images] == [image.guid]


@pytest.mark.parametrize("is_done", [False, True])
async def test_a_commit_that_fails_is_told_once_it_has_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
) -> None:
    """Where it was done all the same, what was written within the transaction is not repeated."""
    commit = FailingCommit(monkeypatch, is_done=is_done)
    async with listening(settings) as listeners:

        async def arm(context: DatabaseContext, end: End) -> None:
            commit.is_armed = len(listeners.within) == 1
            assert not listeners.after

        listeners.services.engine.ends.call_within_transaction(arm)
        await listeners.services.generations.create_image(REQUEST)
        assert len(listeners.within) == (1 if is_done else 2)
        assert len(listeners.after) == 1


async def test_what_fails_within_the_transaction_undoes_the_end(settings: Settings) -> None:
    async with listening(settings) as listeners:
        generations = listeners.services.generations
        is_failing = True

        async def fail(context: DatabaseContext, end: End) -> None:
            if is_failing:
                raise DatabaseUnavailableError

        listeners.services.engine.ends.call_within_transaction(fail)
        submitted = await generations.submit(REQUEST, Terms(), runs_here=False)
        guid = submitted.generation.guid
        with pytest.raises(DatabaseUnavailableError):
            await generations.cancel(guid)
        assert await generations.get_generation(guid) == submitted.generation
        assert listeners.after == []
        is_failing = False
        await generations.cancel(guid)
        assert len(listeners.after) == 1


async def test_what_fails_after_the_commit_is_logged_and_harms_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_services(settings) as services:

        def fail(end: End) -> None:
            raise RuntimeError("a listener's fault")

        services.engine.ends.call_after_commit(fail)
        listeners = Listeners(services)
        image = await services.generations.create_image(REQUEST)
        assert await services.images.get_image(image.guid) == image
        await listeners.hear("succeeded")
    assert "a listener's fault" in caplog.text


async def test_what_was_not_ended_is_not_told(settings: Settings) -> None:
    async with listening(settings) as listeners:
        generations = listeners.services.generations
        submitted = await generations.submit(REQUEST, Terms(), is_waited_for=True, runs_here=False)
        with pytest.raises(StillRunningError):
            await generations.wait_for_image(submitted, 0.01)
        await listeners.hear()

"""Runs of service processes under load that are killed and started again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2

from tests.reliability.faults import locked_table
from tests.reliability.invariants import State
from tests.reliability.load import Load
from tests.support import model_server as ms
from tests.support.model_server import Behaviour, Exchange, ModelServer
from tests.support.servers import Service

SETTLED_WITHIN_S = 60
TIMEOUT_S = 2
LATE_S = 2 * TIMEOUT_S
"""How long after it was sent a call's answer is listened for."""


@dataclass
class Outcome:
    """What a run did and what it found."""

    seed: int
    kills: int = 0
    generations: int = 0
    faults: int = 0
    violations: list[str] = field(default_factory=list)


class UnreliableModelServer(ModelServer):
    """A model server that fails in every way now and then, in an order that a seed decides."""

    def __init__(self, ledger_file: Path | None = None) -> None:
        super().__init__(ledger_file=ledger_file)
        self.faults = 0

    def misbehave(self, seed: int) -> None:
        """Behave so from now on."""
        drawn = ms.image(ms.noise_png(50_000))
        failures = [
            (6, ms.charge_then(ms.error(500))),
            (3, ms.delayed(ms.charge_then(ms.error(503)), 0, 0.3)),
            (3, ms.error(500)),
            (5, ms.moderation_blocked()),
            (4, ms.rate_limited("0")),
            (4, ms.close()),
            (4, ms.cut_in_body()),
            (2, ms.html()),
            (2, ms.delayed(drawn, TIMEOUT_S, 1.5 * TIMEOUT_S)),
        ]
        counted = [(weight, self._counted(behaviour)) for weight, behaviour in failures]
        self.answer_with(ms.randomly(seed, (70, ms.delayed(drawn, 0, 0.4)), *counted))

    def serve_file(self, name: str, behaviour: Behaviour) -> str:
        """Answer late, so that there is time between an answer and its image."""
        return super().serve_file(name, ms.delayed(behaviour, 0, 0.3))

    def _counted(self, behaviour: Behaviour) -> Behaviour:
        async def behave(exchange: Exchange) -> None:
            self.faults += 1
            await behaviour(exchange)

        return behave


class Campaign:
    """Two service processes on one database and one folder, a model server, and many runs.

    Everything is in `folder`, for whoever looks for a fault.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        *,
        processes: int = 2,
        images: Path | None = None,
        **settings: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.images = images or folder / "images"
        self.database_url = database_url
        self._settings = {
            "max_concurrent_generations": 4,
            "lease_s": 1,
            "generation_timeout_s": TIMEOUT_S,
            **settings,
        }
        self.model = UnreliableModelServer(folder / "ledger.jsonl")
        self._processes = processes
        self._generations = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.model)
            self.services = [
                Service(
                    self.folder / f"service-{number}",
                    database_url=self.database_url,
                    images=self.images,
                    openai_base_url=self.model.base_url,
                    openai_api_key="sk-the-models-own-key",
                    **self._settings,
                )
                for number in range(self._processes)
            ]
            for service in self.services:
                stack.enter_context(service)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def run(self, seed: int) -> Outcome:
        """Kill one process or all of them at a random moment; start them again; compare."""
        choose = random.Random(seed)
        rounds = choose.choice([1, 1, 1, 2])

        async def kill_and_start(outcome: Outcome, _load: Load) -> None:
            for _ in range(rounds):
                await asyncio.sleep(choose.uniform(0.02, 0.8))
                victims = choose.sample(self.services, choose.randint(1, len(self.services)))
                with ExitStack() as stack:
                    if choose.random() < 0.5:  # more images then have their file and not their row
                        stack.enter_context(locked_table(self.database_url, "images"))
                        await asyncio.sleep(choose.uniform(0, 0.5))
                    for victim in victims:
                        victim.kill()
                outcome.kills += len(victims)
                await asyncio.gather(*(asyncio.to_thread(victim.start) for victim in victims))

        return await self.put_to_the_test(seed, kill_and_start)

    async def put_to_the_test(
        self, seed: int, do_harm: Callable[[Outcome, Load], Awaitable[None]]
    ) -> Outcome:
        """Do harm under load; then, once all is settled, tell what does not hold."""
        outcome = Outcome(seed)
        self.model.misbehave(seed)
        faults = self.model.faults
        load = Load([service.origin for service in self.services], seed)
        async with load.running():
            await do_harm(outcome, load)
        outcome.violations += await self._settled()
        await load.send_again()
        outcome.violations += await self._settled()
        outcome.violations += await load.find_violations()
        state = State.read(self.database_url, self.images, self.model.ledger)
        if state.find_violations():  # an answer may have come late, just then
            await asyncio.sleep(LATE_S)
            state = State.read(self.database_url, self.images, self.model.ledger)
        outcome.violations += state.find_violations()
        outcome.generations = len(state.generations) - self._generations
        self._generations = len(state.generations)
        outcome.faults = self.model.faults - faults + load.broken
        if outcome.violations:
            state.write(self.folder / "state.json")
            text = "\n".join(outcome.violations)
            (self.folder / "violations.txt").write_text(f"seed {seed}\n{text}\n")
        return outcome

    async def _settled(self) -> list[str]:
        """Wait until nothing is queued or running any more."""
        origin = self.services[0].origin
        async with httpx2.AsyncClient(base_url=origin, trust_env=False) as client:
            try:
                async with asyncio.timeout(SETTLED_WITHIN_S):
                    for status in ("queued", "running", "queued"):
                        while (await client.get("/generation", params={"status": status})).json():
                            await asyncio.sleep(0.02)
            except TimeoutError:
                return [f"(e) not settled within {SETTLED_WITHIN_S} s"]
        return []

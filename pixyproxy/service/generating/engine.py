"""The engine: everything that generates in one process, put together, started and stopped."""

import asyncio

from pixyproxy.core.tasks import end_tasks
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.generating.circuit import Circuit
from pixyproxy.service.generating.dependencies import Dependencies, Limits
from pixyproxy.service.generating.ends import Ends
from pixyproxy.service.generating.leasing import Leases
from pixyproxy.service.generating.recovery import Recovery
from pixyproxy.service.generating.state import ProcessState
from pixyproxy.service.generating.submission import Submission
from pixyproxy.service.generating.watch import GenerationWatch
from pixyproxy.service.generating.worker import Worker
from pixyproxy.service.keeping.keeper import ImageKeeper
from pixyproxy.service.providers import ImageProvider

KEEP_AT_STOP_S = 3.0
"""How long what is paid for is still tried to be kept when everything else has stopped."""


class GenerationEngine:
    """Submission, worker and recovery of one process, over one provider.

    Of the calls to the model `max_concurrent` are in flight; twice as many callers may wait for
    their turn, and more are refused. What is submitted without waiting is queued in the database,
    up to `max_queued`. A generation goes on when its caller goes away: what the model returns is
    kept all the same.
    """

    def __init__(
        self,
        repository: ImageRepositoryInterface,
        generations: GenerationRepository,
        *,
        provider: ImageProvider,
        keeper: ImageKeeper,
        limits: Limits,
    ) -> None:
        self._state = ProcessState(limits.max_concurrent)
        self.repository = repository
        self.generations = generations
        self.provider = provider
        self.ends = Ends(generations)
        self.watch = GenerationWatch(generations, self._state.runs.__contains__)
        self._keeper = keeper
        dependencies = Dependencies(
            repository=repository,
            generations=generations,
            keeper=keeper,
            provider=provider,
            leases=Leases(generations, lease_s=limits.lease_s),
            ends=self.ends,
            watch=self.watch,
        )
        self.submission = Submission(dependencies, limits, self._state)
        self.worker = Worker(dependencies, limits, self._state)
        self.recovery = Recovery(dependencies, limits, self._state)
        self._background: list[asyncio.Task[None]] = []

    @property
    def circuit(self) -> Circuit:
        """The circuit to the model's server."""
        return self._state.circuit

    def wake(self) -> None:
        """Have the worker look for work now: something was queued."""
        self._state.wake()

    def stop_waiting(self, guid: str) -> None:
        """Note that no caller of this process waits for a generation any more."""
        self._state.waiting.pop(guid, None)

    def start(self) -> None:
        """Begin to share in the work that is queued, and to settle what dead processes left."""
        self._background = [
            asyncio.create_task(self.worker.work()),
            asyncio.create_task(self.recovery.watch()),
        ]

    def drain(self) -> None:
        """Take up nothing that is queued: the service is to stop. It is left to the next start."""
        self._state.draining.set()
        self.watch.stop()

    def give_up_drawing(self) -> None:
        """Stop waiting for the model. Callers get a GeneratorTimeoutError."""
        self.drain()
        self._state.give_up()

    async def aclose(self) -> None:
        """End what runs: at once, or when `give_up_drawing` is called where it drains already."""
        state = self._state
        if not state.draining.is_set():
            self.give_up_drawing()
        await end_tasks(self._background)
        if state.at_work:
            ended = asyncio.create_task(asyncio.wait(state.at_work))
            await state.wait_for(ended)
            ended.cancel()
        state.give_up()
        if state.at_work:
            _, unkept = await asyncio.wait(state.at_work, timeout=KEEP_AT_STOP_S)
            await end_tasks(unkept)
        await self.watch.aclose()
        await self.provider.aclose()
        await self._keeper.aclose()

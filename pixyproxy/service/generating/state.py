"""What this process is doing at present, and whether it is to stop."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from pixyproxy.service.generating.circuit import Circuit

logger = logging.getLogger(__name__)


class ProcessState:
    """The state that submission, worker, recovery and their runs share. Nothing of it is stored."""

    def __init__(self, max_concurrent: int) -> None:
        self.circuit = Circuit()
        self.slots = asyncio.Semaphore(max_concurrent)
        """A call holds one from before it is sent until its images are kept."""
        self.runs: dict[str, asyncio.Task[None]] = {}
        """The generations that this process runs, by GUID."""
        self.late: set[asyncio.Task[None]] = set()
        """What listens for answers that did not come in time, or keeps what they bring."""
        self.waiting: dict[str, bool] = {}
        """The queued generations that a caller of this process waits for; True: they are written
        down."""
        self.has_more = False
        """Generations were queued when last looked for."""
        self.work_came = asyncio.Event()
        self.draining = asyncio.Event()
        """Set when the service is to stop: nothing queued is taken up, nothing is tried again."""
        self.has_given_up = False
        """Whether the service has stopped waiting for the model."""
        self._giving_up: asyncio.Future[None] | None = None

    @property
    def may_begin(self) -> bool:
        """Whether another call to the model may be begun now."""
        return not (self.draining.is_set() or self.slots.locked() or self.circuit.wait_s)

    @property
    def at_work(self) -> list[asyncio.Task[None]]:
        """All tasks that may still keep what is paid for."""
        return [*self.runs.values(), *self.late]

    def wake(self) -> None:
        """Have the worker look for work now: something was queued, or a slot is free."""
        self.work_came.set()

    def free_slot(self) -> None:
        """Give back a slot that was taken for nothing."""
        self.slots.release()
        self.wake()

    def launch(self, guid: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have a generation run of which this process has the lease."""

        def ended(task: asyncio.Task[None]) -> None:
            if self.runs.get(guid) is task:
                del self.runs[guid]
            if not task.cancelled() and (error := task.exception()):
                logger.error("the run of %s failed unforeseen", guid, exc_info=error)
            if self.has_more or self.waiting:
                self.wake()

        task = self.runs[guid] = asyncio.create_task(work)
        task.add_done_callback(ended)
        return task

    def launch_late(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done that goes on after its run, and that a stop waits for."""
        task = asyncio.create_task(work)
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    async def wait_for(self, task: asyncio.Task[Any], timeout_s: float | None = None) -> None:
        """Wait until the task is done, at most `timeout_s`, and until the service gives up."""
        if self._giving_up is None:
            self._giving_up = asyncio.get_running_loop().create_future()
        if not self.has_given_up:
            await asyncio.wait(
                (task, self._giving_up), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )

    def give_up(self) -> None:
        """End all waiting by `wait_for`, now and later."""
        self.has_given_up = True
        if self._giving_up is not None and not self._giving_up.done():
            self._giving_up.set_result(None)

"""Tasks: ending those that run in the background."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, again_s: float = 1) -> None:
    """Cancel the tasks until all of them have ended.

    Once is not enough: what a task awaits may lose a cancellation that comes just when it is
    done, as `asyncio.wait_for` does before Python 3.12.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)

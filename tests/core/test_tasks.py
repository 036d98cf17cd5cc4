"""Ending tasks in the background."""

import asyncio

from pixyproxy.core.tasks import end_tasks


async def test_tasks_are_ended_though_one_swallows_its_cancellation() -> None:
    async def stubborn() -> None:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        await asyncio.Event().wait()

    async def done() -> None:
        pass

    tasks = [asyncio.create_task(work) for work in (stubborn(), stubborn(), done())]
    await asyncio.sleep(0)
    await end_tasks(tasks, again_s=0.01)
    assert [task.done() for task in tasks] == [True, True, True]

"""A signal ends the work of an event loop as a cancellation, wherever the main thread is."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from jobs.trakt.ingest.interruption import run_until_signal
from shared.errors import Stopped
from shared.step.guard import signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", ["task", "callback"])
def test_a_signal_cancels_all_tasks_and_is_raised_once_they_have_ended(number, place):
    ended = []

    async def waits(name: str) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    async def stops() -> None:
        if place == "task":
            os.kill(os.getpid(), number)
        else:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await asyncio.sleep(30)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for name in "ab":
                group.create_task(waits(name))
            group.create_task(stops())

    with signals():
        before = signal.getsignal(number)
        with pytest.raises(Stopped) as raised:
            run_until_signal(work())
        assert signal.getsignal(number) is before
    assert (raised.value.signum, sorted(ended)) == (number, ["a", "b"])


def test_an_error_of_the_work_is_raised_as_it_is():
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("wrong")

    with signals(), pytest.raises(ValueError, match="wrong"):
        run_until_signal(work())
    with pytest.raises(ValueError, match="wrong"):
        run_until_signal(work())

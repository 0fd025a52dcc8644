"""Run a coroutine until it ends or a signal interrupts it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING, Final, NoReturn

from shared.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType

__all__ = ["run_until_signal"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run_until_signal(work: Coroutine[object, object, None]) -> None:
    """Run a coroutine as asyncio.run does; the first signal cancels it, the second ends the process.

    The signal handlers of a command raise an exception wherever the main thread happens to be. In a callback of the
    event loop, the exception would be logged and lost; in a task, it would be one error among others. A cancelled task,
    by contrast, ends at the point where it waits, and closes everything that it has opened.

    Args:
        work: the coroutine.

    Raises:
        Stopped: a signal interrupted it.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    if threading.current_thread() is not threading.main_thread() or before[signal.SIGTERM] is signal.SIG_DFL:
        # Not a command: the caller handles signals.
        asyncio.run(work)
        return
    caught: list[int] = []

    def exit_now(signum: int, _: FrameType | None) -> NoReturn:
        os._exit(128 + signum)

    async def body() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def first(signum: int, _: FrameType | None) -> None:
            caught.append(signum)
            for number in _SIGNALS:
                signal.signal(number, exit_now)
            loop.call_soon_threadsafe(task.cancel)

        for number in _SIGNALS:
            signal.signal(number, first)
        await work

    try:
        asyncio.run(body())
    except BaseException as error:
        if caught:
            raise Stopped(caught[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

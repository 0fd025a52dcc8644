"""Threads that may be left behind: the process ends without those that still wait for a store."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Threads(Generic[_In, _Out]):
    """A pool for one function. Python waits at its end for every thread of a ThreadPoolExecutor, and for none of these.

    Args:
        work: called in the threads.
        count: threads.
    """

    def __init__(self, work: Callable[[_In], _Out], count: int) -> None:
        self._work = work
        self._queue: SimpleQueue[tuple[_In, Future[_Out]] | None] = SimpleQueue()
        self._left = threading.Event()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._run, name=f"reader_{number}", daemon=True).start()

    def submit(self, value: _In) -> Future[_Out]:
        """Have one value worked on, in the order in which they are given."""
        future: Future[_Out] = Future()
        self._queue.put((value, future))
        return future

    def leave(self) -> None:
        """Begin nothing more; what was begun goes on, and nobody waits for it."""
        self._left.set()
        for _ in range(self._count):
            self._queue.put(None)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None and not self._left.is_set():
            value, future = job
            try:
                future.set_result(self._work(value))
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)

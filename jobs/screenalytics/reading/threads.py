"""Threads that may be left behind: the process ends without those that still wait for a store."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]

_T = TypeVar("_T")
_P = ParamSpec("_P")


class Threads(Executor):
    """A pool of threads. Python waits at its end for every thread of a ThreadPoolExecutor, and for none of these.

    Args:
        count: threads.
    """

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._left: Final = threading.Event()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._run, name=f"reader_{number}", daemon=True).start()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have something called, in the order in which it is given."""
        future: Future[_T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)

        self._queue.put(call)
        return future

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Begin nothing more; what was begun goes on, and nobody waits for it."""
        self._left.set()
        for _number in range(self._count):
            self._queue.put(None)

    def _run(self) -> None:
        while (call := self._queue.get()) is not None and not self._left.is_set():
            call()

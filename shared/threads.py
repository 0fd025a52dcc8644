"""A thread pool that does not delay the exit of the process, and quicker turns of threads."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Threads", "frequent_switches"]

_T = TypeVar("_T")
_P = ParamSpec("_P")


_INTERVAL_S: Final = 0.0002
_lock = threading.Lock()
_usual: list[float] = []
"""The interval before the first of the present users of :func:`frequent_switches`, once for each of them."""


@contextmanager
def frequent_switches() -> Iterator[None]:
    """Let a thread that computes yield to others after 0.2 ms instead of 5.

    A thread that sends rows to a database waits that long for its turn after every block.
    """
    with _lock:
        _usual.append(_usual[0] if _usual else sys.getswitchinterval())
        sys.setswitchinterval(_INTERVAL_S)
    try:
        yield
    finally:
        with _lock:
            interval = _usual.pop()
            if not _usual:
                sys.setswitchinterval(interval)


class Threads(Executor):
    """A pool of daemon threads. Python waits at exit for the threads of a ThreadPoolExecutor, but not for these.

    Args:
        count: number of threads.
    """

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._stopped: Final = threading.Event()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._run, name=f"reader_{number}", daemon=True).start()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Schedule a call; calls start in the order they are submitted."""
        future: Future[_T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised again by Future.result
                future.set_exception(error)

        self._queue.put(call)
        return future

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Start no further calls, without waiting for those that are running."""
        self._stopped.set()
        for _number in range(self._count):
            self._queue.put(None)

    def _run(self) -> None:
        while (call := self._queue.get()) is not None and not self._stopped.is_set():
            call()

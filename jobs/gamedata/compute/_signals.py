"""Deferral of signals during calls into Ray, and during the start and end of worker processes."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["deferred_signals"]


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Defer SIGINT and SIGTERM until the block ends.

    If a handler raised between the start of a worker process and its registration, nothing would end that process. If
    one raises while Ray's C++ code waits, Ray turns the exception into a SystemError (Ray 2.60, CoreWorker.wait). Also,
    ray.init replaces our SIGTERM handler. A second signal is delivered immediately.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    deferred: list[int] = []

    def defer(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if deferred and callable(handler):
            handler(number, frame)
        deferred.append(number)

    for number in before:
        signal.signal(number, defer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if deferred:
            signal.raise_signal(deferred[0])

"""Signals around calls into Ray."""

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
    """Keep a signal until the block ends.

    A handler that raises while Ray's C++ waits gives a SystemError instead (Ray 2.60, CoreWorker.wait), and ray.init
    puts a SIGTERM handler of its own in the place of ours. A second signal of an impatient person goes through.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    kept: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if kept and callable(handler):
            handler(number, frame)
        kept.append(number)

    for number in before:
        signal.signal(number, keep)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if kept:
            signal.raise_signal(kept[0])

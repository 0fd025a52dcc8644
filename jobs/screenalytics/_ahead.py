"""Candidates read side by side, a few ahead, and handed on in their order."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

    from jobs.screenalytics.arrival import Candidate
    from jobs.screenalytics.take import Read

__all__ = ["Clock", "ahead"]


class Clock:
    """Seconds of the thread that writes, by what it waited for.

    Attributes:
        list: for events and pages of the listing.
        read: for bytes.
    """

    def __init__(self) -> None:
        self.list = 0.0
        self.read = 0.0


def ahead(
    candidates: Iterable[Candidate], read: Callable[[Candidate], Read], readers: int, clock: Clock
) -> Generator[tuple[Candidate, Read], None, None]:
    """Yield each candidate with what was read of it.

    Args:
        candidates: asked for in this thread, as far ahead as two for each reader.
        read: called in other threads; raises nothing.
        readers: threads.
        clock: gets the seconds.
    """
    waiting: deque[tuple[Candidate, Future[Read]]] = deque()

    def first() -> tuple[Candidate, Read]:
        began = time.monotonic()
        candidate, future = waiting.popleft()
        done = future.result()
        clock.read += time.monotonic() - began
        return candidate, done

    pool = ThreadPoolExecutor(readers, thread_name_prefix="reader")
    try:
        source = iter(candidates)
        while True:
            began = time.monotonic()
            candidate = next(source, None)
            clock.list += time.monotonic() - began
            if candidate is None:
                break
            waiting.append((candidate, pool.submit(read, candidate)))
            if len(waiting) > 2 * readers:
                yield first()
        while waiting:
            yield first()
    except BaseException:
        # A read may hang on the store for a minute; the ledger hears of a stop before that.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()

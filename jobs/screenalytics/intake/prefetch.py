"""Prefetch candidates, take them in order; end the step if the credentials or the store fail for too many of them."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.intake.retry_policy import ENDS_THE_STAGE
from shared.errors import StoreUnavailable
from shared.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.intake.decision import IntakeResult
    from jobs.screenalytics.intake.taker import Taker
    from jobs.screenalytics.intake.tally import IntakeTally
    from jobs.screenalytics.reading.candidate import ReadResult
    from shared.failure import Failure
    from shared.ledger import StageRun

__all__ = ["WaitTimes", "prefetch", "record_failure", "take_all"]

_LOG: Final = logging.getLogger(__name__)
# If more manifests than this are refused before any is readable, no more are requested.
_MAX_REFUSED: Final = 20
# The store is considered down after this many consecutive runs without an answer, each after all its retries.
_MAX_UNAVAILABLE: Final = 10


class WaitTimes:
    """Time that the writing thread spent waiting, in seconds.

    Attributes:
        list: waiting for events and for pages of the listing.
        read: waiting for bytes.
    """

    def __init__(self) -> None:
        self.list = 0.0
        self.read = 0.0


def prefetch(
    candidates: Iterable[Candidate], read: Callable[[Candidate], ReadResult], readers: int, waits: WaitTimes
) -> Generator[tuple[Candidate, ReadResult], None, None]:
    """Yield each candidate with the result of reading it.

    Args:
        candidates: candidates; iterated in this thread, at most two per reader ahead.
        read: function that reads a candidate; called in other threads, must not raise.
        readers: number of threads.
        waits: receives the seconds spent waiting.
    """
    pending: deque[tuple[Candidate, Future[ReadResult]]] = deque()

    def first() -> tuple[Candidate, ReadResult]:
        began = time.monotonic()
        candidate, future = pending.popleft()
        result = future.result()
        waits.read += time.monotonic() - began
        return candidate, result

    pool = Threads(readers)
    try:
        source = iter(candidates)
        while True:
            began = time.monotonic()
            candidate = next(source, None)
            waits.list += time.monotonic() - began
            if candidate is None:
                break
            pending.append((candidate, pool.submit(read, candidate)))
            if len(pending) > 2 * readers:
                yield first()
        while pending:
            yield first()
    finally:
        # A read may wait for the store for minutes, so do not wait for it.
        pool.shutdown()


def take_all(
    candidates: Iterable[Candidate],
    taker: Taker,
    tally: IntakeTally,
    stage_run: StageRun,
    *,
    readers: int,
    waits: WaitTimes,
    undecided: list[tuple[Candidate, ReadResult]] | None = None,
    last: bool = True,
) -> Iterator[IntakeResult]:
    """Take candidates in order, and yield each result after it is counted and recorded.

    Args:
        candidates: candidates of one source.
        taker: reads, decides and writes.
        tally: counts the results. If the stage cannot continue, its ``ended`` is set and nothing more is yielded.
        stage_run: receives failures and progress.
        readers: number of reading threads.
        waits: receives the seconds spent waiting.
        undecided: refused manifests carried over from earlier candidates.
        last: True if no more candidates follow; if False, undecided manifests stay in ``undecided``.

    Raises:
        ConfigurationError: see :meth:`Taker.take`.
    """
    progress = stage_run.progress
    unavailable = 0
    with closing(prefetch(candidates, taker.read, readers, waits)) as pairs:
        for candidate, read in _decided(pairs, taker, [] if undecided is None else undecided, last=last):
            result = taker.take(candidate, read)
            tally.add(result)
            # The total is not known until the listing ends.
            progress.total = max(progress.total, progress.done + 1)
            progress.advance(**{result.outcome: 1})
            if result.failure is not None:
                record_failure(stage_run, result.failure)
            unavailable = unavailable + 1 if isinstance(result.error, StoreUnavailable) else 0
            if isinstance(result.error, ENDS_THE_STAGE) or unavailable >= _MAX_UNAVAILABLE:
                tally.ended = True
                return
            yield result


def _decided(
    pairs: Iterable[tuple[Candidate, ReadResult]],
    taker: Taker,
    undecided: list[tuple[Candidate, ReadResult]],
    *,
    last: bool,
) -> Iterator[tuple[Candidate, ReadResult]]:
    """Yield pairs, but hold back refused manifests until another object is readable, which clears the store."""
    for candidate, read in pairs:
        if not taker.is_undecided(read):
            yield candidate, read
        else:
            undecided.append((candidate, read))
            if len(undecided) > _MAX_REFUSED and not taker.find_readable(undecided):
                yield undecided[0]
                return
        # The taker may have found a readable manifest by now.
        if undecided and not taker.is_undecided(undecided[0][1]):
            yield from undecided
            undecided.clear()
    if undecided and last:
        yield from undecided if taker.find_readable(undecided) else undecided[:1]


def record_failure(stage_run: StageRun, failure: Failure) -> None:
    """Log a failure and record it in the ledger."""
    _LOG.warning("%s: %s: %s", failure.item, failure.code, failure.message, extra={"item": failure.item})
    stage_run.record_errors([failure])

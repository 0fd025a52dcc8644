"""Candidates read side by side, a few ahead, and taken one after the other in their order."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.intake.taker import ENDS_THE_STAGE
from jobs.screenalytics.reading.threads import Threads
from shared.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.intake.taker import Read, Taken, Taker
    from jobs.screenalytics.intake.tally import Tally
    from shared.failure import Failure
    from shared.ledger import StageRun

__all__ = ["Clock", "ahead", "record", "take_all"]

_LOG: Final = logging.getLogger(__name__)
# So many refused manifests with none that can be read, and the rest is not asked for.
_REFUSED_AT_MOST: Final = 20
# So many runs in a row for which the store had no answer, each after all its retries, and it is taken to be down.
_SILENT_AT_MOST: Final = 10


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

    pool = Threads(readers)
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
    finally:
        # A read may hang on the store for minutes: a stop waits for none.
        pool.shutdown()


def take_all(
    candidates: Iterable[Candidate],
    taker: Taker,
    tally: Tally,
    stage_run: StageRun,
    *,
    readers: int,
    clock: Clock,
    held: list[tuple[Candidate, Read]] | None = None,
    last: bool = True,
) -> Iterator[Taken]:
    """Take candidates in their order; each is counted and recorded before it is yielded.

    Args:
        candidates: of one source.
        taker: reads and writes them.
        tally: counts them; learns when the stage cannot go on, and nothing more is yielded.
        stage_run: gets failures and progress.
        readers: threads that read.
        clock: gets the seconds.
        held: refused manifests of candidates before these.
        last: False leaves those in ``held`` that only candidates after these can judge.

    Raises:
        ConfigurationError: see :meth:`Taker.take`.
    """
    progress = stage_run.progress
    silent = 0
    with closing(ahead(candidates, taker.read, readers, clock)) as pairs:
        for candidate, read in _judged(pairs, taker, [] if held is None else held, last=last):
            taken = taker.take(candidate, read)
            tally.add(taken)
            # How many there are is known when the listing ends.
            progress.total = max(progress.total, progress.done + 1)
            progress.advance(**{taken.outcome: 1})
            if taken.failure is not None:
                record(stage_run, taken.failure)
            silent = silent + 1 if isinstance(taken.error, StoreUnavailable) else 0
            if isinstance(taken.error, ENDS_THE_STAGE) or silent >= _SILENT_AT_MOST:
                tally.ended = True
                return
            yield taken


def _judged(
    pairs: Iterable[tuple[Candidate, Read]], taker: Taker, held: list[tuple[Candidate, Read]], *, last: bool
) -> Iterator[tuple[Candidate, Read]]:
    """Keep refused manifests back until one can be read: then they are those runs' trouble, else that of all."""
    for candidate, read in pairs:
        if not taker.is_undecided(read):
            yield candidate, read
        else:
            held.append((candidate, read))
            if len(held) > _REFUSED_AT_MOST and not taker.finds_readable():
                yield held[0]
                return
        # Whoever took it knows now whether it could be read.
        if held and not taker.is_undecided(held[0][1]):
            yield from held
            held.clear()
    if held and last:
        yield from held if taker.finds_readable() else held[:1]


def record(stage_run: StageRun, failure: Failure) -> None:
    """Tell log and ledger of a failure."""
    _LOG.warning("%s: %s: %s", failure.item, failure.code, failure.message, extra={"item": failure.item})
    stage_run.record_errors([failure])

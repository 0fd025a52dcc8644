"""What a store did: calls, bytes, latencies; small enough to travel from every worker to the report."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Call", "StoreMetrics"]

# Latencies are counted in classes that grow by 2^(1/8) from 10 µs: a percentile is right to about 5 %, 240 classes
# reach past three hours, and unlike a sample of latencies, counts of several processes add up exactly.
_SMALLEST_S: Final = 1e-5
_PER_OCTAVE: Final = 8
_LAST: Final = 239
_SUMS: Final = ("calls", "errors", "retries", "bytes_read", "bytes_written", "seconds")


class Call:
    """One call of a store while it runs; the store adds what it sees.

    Attributes:
        bytes_read: body bytes that came in.
        bytes_written: body bytes that went out.
        retries: attempts after the first.
        failed: the call ended with an error.
        idle_s: seconds in which a stream's consumer was at work, which are not the store's.
    """

    __slots__ = ("bytes_read", "bytes_written", "failed", "idle_s", "retries")

    def __init__(self) -> None:
        self.bytes_read = 0
        self.bytes_written = 0
        self.retries = 0
        self.failed = False
        self.idle_s = 0.0

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Leave the time within the block out: a stream yields in it."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.idle_s += time.perf_counter() - began


class StoreMetrics:
    """Counts the calls of one store; safe between threads.

    A call is what the program waits for: one page of a listing, one range, one put, with its retries and waits inside.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, float] = dict.fromkeys(_SUMS, 0)
        self._latency: dict[int, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreMetrics, ()

    @contextmanager
    def call(self) -> Iterator[Call]:
        """Time one call; an exception that leaves the block is counted as an error."""
        call = Call()
        began = time.perf_counter()
        try:
            yield call
        except GeneratorExit:  # a stream that its reader left early
            raise
        except BaseException:
            call.failed = True
            raise
        finally:
            self.record(call, time.perf_counter() - began - call.idle_s)

    def record(self, call: Call, seconds: float) -> None:
        """Add one finished call.

        Args:
            call: what the store saw.
            seconds: wall time from the first attempt to the end of the body.
        """
        place = min(_LAST, max(0, math.ceil(_PER_OCTAVE * math.log2(max(seconds, _SMALLEST_S) / _SMALLEST_S))))
        with self._lock:
            self._sums["calls"] += 1
            self._sums["errors"] += call.failed
            self._sums["retries"] += call.retries
            self._sums["bytes_read"] += call.bytes_read
            self._sums["bytes_written"] += call.bytes_written
            self._sums["seconds"] += seconds
            self._latency[place] = self._latency.get(place, 0) + 1

    def snapshot(self, *, reset: bool = False) -> dict[str, Any]:
        """Return everything counted so far as plain JSON values.

        Args:
            reset: begin again at zero, so that the next snapshot holds only what came after this one.

        Returns:
            ``calls``, ``errors``, ``retries``, ``bytes_read``, ``bytes_written``, ``seconds``, ``p50_s``, ``p95_s``
            (0.0 without calls) and ``latency``, the counts that :meth:`merge` adds up.
        """
        with self._lock:
            sums, latency = dict(self._sums), dict(self._latency)
            if reset:
                self._sums = dict.fromkeys(_SUMS, 0)
                self._latency = {}
        whole = {name: value if name == "seconds" else int(value) for name, value in sums.items()}
        return {
            **whole,
            "p50_s": _percentile(latency, 0.50),
            "p95_s": _percentile(latency, 0.95),
            "latency": {str(place): count for place, count in sorted(latency.items())},
        }

    def merge(self, *snapshots: Mapping[str, Any]) -> StoreMetrics:
        """Add what other stores or other processes counted; returns itself.

        Args:
            snapshots: results of :meth:`snapshot`, also after a way through JSON.
        """
        with self._lock:
            for snapshot in snapshots:
                for name in _SUMS:
                    self._sums[name] += snapshot[name]
                for place, count in snapshot["latency"].items():
                    self._latency[int(place)] = self._latency.get(int(place), 0) + count
        return self


def _percentile(latency: Mapping[int, int], share: float) -> float:
    """Seconds below which a share of the calls lies: the middle of the class that holds it (nearest rank)."""
    left = math.ceil(share * sum(latency.values()))
    for place in sorted(latency):
        left -= latency[place]
        if left <= 0:
            return float(_SMALLEST_S * 2 ** ((place - 0.5) / _PER_OCTAVE))
    return 0.0

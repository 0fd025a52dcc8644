"""Counters of a store: calls, bytes, latencies; small enough to send from every worker to the report."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Call", "StoreMetrics"]

# Latencies are counted in buckets that grow by 2^(1/8) from 10 µs: a percentile is accurate to about 5 %, 240 buckets
# reach beyond three hours, and unlike samples, the counts of several processes can be added exactly.
_SMALLEST_S: Final = 1e-5
_PER_OCTAVE: Final = 8
_LAST: Final = 239
_SUMS: Final = ("calls", "errors", "retries", "bytes_read", "bytes_written", "seconds")


class Call:
    """One call of a store in progress; the store updates it.

    Attributes:
        bytes_read: body bytes received.
        bytes_written: body bytes sent.
        retries: attempts after the first.
        failed: the call ended with an error.
        idle_s: seconds in which a stream's consumer was working, which do not count as the store's.
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
        """Exclude the time within the block; a stream yields in it."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.idle_s += time.perf_counter() - started


class StoreMetrics:
    """Counts the calls of one store; thread-safe.

    A call is one thing the program waits for, including its retries and waits: one page of a listing, one range, one
    put.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, float] = dict.fromkeys(_SUMS, 0)
        self._latency: dict[int, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreMetrics, ()

    @contextmanager
    def call(self) -> Iterator[Call]:
        """Time one call; an exception that leaves the block counts as an error."""
        call = Call()
        started = time.perf_counter()
        try:
            yield call
        except GeneratorExit:  # the consumer stopped reading a stream early
            raise
        except BaseException:
            call.failed = True
            raise
        finally:
            self.record(call, time.perf_counter() - started - call.idle_s)

    def record(self, call: Call, seconds: float) -> None:
        """Add one finished call.

        Args:
            call: the counters of the call.
            seconds: wall time from the first attempt to the end of the body.
        """
        bucket = min(_LAST, max(0, math.ceil(_PER_OCTAVE * math.log2(max(seconds, _SMALLEST_S) / _SMALLEST_S))))
        with self._lock:
            self._sums["calls"] += 1
            self._sums["errors"] += call.failed
            self._sums["retries"] += call.retries
            self._sums["bytes_read"] += call.bytes_read
            self._sums["bytes_written"] += call.bytes_written
            self._sums["seconds"] += seconds
            self._latency[bucket] = self._latency.get(bucket, 0) + 1

    def snapshot(self, *, reset: bool = False) -> dict[str, Any]:
        """Return all counts so far as plain JSON values.

        Args:
            reset: start over at zero, so that the next snapshot contains only what comes after this one.

        Returns:
            ``calls``, ``errors``, ``retries``, ``bytes_read``, ``bytes_written``, ``seconds``, ``p50_s``, ``p95_s``
            (0.0 without calls) and ``latency``, the counts that :meth:`merge` adds.
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
            "latency": {str(bucket): count for bucket, count in sorted(latency.items())},
        }

    def merge(self, *snapshots: Mapping[str, Any]) -> StoreMetrics:
        """Add the counts of other stores or processes; returns itself.

        Args:
            snapshots: results of :meth:`snapshot`, including those parsed from JSON.
        """
        with self._lock:
            for snapshot in snapshots:
                for name in _SUMS:
                    self._sums[name] += snapshot[name]
                for bucket, count in snapshot["latency"].items():
                    self._latency[int(bucket)] = self._latency.get(int(bucket), 0) + count
        return self


def _percentile(latency: Mapping[int, int], share: float) -> float:
    """Return a percentile of the latencies in seconds: the middle of the bucket that contains it (nearest rank)."""
    remaining = math.ceil(share * sum(latency.values()))
    for bucket in sorted(latency):
        remaining -= latency[bucket]
        if remaining <= 0:
            return float(_SMALLEST_S * 2 ** ((bucket - 0.5) / _PER_OCTAVE))
    return 0.0

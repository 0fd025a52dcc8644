"""Collect extract's results; build its report: what limited the run (network, CPU, queue), and the slowest TARs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.gamedata.extraction.passed_over import passed_over_table
from jobs.gamedata.extraction.resume import QUARANTINE_CODES
from shared.failure import Failure
from shared.report import Histogram, Part, Report, Section, Shares, Table
from shared.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.gamedata.extraction.batches import BatchResult, ItemResult
    from jobs.gamedata.extraction.worklist import Worklist
    from shared.report import Bound

__all__ = ["ExtractTally", "failure_of"]

# If workers are busy for less than this share of the time, there is too little work ("queue").
_BUSY_MIN: Final = 0.5
# If they wait for the store for more than this share of their work, the store is the bottleneck ("network").
_STORE_MAX: Final = 0.5
_SLOWEST: Final = 10
_MB: Final = 1e6
# Minimum worker time in seconds for the report to name a bottleneck.
_BOUND_MIN_S: Final = 1.0
_TIMES: Final = (
    Part("reading and decoding", "blue-2"),
    Part("waiting for the store", "amber"),
    Part("waiting for a TAR", "light-gray"),
)


def failure_of(result: ItemResult) -> Failure:
    """Return the ledger entry of a failed item."""
    item = result.item
    return Failure(
        item.key, result.code or "internal", result.message or "", result.retryable, item.attempt, item.etag or None
    )


@dataclass(slots=True)
class ExtractTally:
    """The results that a run has produced so far.

    Attributes:
        worklist: the run's worklist.
        workers: number of workers.
        kind: what they are; see :class:`jobs.gamedata.compute.pool.Pool`.
        items: results, including failures.
        durations: duration of each phase in seconds.
    """

    worklist: Worklist
    workers: int = 0
    kind: str = ""
    items: list[ItemResult] = field(default_factory=list)
    durations: dict[str, float] = field(default_factory=dict)
    _metrics: list[dict[str, Any]] = field(default_factory=list)
    _busy: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _tars: Counter[str] = field(default_factory=Counter)
    # worker -> its group in the Ray cluster and its device
    _locations: dict[str, tuple[str | None, str]] = field(default_factory=dict)

    def add(self, result: BatchResult) -> None:
        """Add the results of a batch."""
        self.items += result.items
        self._metrics += result.metrics
        self._busy[result.worker] += result.seconds
        self._tars[result.worker] += len(result.items)
        self._locations[result.worker] = (result.group, result.device)

    def report(self, *, max_failed: int | None) -> Report:
        """Build the report."""
        worklist = self.worklist
        succeeded = [result for result in self.items if result.code is None]
        failures = [failure_of(result) for result in self.items if result.code is not None]
        failed = [*failures, *worklist.failed_before]
        # A second crash quarantines the TAR, so only the first is retried.
        transient = sum(
            each.retryable and (each.attempt == 1 or each.code not in QUARANTINE_CODES) for each in failures
        )
        judgement = verdict(len(failed), len(succeeded) + len(failed) + worklist.done, max_failed, transient=transient)
        bound, reason = self._bound()
        optional = {
            "failed_before": len(worklist.failed_before),
            "quarantined": worklist.quarantined,
            "left_out": worklist.left_out,
            "passed_over": len(worklist.passed_over),
            "repeated_samples": sum(result.repeated for result in succeeded),
        }
        report = Report(
            status=judgement.status,
            exit_code=judgement.exit_code,
            headline=self._headline(len(succeeded), len(failures)),
            counts={
                "extracted": len(succeeded),
                "failed": len(failures),
                "done_before": worklist.done,
                **{name: count for name, count in optional.items() if count},
                "samples": sum(result.sampled for result in succeeded),
                "frames_decoded": sum(result.decoded for result in succeeded),
                **self._workers(),
            },
            bytes={
                "source": sum(result.item.size for result in self.items),
                "read": sum(result.bytes_read for result in self.items),
                "written": sum(result.bytes_written for result in self.items),
            },
            rejects=dict(sorted(Counter(failure.code for failure in failed).items())),
            rates=self._rates(succeeded),
            bound=bound,
            bound_reason=reason,
            failures=failed,
            durations={name: round(seconds, 3) for name, seconds in self.durations.items()},
            sections=list(self._sections(succeeded)),
        )
        hidden = {"repeated_samples", *self._workers()}
        report.tiles = tuple(name for name in report.counts if name not in hidden)
        return report

    def _workers(self) -> dict[str, int]:
        """Return the number of workers by kind; on a Ray cluster, those of TARs and pods instead."""
        return self._cluster() or ({self.kind: self.workers} if self.kind else {})

    def _cluster(self) -> dict[str, int]:
        """Count TARs per worker group and device, and the pods; empty outside a Ray cluster."""
        counts: Counter[str] = Counter()
        pods = set()
        for worker, (group, device) in self._locations.items():
            if group is not None:
                counts[f"group_{group}"] += self._tars[worker]
                counts[f"device_{device}"] += self._tars[worker]
                pods.add(_pod(worker))
        return {**dict(sorted(counts.items())), "pods": len(pods)} if pods else {}

    def _headline(self, succeeded: int, failed: int) -> str:
        worklist = self.worklist
        words = {
            "extracted": succeeded,
            "failed": failed,
            "done before": worklist.done,
            "failed before": len(worklist.failed_before),
        }
        total = sum(words.values())
        shown = [f"{count:,} {word}" for word, count in words.items() if count or word == "extracted"]
        return f"{total:,} {'TAR' if total == 1 else 'TARs'}: {', '.join(shown)}"

    def _rates(self, succeeded: Sequence[ItemResult]) -> dict[str, float]:
        wall = self.durations.get("extract", 0.0)
        if not self.items or not wall:
            return {}
        from shared.storage import StoreMetrics

        store = StoreMetrics().merge(*self._metrics).snapshot()
        cpu_s = [result.cpu_s for result in self.items if result.cpu_s is not None]
        return {
            "items_per_s": round(len(self.items) / wall, 3),
            "video_s_per_s": round(sum(result.duration_s for result in succeeded) / wall, 1),
            "mb_per_s": round(sum(result.bytes_read for result in self.items) / _MB / wall, 2),
            "store_p95_s": round(store["p95_s"], 4),
            "worker_busy_share": round(self._busy_share(), 4),
            "cpu_s_per_item": round(sum(cpu_s) / len(cpu_s), 3) if cpu_s else 0.0,
        }

    def _busy_share(self) -> float:
        wall = self.durations.get("extract", 0.0)
        return min(1.0, sum(self._busy.values()) / (wall * self.workers)) if wall and self.workers else 0.0

    def _bound(self) -> tuple[Bound | None, str]:
        worked = sum(result.seconds for result in self.items)
        if worked < _BOUND_MIN_S:
            return None, ""
        busy = self._busy_share()
        store = sum(result.store_s for result in self.items) / worked
        busy_text, store_text = f"{100 * busy:.0f} %", f"{100 * store:.0f} %"
        if busy < _BUSY_MIN:
            return "queue", f"workers were busy {busy_text} of the time; there was too little work for {self.workers}"
        if store > _STORE_MAX:
            return "network", f"workers spent {store_text} of their time waiting for the store"
        return "cpu", f"workers were busy {busy_text} of the time, {store_text} of it waiting for the store"

    def _sections(self, succeeded: Sequence[ItemResult]) -> Iterable[Section]:
        if self.worklist.passed_over:
            yield passed_over_table(self.worklist.passed_over)
        if not self.items:
            return
        failed = len(self.items) - len(succeeded)
        if succeeded:
            # A TAR that fails is abandoned after its first bytes, so it would look like a fast one.
            note = f"Only TARs that were extracted; {failed:,} failed." if failed else ""
            yield Histogram.of("Seconds per TAR", "s", [result.seconds for result in succeeded], note)
        yield self._times()
        yield self._readers(succeeded)
        slowest = sorted(self.items, key=lambda result: -result.seconds)[:_SLOWEST]
        yield Table(
            "Slowest TARs",
            ["TAR", "seconds", "store s", "MB", "MB read", "decoded", "reader", "error"],
            [
                [
                    result.item.key,
                    round(result.seconds, 3),
                    round(result.store_s, 3),
                    round(result.item.size / _MB, 1),
                    round(result.bytes_read / _MB, 1),
                    result.decoded,
                    result.reader,
                    result.code,
                ]
                for result in slowest
            ],
            note="store s: seconds spent waiting for the store; decoded: frames decoded.",
            total=len(self.items),
        )
        yield Table(
            "Workers",
            ["worker", "group", "device", "TARs", "busy s"],
            [
                [name, *self._locations[name], self._tars[name], round(seconds, 1)]
                for name, seconds in sorted(self._busy.items())
            ],
        )
        if self._cluster():
            per_pod: Counter[tuple[str, str | None, str]] = Counter()
            for worker, location in self._locations.items():
                per_pod[_pod(worker), *location] += self._tars[worker]
            yield Table(
                "Pods", ["pod", "group", "device", "TARs"], [[*pod, n] for pod, n in sorted(per_pod.items(), key=str)]
            )

    def _times(self) -> Shares:
        """Return how the workers spent their time, which shows what limited the run."""
        busy = sum(self._busy.values())
        store = min(busy, sum(result.store_s for result in self.items))
        idle = self.durations.get("extract", 0.0) * self.workers - busy
        seconds = [round(max(each, 0.0), 3) for each in (busy - store, store, idle)]
        return Shares(
            "Worker time",
            "s",
            _TIMES,
            [(f"{self.workers:,} {'worker' if self.workers == 1 else 'workers'}", seconds)],
            note="Summed over all workers.",
        )

    def _readers(self, succeeded: Sequence[ItemResult]) -> Table:
        rows: list[list[Any]] = []
        for name in sorted({result.reader or "" for result in succeeded}):
            read = [result for result in succeeded if (result.reader or "") == name]
            video = sum(result.duration_s for result in read)
            seconds = sum(result.seconds for result in read)
            rows.append([
                name,
                len(read),
                round(video),
                round(sum(result.item.size for result in read) / _MB, 1),
                round(sum(result.bytes_read for result in read) / _MB, 1),
                sum(result.decoded for result in read),
                round(seconds / len(read), 2),
            ])  # fmt: skip
        return Table(
            "Readers",
            ["reader", "TARs", "video s", "MB", "MB read", "decoded", "s / TAR"],
            rows,
            note="ranges: fetches only the GOPs that it needs; ffmpeg: reads containers that the frame planner cannot.",
        )


def _pod(worker: str) -> str:
    # `host:pid`; inside a pod the host name is the name of the pod.
    return worker.rpartition(":")[0]

"""Split the TARs of a run into batches of at most 64 TARs and ``--batch-mb``; each becomes one part.

A worker processes one batch at a time and commits it as one part.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.model import SamplingSpec

__all__ = ["Batch", "BatchResult", "Item", "ItemResult", "RunContext", "make_batches"]

# Batches per worker if there are enough items; the small ones at the end even out the load.
_PER_WORKER: Final = 4
# Maximum items per batch. A SIGKILL loses the uncommitted batch: 64 sessions are about 20 s of decoding.
_MAX_ITEMS: Final = 64
# Fixed cost of a TAR (headers, moov, some 29 keyframes), expressed in bytes, so that small TARs are spread evenly too.
_ITEM_COST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """One TAR to read.

    Attributes:
        key: object key in the source.
        size: size in bytes.
        etag: ETag as listed; reads of any other content fail.
        attempt: 1 plus the number of failed attempts at this content.
    """

    key: str
    size: int
    etag: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that a worker processes together, sorted by key.

    Attributes:
        number: position in the run, starting at 0; the largest batch comes first.
        items: one or more items.
    """

    number: int
    items: tuple[Item, ...]

    @property
    def size(self) -> int:
        """Total size in bytes."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The values shared by all items of a run.

    Attributes:
        spec: frames to sample.
        store: write ``.pt`` files.
        run_id: run id of the rows.
        generation: generation of the rows; see :func:`jobs.gamedata.parts.store.next_generation`.
        version: version of telecine.
        revision: git commit; None if unknown.
        device: device that computes the statistics: ``cpu`` or ``cuda``; ``auto`` until a worker resolves it.
    """

    spec: SamplingSpec
    store: bool
    run_id: str
    generation: int
    version: str
    revision: str | None = None
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The result of one item as sent to the driver, without frames and statistics.

    Attributes:
        item: the TAR.
        code: error code; None on success.
        message: error message; None on success.
        retryable: True if another attempt may succeed.
        seconds: wall-clock time.
        store_s: part of it spent waiting for a store.
        bytes_read: bytes read from the source.
        bytes_written: size of the ``.pt`` file.
        cpu_s: CPU time of the worker and its decoder process; None if unknown.
        duration_s: duration of the video; 0 if unknown.
        sampled: number of samples.
        repeated: number of samples that share a frame with another one of their stride.
        decoded: number of frames the decoder produced.
        reader: ``ranges`` or ``ffmpeg``; None on failure.
    """

    item: Item
    code: str | None
    message: str | None
    retryable: bool
    seconds: float
    store_s: float
    bytes_read: int
    bytes_written: int
    cpu_s: float | None = None
    duration_s: float = 0.0
    sampled: int = 0
    repeated: int = 0
    decoded: int = 0
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A committed batch.

    Attributes:
        number: number of the batch.
        part: key of the part that commits it.
        items: results in the order of the batch.
        worker: ``host:pid``.
        seconds: wall-clock time.
        metrics: store metrics since the worker's previous batch.
        device: device that computed the statistics.
        group: worker group of the pod; None outside a Ray cluster.
    """

    number: int
    part: str
    items: tuple[ItemResult, ...]
    worker: str
    seconds: float
    metrics: tuple[dict[str, Any], ...]
    device: str = ""
    group: str | None = None


def make_batches(items: Sequence[Item], *, max_bytes: int, workers: int) -> list[Batch]:
    """Split items into batches of about equal size.

    Items are assigned in descending order of size to the smallest batch so far (longest processing time first: within
    4/3 of the optimum, Graham 1969). The result does not depend on the order of the items.

    Args:
        items: items with distinct keys.
        max_bytes: maximum size of a batch of several items.
        workers: number of workers, 1 or more; each gets four batches if there are enough items.

    Returns:
        Batches in descending order of size.
    """
    if not items:
        return []
    ordered = sorted(items, key=lambda item: (-item.size, item.key))
    total = sum(item.size for item in items)
    count = max(
        -(-total // max_bytes),
        min(_PER_WORKER * workers, len(items)),
        -(-len(items) // _MAX_ITEMS),
    )
    while True:
        count = min(count, len(items))
        bins = _share(ordered, count)
        excess = sum(_too_large(group, max_bytes) for group in bins)
        if not excess:
            break
        count += excess
    bins.sort(key=lambda group: (-sum(item.size for item in group), group[0].key))
    return [Batch(number, tuple(sorted(group, key=lambda item: item.key))) for number, group in enumerate(bins)]


def _share(ordered: Sequence[Item], count: int) -> list[list[Item]]:
    bins: list[list[Item]] = [[] for _ in range(count)]
    heap = [(0, position) for position in range(count)]
    for item in ordered:
        cost, position = heap[0]
        bins[position].append(item)
        heapq.heapreplace(heap, (cost + item.size + _ITEM_COST, position))
    return bins


def _too_large(group: Sequence[Item], max_bytes: int) -> bool:
    return len(group) > 1 and (len(group) > _MAX_ITEMS or sum(item.size for item in group) > max_bytes)

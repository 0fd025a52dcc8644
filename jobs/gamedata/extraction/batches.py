"""Shares the TARs of a run out into batches: the unit that a worker takes, and that one part commits."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.model import SamplingSpec

__all__ = ["Batch", "BatchResult", "Item", "ItemResult", "Task", "make_batches"]

# So many batches per worker, where there are items enough: the last ones even out what the first took.
_PER_WORKER: Final = 4
# A SIGKILL loses a batch's uncommitted part: 64 sessions are some 20 s of decoding.
_MAX_ITEMS: Final = 64
# What a TAR costs beside its bytes (headers, moov, some 29 keyframes), in bytes: 64 empty ones are a batch as well.
_ITEM_COST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """One TAR to read.

    Attributes:
        key: its key in the source.
        size: bytes.
        etag: the content that was listed; a read of another one fails.
        attempt: 1, or one more than the failed attempts at this content.
    """

    key: str
    size: int
    etag: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one worker takes at a time, in the order of their keys.

    Attributes:
        number: position in the run, from 0: the largest batch first.
        items: at least one.
    """

    number: int
    items: tuple[Item, ...]

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True, slots=True)
class Task:
    """What is the same for all items of a run.

    Attributes:
        spec: which frames.
        store: whether ``.pt`` files are written.
        run_id: for the rows.
        generation: for the rows, see :func:`jobs.gamedata.parts.store.next_generation`.
        version: of telecine.
        revision: commit, where it is known.
        device: where the statistics are computed: ``cpu`` or ``cuda``.
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
    """What the driver hears of one item: no frames, no statistics.

    Attributes:
        item: the TAR.
        code: None, or the error's.
        message: None, or the error's.
        retryable: whether trying again may help.
        seconds: wall clock.
        store_s: of that, waiting for a store.
        cpu_s: CPU time of the worker and its decoder process; None when it is not known.
        bytes_read: from the source.
        bytes_written: of the ``.pt``.
        duration_s: of the video, 0 when unknown.
        sampled: samples.
        repeated: samples that share a frame within a stride.
        decoded: frames that the decoder put out.
        reader: ``ranges`` or ``ffmpeg``; None for an error.
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
        number: the batch's.
        part: key of its part.
        items: in the order of the batch.
        worker: ``host:pid``.
        seconds: wall clock.
        metrics: snapshots of the stores since the last batch of this worker.
        device: where the statistics were computed.
        group: of the worker's pod in a Ray cluster.
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
    """Share items out so that batches are about equally large.

    The largest item goes to the emptiest batch first (longest processing time: within 4/3 of the best split, Graham
    1969). The result depends on the items and not on their order.

    Args:
        items: distinct keys.
        max_bytes: no batch is larger, unless it is one item.
        workers: at least 1; there are four batches for each, as far as the items go.

    Returns:
        Batches, the largest first.
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
        excess = sum(_too_large(held, max_bytes) for held in bins)
        if not excess:
            break
        count += excess
    bins.sort(key=lambda held: (-sum(item.size for item in held), held[0].key))
    return [Batch(number, tuple(sorted(held, key=lambda item: item.key))) for number, held in enumerate(bins)]


def _share(ordered: Sequence[Item], count: int) -> list[list[Item]]:
    bins: list[list[Item]] = [[] for _ in range(count)]
    heap = [(0, position) for position in range(count)]
    for item in ordered:
        cost, position = heap[0]
        bins[position].append(item)
        heapq.heapreplace(heap, (cost + item.size + _ITEM_COST, position))
    return bins


def _too_large(held: Sequence[Item], max_bytes: int) -> bool:
    return len(held) > 1 and (len(held) > _MAX_ITEMS or sum(item.size for item in held) > max_bytes)

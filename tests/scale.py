"""A run's plan over very many keys, in a process whose memory can be measured.

.. code-block:: text

    python -m tests.scale commit FOLDER COUNT         parts that commit COUNT TARs
    python -m tests.scale plan FOLDER LISTED COMMITTED    prints peak_mb, cpu_s, items, done, batches
    python -m tests.scale growth FOLDER COUNTS...   prints the bytes that each further committed TAR takes
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pyarrow as pa

from jobs.gamedata.extraction import resume
from jobs.gamedata.extraction.batches import make_batches
from jobs.gamedata.extraction.worklist import make_worklist
from jobs.gamedata.parts import current
from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.parts.store import rewrite_part
from jobs.gamedata.settings import ExtractSettings
from shared.storage import FileStore, ObjectInfo
from tests.fakes.parts import part_row

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHEN = datetime(2026, 1, 1, tzinfo=UTC)
_PART_ROWS = 16384
# Rows of a part, and those converted at a time, where only what remains of each counts.
SMALL = 256
_WORKERS = 100


class ManyTars:
    """A bucket of so many TARs, which can only be listed."""

    uri = "s3://many"

    def __init__(self, count: int) -> None:
        self._count = count

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for number in range(self._count):
            yield ObjectInfo(f"{_name(number)}.tar", 180_000_000 + number % 20_000_000, _etag(number), _WHEN)


class ManyPts(FileStore):
    """A folder with parts, and so many ``.pt`` files that are only listed."""

    def __init__(self, root: str, count: int) -> None:
        super().__init__(root)
        self._count = count

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from super().list(prefix)
        if not prefix:
            for number in range(self._count):
                yield ObjectInfo(f"{_name(number)}.pt", 20_000_000 + number, _etag(number), _WHEN)


def commit(folder: str, count: int, *, rows: int = _PART_ROWS) -> None:
    """Write parts of ``rows`` each for the first ``count`` TARs."""
    store = FileStore(folder)
    store.make_root()
    row = part_row("", spec_digest=ExtractSettings().spec().digest, stored=True, pt_sha256="0" * 64)
    one = pa.Table.from_pylist([row], schema=PART_SCHEMA)
    for start in range(0, count, rows):
        numbers = range(start, min(start + rows, count))
        table = one.take(pa.array(np.zeros(len(numbers), np.int64)))
        for name, values in {
            "s3_key": [f"{_name(number)}.tar" for number in numbers],
            "source_etag": [_etag(number) for number in numbers],
            "pt_key": [f"{_name(number)}.pt" for number in numbers],
            "pt_size": [20_000_000 + number for number in numbers],
            "pt_etag": [_etag(number) for number in numbers],
        }.items():
            field = PART_SCHEMA.field(name)
            table = table.set_column(PART_SCHEMA.get_field_index(name), field, pa.array(values, field.type))
        rewrite_part(store, table)


def plan(folder: str, listed: int, committed: int) -> dict[str, float]:
    """List, compare and share out; the peak is that of the whole process."""
    start = time.process_time()
    settings = ExtractSettings(source_bucket="s3://many", manifest_bucket=folder)
    found = make_worklist(settings, ManyTars(listed), ManyPts(folder, committed))
    batches = make_batches(found.items, max_bytes=settings.batch_mb * 1_000_000, workers=_WORKERS)
    return {
        "cpu_s": time.process_time() - start,
        "peak_mb": int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6,
        "items": len(found.items),
        "done": found.done,
        "batches": len(batches),
    }


def growth(folder: str, *counts: int) -> dict[str, float]:
    """Return the bytes of Python and of Arrow at the peak, for each committed TAR between the last two counts.

    Both count what is asked of them, so equal code gives equal numbers. What is read or converted at a time is so
    small here that it does not count.

    Args:
        folder: holds a folder with parts for each count.
        counts: in ascending order, as Arrow's peak is that of the process; the first plan imports.
    """
    peaks = []
    with mock.patch.object(resume, "_AT_ONCE", SMALL), mock.patch.object(current, "_LISTED_AT_ONCE", SMALL):
        for count in counts:
            tracemalloc.start()
            found = plan(f"{folder}/{count}", count, count)
            assert (found["done"], found["items"]) == (count, 0)
            peaks.append((tracemalloc.get_traced_memory()[1], pa.default_memory_pool().max_memory()))
            tracemalloc.stop()
    more = counts[-1] - counts[-2]
    python, arrow = ((many - few) / more for few, many in zip(*peaks[-2:], strict=True))
    return {"python": python, "arrow": arrow}


def _name(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def _etag(number: int) -> str:
    return f"{number:032x}"


if __name__ == "__main__":
    action, folder, *counts = sys.argv[1:]
    if action == "commit":
        commit(folder, int(counts[0]))
    else:
        print(json.dumps({"plan": plan, "growth": growth}[action](folder, *map(int, counts))))

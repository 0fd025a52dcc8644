"""Compaction: merge small files of the table into larger ones without changing a row."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.data_files import DataFiles, open_parquet
from jobs.trakt.bronze.live_files import live_files
from jobs.trakt.bronze.rewrite import remove_action
from jobs.trakt.bronze.table import commit_files, open_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltalake.transaction import AddAction, RemoveAction

    from jobs.trakt.bronze.live_files import LiveFile
    from jobs.trakt.bronze.place import BronzePlace

__all__ = ["CompactionReport", "compact", "read_p95"]

_APP: Final = "telecine trakt compaction"
# Files below this size are merged; a full file is twice as large.
_SMALL: Final = 32 * 2**20
_ROWS: Final = 8_192
# Reads of the same files differ little, and a table of a year of loads takes a second to read.
_READS: Final = 20
_READ_SECONDS: Final = 3.0
_READ_COLUMNS: Final = ("comment_id", "payload_sha256", "observed_at")


@dataclass(slots=True)
class CompactionReport:
    """The result of a compaction.

    Attributes:
        version: version of the table afterwards; -1 if there is no table.
        files_before: live files before.
        files_after: live files after.
        bytes_before: total size of the live files before.
        bytes_after: total size of the live files after.
        p95_before_s: 95th percentile of the time to read ids, hashes and times of all comments before.
        p95_after_s: the same percentile after.
        reads: number of reads behind each percentile.
    """

    version: int = -1
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    p95_before_s: float = 0.0
    p95_after_s: float = 0.0
    reads: int = 0


def compact(place: BronzePlace, *, dry_run: bool = False) -> CompactionReport:
    """Merge the small files of each kind in one commit. The caller holds the lock.

    Args:
        place: the table.
        dry_run: only measure the current files.

    Raises:
        TransientError: the store failed, or another writer ignores the lock.
    """
    table = open_table(place)
    if table is None:
        return CompactionReport()
    base = table.version()
    before = live_files(place, table)
    report = CompactionReport(base, len(before), len(before), _size(before), _size(before))
    report.p95_before_s, report.reads = read_p95(place, before)
    report.p95_after_s = report.p95_before_s
    small = [file for file in before if file.size < _SMALL]
    groups = [(kind, list(files)) for kind, files in groupby(small, key=lambda file: file.kind)]
    groups = [(kind, files) for kind, files in groups if len(files) > 1]
    if dry_run or not groups:
        return report
    actions: list[AddAction | RemoveAction] = []
    for kind, files in groups:
        actions += _joined(place, kind, files, f"joined-{base + 1}")
        actions += [remove_action(file, changes_data=False) for file in files]
    report.version = commit_files(place, actions, base=base, app=_APP, number=base + 1, metadata={"compaction": True})
    after = live_files(place, open_table(place))
    report.files_after, report.bytes_after = len(after), _size(after)
    report.p95_after_s, _ = read_p95(place, after)
    return report


def read_p95(place: BronzePlace, files: Sequence[LiveFile]) -> tuple[float, int]:
    """Return the 95th percentile of the seconds that it takes to read the comments' ids, and the number of reads.

    Args:
        place: the table.
        files: its live files.
    """
    comments = [file for file in files if file.kind == "comment"]
    took: list[float] = []
    while comments and len(took) < _READS and (sum(took) < _READ_SECONDS or not took):
        began = time.perf_counter()
        for file in comments:
            with open_parquet(place.store, file.key, file.size) as parquet:
                for _ in parquet.iter_batches(columns=list(_READ_COLUMNS)):
                    pass
        took.append(time.perf_counter() - began)
    if not took:
        return 0.0, 0
    took.sort()
    # Nearest rank: the smallest time that 95 % of the reads do not exceed.
    return took[max(0, -(-95 * len(took) // 100) - 1)], len(took)


def _joined(place: BronzePlace, kind: str, files: Sequence[LiveFile], stem: str) -> list[AddAction]:
    with ExitStack() as stack:
        made = DataFiles(place.store, kind, stem)
        stack.callback(made.close)
        for file in files:
            with open_parquet(place.store, file.key, file.size) as parquet:
                for batch in parquet.iter_batches(batch_size=_ROWS):
                    made.add(batch)
        return [dataclasses.replace(action, data_change=False) for action in made.finish()]


def _size(files: Sequence[LiveFile]) -> int:
    return sum(file.size for file in files)

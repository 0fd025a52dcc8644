"""What the parts say of each TAR, in the order of keys, for buckets of a million: columns, never a dict a row.

A million committed TARs are a million rows and a million listed ``.pt`` files. As Python objects they take 2.3 GB, as
Arrow columns 0.4 GB.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.gamedata.errors import CRASH_CODES
from jobs.gamedata.parts.store import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from jobs.gamedata.extraction.batches import Item
    from jobs.gamedata.settings import ExtractSettings
    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["TWICE", "Decision", "History", "match_listing"]

_COLUMNS: Final = (
    "s3_key", "source_etag", "spec_digest", "generation", "attempt", "outcome", "error_code", "error_message",
    "error_retryable", "stored", "pt_key", "pt_size", "pt_etag",
)  # fmt: skip
# A bug may be the machine's fault as well; it is tried twice like a crash.
TWICE: Final = CRASH_CODES | {"internal"}
# Rows, or listed objects, that are Python objects at a time: some MB.
_AT_ONCE: Final = 8192

Decision = Literal["todo", "done", "failed_before", "left_out"]


class History:
    """All rows of the parts; asked about TARs in the order of their keys.

    Args:
        settings: what is asked for.
        target: the bucket with the parts and the ``.pt`` files.
    """

    def __init__(self, settings: ExtractSettings, target: ObjectStore) -> None:
        self._settings = settings
        self._digest = settings.spec().digest
        rows = read_rows(target, _COLUMNS)
        present = match_listing(rows, target.list()) if len(rows) else np.zeros(0, np.bool_)
        rows = rows.append_column("match", pa.array(present)).drop_columns(["pt_key", "pt_size", "pt_etag"])
        self._groups = groupby(_in_order(rows), key=lambda row: row["s3_key"])
        self._key, self._rows = self._next()

    def decide(self, item: Item) -> tuple[Decision, int, dict[str, Any]]:
        """Give the decision, the number of the next attempt, and the row that led to it.

        Args:
            item: its key is not before that of the last one.
        """
        rows = self._of(item.key)
        same = [row for row in rows if row["source_etag"] == item.etag and row["spec_digest"] == self._digest]
        failures = _since_success(same)
        attempt = failures[-1]["attempt"] + 1 if failures else 1
        if self._settings.only_failed:
            failed = bool(rows) and rows[-1]["outcome"] == "error"
            return "todo" if failed else "left_out", attempt, {}
        if not self._settings.skip_existing:
            return "todo", attempt, {}
        if any(self._holds(row) for row in same):
            return "done", attempt, {}
        # One that is listed is there again.
        if failures and _final(failures) and not (item.etag and failures[-1]["error_code"] == "tar_missing"):
            return "failed_before", attempt, failures[-1]
        return "todo", attempt, {}

    def _holds(self, row: dict[str, Any]) -> bool:
        # Statistics without a .pt are enough only for those who ask for no .pt.
        return row["outcome"] == "ok" and (row["match"] or not (row["stored"] or self._settings.store))

    def _of(self, key: str) -> list[dict[str, Any]]:
        while self._key is not None and self._key < key:
            self._key, self._rows = self._next()
        return self._rows if self._key == key else []

    def _next(self) -> tuple[str | None, list[dict[str, Any]]]:
        for key, rows in self._groups:
            return key, list(rows)
        return None, []


def match_listing(rows: pa.Table, listing: Iterable[ObjectInfo]) -> npt.NDArray[np.bool_]:
    """Say for each row whether its ``.pt`` is listed as it was written; as :func:`jobs.gamedata.parts.store.matches`.

    Args:
        rows: with ``stored``, ``pt_key``, ``pt_size`` and ``pt_etag``; R of them.
        listing: of the whole bucket; walked once, not held.

    Returns:
        Shape (R,).
    """
    chunks: dict[str, list[pa.Array]] = {"key": [], "size": [], "etag": []}
    held: list[ObjectInfo] = []

    def pack() -> None:
        chunks["key"].append(pa.array([info.key for info in held], pa.string()))
        chunks["size"].append(pa.array([info.size for info in held], pa.int64()))
        chunks["etag"].append(pa.array([info.etag for info in held], pa.string()))
        held.clear()

    for info in listing:
        if info.key.endswith(".pt"):
            held.append(info)
            if len(held) == _AT_ONCE:
                pack()
    pack()
    keys, sizes, etags = (
        pa.chunked_array(chunks[name], kind)
        for name, kind in (("key", pa.string()), ("size", pa.int64()), ("etag", pa.string()))
    )
    if not len(keys):
        return np.zeros(len(rows), np.bool_)
    place = pc.index_in(rows["pt_key"], value_set=keys, skip_nulls=True)
    found = pc.and_kleene(
        pc.and_kleene(rows["stored"], pc.equal(pc.take(sizes, place), rows["pt_size"])),
        pc.equal(pc.take(etags, place), rows["pt_etag"]),
    )
    result: npt.NDArray[np.bool_] = pc.fill_null(found, False).to_numpy().astype(np.bool_)
    return result


def _in_order(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield rows by key, the oldest first. Arrow orders UTF-8 by bytes, which is Python's order of strings."""
    sortable = rows.select(["s3_key", "generation", "outcome", "attempt"])  # error < ok
    order = pc.sort_indices(sortable, sort_keys=[(name, "ascending") for name in sortable.column_names])
    for start in range(0, len(order), _AT_ONCE):
        yield from rows.take(order[start : start + _AT_ONCE]).to_pylist()


def _since_success(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    failures: list[dict[str, Any]] = []
    for row in rows:
        if row["outcome"] == "ok":
            failures.clear()
        else:
            failures.append(row)
    return failures


def _final(failures: Sequence[dict[str, Any]]) -> bool:
    last = failures[-1]
    if last["error_code"] in TWICE:
        return len(failures) > 1 and failures[-2]["error_code"] == last["error_code"]
    return not last["error_retryable"]

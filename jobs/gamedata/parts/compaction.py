"""Compact the parts: merge small ones and drop obsolete rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from jobs.gamedata.parts.current import match_listing, order_rows
from jobs.gamedata.parts.schema import IDENTITY
from jobs.gamedata.parts.store import list_parts, list_pt_files, read_each_part, rewrite_part
from shared.errors import ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["compact"]

# A run over 100,000 TARs writes about 1,600 parts. Reading 64 small ones takes well under a second.
_SMALL_PARTS_MAX: Final = 64
_SMALL_BYTES: Final = 32 << 20
_MERGED_BYTES: Final = 128 << 20
# Rows kept per TAR and spec: the last two failures decide whether the TAR is quarantined.
_ROWS_KEPT: Final = 2


def compact(store: ObjectStore, *, many: int = _SMALL_PARTS_MAX) -> int:
    """Merge small parts if there are more than ``many``.

    Safe to run alongside other compactions, readers and runs: a merged part is written before the parts it replaces
    are deleted, and duplicate rows do no harm.

    Returns:
        The number of parts merged.
    """
    small = [info for info in list_parts(store) if info.size < _SMALL_BYTES]
    if len(small) <= many:
        return 0
    listing = list_pt_files(store)
    merged = 0
    group: list[ObjectInfo] = []
    for info in [*small, None]:
        if info is None or sum(each.size for each in group) + info.size > _MERGED_BYTES:
            merged += _merge(store, group, listing)
            group = []
        if info is not None:
            group.append(info)
    return merged


def _merge(store: ObjectStore, infos: Sequence[ObjectInfo], listing: Mapping[str, ObjectInfo]) -> int:
    tables = {}
    for key, table in read_each_part(store, infos).items():
        if isinstance(table, ObjectMissing):
            return 0  # another compaction is merging the same parts
        if table is not None:
            tables[key] = table
    if len(tables) < 2:  # noqa: PLR2004
        return 0
    rows = pa.concat_tables(list(tables.values()))
    order = order_rows(rows, listing, ["s3_key", "source_etag", "spec_digest", "stored"])
    match = match_listing(rows, listing.values())
    columns = [rows[name].to_pylist() for name in ("s3_key", "source_etag", "spec_digest", "stored")]
    groups = list(zip(*columns, strict=True))
    identities = [json.dumps(row, sort_keys=True) for row in rows.select(list(IDENTITY)).to_pylist()]
    keep = np.zeros(len(rows), np.bool_)
    unique: set[str] = set()
    count_of: dict[tuple[Any, ...], int] = {}
    for position in order.tolist():
        if identities[position] in unique:
            continue
        unique.add(identities[position])
        number = count_of[groups[position]] = count_of.get(groups[position], 0) + 1
        keep[position] = match[position] or number <= _ROWS_KEPT
    written = rewrite_part(store, rows.filter(pa.array(keep)))
    for key in tables:
        if key != written:
            store.delete(key)
    return len(tables)

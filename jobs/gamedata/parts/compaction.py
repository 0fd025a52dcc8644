"""Keeps the parts few: merges small ones and drops rows that nobody asks for any more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from jobs.gamedata.parts.store import IDENTITY, list_parts, list_pts, matches, order_rows, read_each, rewrite_part
from shared.errors import ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["compact"]

# A run over 100,000 TARs leaves about 1,600 parts; 64 small ones are read in well under a second.
_MANY: Final = 64
_SMALL: Final = 32 << 20
_MERGED: Final = 128 << 20
# The last two failures decide whether a TAR is quarantined.
_KEPT: Final = 2


def compact(store: ObjectStore, *, many: int = _MANY) -> int:
    """Merge small parts when there are more than ``many``.

    Safe beside other compactions, readers and runs: a merged part is written before those it replaces go, and two that
    hold the same rows are no harm.

    Returns:
        How many parts were merged.
    """
    small = [info for info in list_parts(store) if info.size < _SMALL]
    if len(small) <= many:
        return 0
    listing = list_pts(store)
    merged = 0
    group: list[ObjectInfo] = []
    for info in [*small, None]:
        if info is None or sum(each.size for each in group) + info.size > _MERGED:
            merged += _merge(store, group, listing)
            group = []
        if info is not None:
            group.append(info)
    return merged


def _merge(store: ObjectStore, infos: Sequence[ObjectInfo], listing: Mapping[str, ObjectInfo]) -> int:
    tables = {}
    for key, table in read_each(store, infos).items():
        if isinstance(table, ObjectMissing):
            return 0  # another compaction is at work on the same parts
        if table is not None:
            tables[key] = table
    if len(tables) < 2:  # noqa: PLR2004
        return 0
    rows = pa.concat_tables(list(tables.values()))
    order = order_rows(rows, listing, ["s3_key", "source_etag", "spec_digest", "stored"])
    match = matches(rows, listing)
    columns = [rows[name].to_pylist() for name in ("s3_key", "source_etag", "spec_digest", "stored")]
    groups = list(zip(*columns, strict=True))
    identities = [json.dumps(row, sort_keys=True) for row in rows.select(list(IDENTITY)).to_pylist()]
    keep = np.zeros(len(rows), np.bool_)
    seen: set[str] = set()
    held: dict[tuple[Any, ...], int] = {}
    for position in order.tolist():
        if identities[position] in seen:
            continue
        seen.add(identities[position])
        number = held[groups[position]] = held.get(groups[position], 0) + 1
        keep[position] = match[position] or number <= _KEPT
    written = rewrite_part(store, rows.filter(pa.array(keep)))
    for key in tables:
        if key != written:
            store.delete(key)
    return len(tables)

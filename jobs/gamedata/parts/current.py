"""Select the current row of each TAR among those of different runs: generations order them, not times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.gamedata.parts.schema import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from shared.storage import ObjectInfo

__all__ = ["current_rows", "match_listing", "order_rows"]

# Listed objects converted to Arrow at a time: a few MB as Python objects.
_LISTED_AT_ONCE: Final = 8192


def current_rows(rows: pa.Table, listing: Mapping[str, ObjectInfo], prefix: str = "") -> pa.Table:
    """Return the current row of each TAR; see :func:`jobs.gamedata.parts.store.read_parts`.

    Args:
        rows: rows with at least the columns of :data:`IDENTITY`.
        listing: the ``.pt`` files by key.
        prefix: keep only TARs whose key starts with this prefix.
    """
    if prefix:
        rows = rows.filter(pc.starts_with(rows["s3_key"], prefix))
    order = order_rows(rows, listing, ["s3_key"])
    keys = rows["s3_key"].to_numpy()[order]
    current = np.zeros(len(rows), np.bool_)
    current[order[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]] = True
    return rows.filter(pa.array(current))


def match_listing(rows: pa.Table, listing: Iterable[ObjectInfo]) -> npt.NDArray[np.bool_]:
    """Return which rows have their ``.pt`` file in the bucket as it was written.

    Args:
        rows: R rows with ``stored``, ``pt_key``, ``pt_size`` and ``pt_etag``.
        listing: objects of the bucket in any order, iterated once; files other than ``.pt`` are ignored.

    Returns:
        True for each row whose file has the recorded size and ETag, shape (R,).
    """
    chunks: dict[str, list[pa.Array]] = {"key": [], "size": [], "etag": []}
    buffered: list[ObjectInfo] = []

    def pack() -> None:
        chunks["key"].append(pa.array([info.key for info in buffered], pa.string()))
        chunks["size"].append(pa.array([info.size for info in buffered], pa.int64()))
        chunks["etag"].append(pa.array([info.etag for info in buffered], pa.string()))
        buffered.clear()

    for info in listing:
        if info.key.endswith(".pt"):
            buffered.append(info)
            if len(buffered) == _LISTED_AT_ONCE:
                pack()
    pack()
    keys, sizes, etags = (
        pa.chunked_array(chunks[name], kind)
        for name, kind in (("key", pa.string()), ("size", pa.int64()), ("etag", pa.string()))
    )
    if not len(keys) or not len(rows):
        return np.zeros(len(rows), np.bool_)
    position = pc.index_in(rows["pt_key"], value_set=keys, skip_nulls=True)
    matches = pc.and_kleene(
        pc.and_kleene(rows["stored"], pc.equal(pc.take(sizes, position), rows["pt_size"])),
        pc.equal(pc.take(etags, position), rows["pt_etag"]),
    )
    result: npt.NDArray[np.bool_] = pc.fill_null(matches, False).to_numpy().astype(np.bool_)
    return result


def order_rows(rows: pa.Table, listing: Mapping[str, ObjectInfo], groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the order of rows sorted by the columns ``groups``; within a group the current row comes first.

    Returns:
        Positions of the rows, shape (R,).
    """
    small = rows.select(list(IDENTITY)).append_column("match", pa.array(match_listing(rows, listing.values())))
    keys = [(name, "ascending") for name in groups]
    best = [
        ("match", "descending"), ("generation", "descending"), ("outcome", "descending"),  # ok > error
        ("attempt", "descending"), ("run_id", "descending"), ("pt_etag", "descending"),
    ]  # fmt: skip
    order: npt.NDArray[np.int64] = pc.sort_indices(small, sort_keys=[*keys, *best]).to_numpy().astype(np.int64)
    return order

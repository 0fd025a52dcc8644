"""Parts: small Parquet files under ``_stats/`` that commit results, one row per TAR that was tried.

A part is written once and never changed. Several rows may speak of one TAR: :func:`read_parts` picks the one that
holds. Needs neither torch nor a database.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.gamedata.parts._file import open_part
from jobs.gamedata.parts.schema import ADDED_COLUMNS, PART_SCHEMA, PART_VERSION
from shared.errors import ObjectChanged, ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from shared.storage import ObjectInfo, ObjectStore

__all__ = [
    "IDENTITY",
    "PARTS",
    "broken_parts",
    "list_parts",
    "list_pts",
    "matches",
    "next_generation",
    "order_rows",
    "read_each",
    "read_part",
    "read_parts",
    "read_rows",
    "rewrite_part",
    "rows_that_hold",
    "write_part",
]

PARTS: Final = "_stats/"
# What decides which row of a TAR holds.
IDENTITY: Final = (
    "s3_key", "source_etag", "spec_digest", "generation", "attempt", "run_id", "outcome",
    "stored", "pt_key", "pt_size", "pt_etag",
)  # fmt: skip

# A request to S3 takes some 30 ms: a thousand parts one after the other are half a minute.
_AT_ONCE: Final = 8
_log = logging.getLogger(__name__)


def write_part(store: ObjectStore, rows: Sequence[Mapping[str, Any]]) -> str:
    """Commit rows as one part; the same rows give the same key.

    Args:
        store: the manifest bucket.
        rows: with the columns of :data:`~jobs.gamedata.parts.schema.PART_SCHEMA`; one that lacks is null.

    Returns:
        The part's key, ``_stats/{generation:08d}-{digest}.parquet``.
    """
    return rewrite_part(store, pa.Table.from_pylist(list(rows), schema=PART_SCHEMA))


def rewrite_part(store: ObjectStore, table: pa.Table) -> str:
    """Commit a table of :data:`~jobs.gamedata.parts.schema.PART_SCHEMA`; see :func:`write_part`."""
    digest = hashlib.sha256()
    for row in table.select(list(IDENTITY)).to_pylist():
        digest.update(json.dumps(row, sort_keys=True).encode())
    generation = pc.max(table["generation"]).as_py() or 0
    key = f"{PARTS}{generation:08d}-{digest.hexdigest()[:12]}.parquet"
    stream = io.BytesIO()
    metadata = {b"telecine.part_version": str(PART_VERSION).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), stream, compression="zstd")
    store.put(key, stream.getbuffer())
    return key


def list_parts(store: ObjectStore) -> list[ObjectInfo]:
    """List the parts in the order of their names, so of their generations."""
    return [info for info in store.list(PARTS) if info.key.endswith(".parquet")]


def list_pts(store: ObjectStore, prefix: str = "") -> dict[str, ObjectInfo]:
    """List the ``.pt`` files whose key begins with ``prefix``."""
    return {info.key: info for info in store.list(prefix) if info.key.endswith(".pt")}


def next_generation(store: ObjectStore) -> int:
    """Give the number that orders a new run after all that is committed."""
    numbers = (info.key.removeprefix(PARTS).partition("-")[0] for info in list_parts(store))
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)


def read_part(
    store: ObjectStore, key: str, columns: Sequence[str] | None = None, *, info: ObjectInfo | None = None
) -> pa.Table | None:
    """Read one part; None, and a warning that names it, when it cannot be read.

    Args:
        store: the manifest bucket.
        key: the part's.
        columns: names; all of them when None.
        info: as it was listed: of a large part only the asked columns are fetched.

    Raises:
        ObjectMissing: a compaction has merged it.
    """
    names = PART_SCHEMA.names if columns is None else list(columns)
    wanted = pa.schema([PART_SCHEMA.field(name) for name in names])
    try:
        file = pq.ParquetFile(_open(store, key, info if columns is not None else None, names))
        version = int((file.schema_arrow.metadata or {}).get(b"telecine.part_version", b"0"))
        if version == PART_VERSION:
            return _with_added(file.read(columns=names), wanted)
        error: Exception = ValueError(f"version {version}, this telecine reads {PART_VERSION}")
    except (pa.ArrowException, ValueError, KeyError, OSError) as found:
        error = found
    _log.warning(
        "The part %s/%s cannot be read (%s); its TARs count as not extracted. "
        "`telecine gamedata verify` removes it, the next extract redoes them.",
        store.uri,
        key,
        error,
    )
    return None


def _with_added(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Bring a part's rows to a schema; KeyError where another column than an added one is missing."""
    for name in ADDED_COLUMNS.intersection(wanted.names).difference(table.column_names):
        table = table.append_column(wanted.field(name), pa.nulls(len(table), wanted.field(name).type))
    return table.select(wanted.names).cast(wanted)


def _open(store: ObjectStore, key: str, info: ObjectInfo | None, names: Sequence[str]) -> io.IOBase:
    if info is not None:
        try:
            return open_part(store, info, names)
        except ObjectChanged:
            pass  # the same rows under the same key, written anew
    return io.BytesIO(store.read(key))


def read_each(
    store: ObjectStore, infos: Sequence[ObjectInfo], columns: Sequence[str] | None = None
) -> dict[str, pa.Table | ObjectMissing | None]:
    """Read parts side by side: by key the rows, None for one that cannot be read, the error for one that is gone."""

    def read(info: ObjectInfo) -> pa.Table | ObjectMissing | None:
        try:
            return read_part(store, info.key, columns, info=info)
        except ObjectMissing as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip([info.key for info in infos], pool.map(read, infos), strict=True))


def read_rows(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Read every row of every part, those that no longer hold as well.

    Args:
        store: the manifest bucket.
        columns: names; all of them when None.

    Returns:
        The rows, in the order of the parts. Keys of parts that cannot be read stand in the table's metadata: see
        :func:`broken_parts`.
    """
    names = list(PART_SCHEMA.names if columns is None else columns)
    read: dict[str, pa.Table | None] = {}
    pending = list_parts(store)
    while pending:
        found = read_each(store, pending, names)
        read |= {key: table for key, table in found.items() if not isinstance(table, ObjectMissing)}
        # Merged since it was listed: its rows lie in a part that was written before this one went.
        missing = len(found) > sum(key in read for key in found)
        pending = [info for info in list_parts(store) if info.key not in read] if missing else []
    tables = [table for _, table in sorted(read.items()) if table is not None]
    schema = pa.schema([PART_SCHEMA.field(name) for name in names])
    broken = sorted(key for key, table in read.items() if table is None)
    whole = pa.concat_tables([schema.empty_table(), *tables])
    return whole.replace_schema_metadata({b"telecine.broken_parts": json.dumps(broken).encode()})


def broken_parts(table: pa.Table) -> list[str]:
    """Name the parts that :func:`read_rows` or :func:`read_parts` could not read."""
    metadata = table.schema.metadata or {}
    names: list[str] = json.loads(metadata.get(b"telecine.broken_parts", b"[]"))
    return names


def read_parts(
    store: ObjectStore,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    listing: Mapping[str, ObjectInfo] | None = None,
) -> pa.Table:
    """Read the row that holds for each TAR.

    A row whose ``.pt`` lies in the bucket as it was written (ETag and size) wins over one whose does not; then the
    later generation; at the same one a success over an error, the later attempt, and the greater run id.

    Args:
        store: the manifest bucket.
        columns: names; all of them when None. ``s3_key`` is always there.
        prefix: only TARs whose key begins so.
        listing: the ``.pt`` files; listed here when None.

    Returns:
        One row for each TAR, in no particular order.
    """
    names = list(PART_SCHEMA.names if columns is None else dict.fromkeys(["s3_key", *columns]))
    rows = read_rows(store, list(dict.fromkeys([*names, *IDENTITY])))
    return rows_that_hold(rows, list_pts(store, prefix) if listing is None else listing, prefix).select(names)


def rows_that_hold(rows: pa.Table, listing: Mapping[str, ObjectInfo], prefix: str = "") -> pa.Table:
    """Pick the row that holds for each TAR; see :func:`read_parts`.

    Args:
        rows: with the columns of :data:`IDENTITY`.
        listing: the ``.pt`` files.
        prefix: only TARs whose key begins so.
    """
    if prefix:
        rows = rows.filter(pc.starts_with(rows["s3_key"], prefix))
    order = order_rows(rows, listing, ["s3_key"])
    keys = rows["s3_key"].to_numpy()[order]
    holds = np.zeros(len(rows), np.bool_)
    holds[order[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]] = True
    return rows.filter(pa.array(holds))


def matches(rows: pa.Table, listing: Mapping[str, ObjectInfo]) -> npt.NDArray[np.bool_]:
    """Say for each row whether its ``.pt`` lies in the bucket as it was written.

    Args:
        rows: with ``stored``, ``pt_key``, ``pt_size`` and ``pt_etag``; R of them.
        listing: the ``.pt`` files by key.

    Returns:
        Shape (R,).
    """
    found = np.zeros(len(rows), np.bool_)
    columns = (rows[name].to_pylist() for name in ("stored", "pt_key", "pt_size", "pt_etag"))
    for position, (stored, key, size, etag) in enumerate(zip(*columns, strict=True)):
        info = listing.get(key) if stored else None
        found[position] = info is not None and info.etag == etag and info.size == size
    return found


def order_rows(rows: pa.Table, listing: Mapping[str, ObjectInfo], groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Order rows by the columns ``groups``; within a group the row that holds comes first.

    Returns:
        Positions, shape (R,).
    """
    small = rows.select(list(IDENTITY)).append_column("match", pa.array(matches(rows, listing)))
    keys = [(name, "ascending") for name in groups]
    best = [
        ("match", "descending"), ("generation", "descending"), ("outcome", "descending"),  # ok > error
        ("attempt", "descending"), ("run_id", "descending"), ("pt_etag", "descending"),
    ]  # fmt: skip
    order: npt.NDArray[np.int64] = pc.sort_indices(small, sort_keys=[*keys, *best]).to_numpy().astype(np.int64)
    return order

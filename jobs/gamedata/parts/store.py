"""Parts in the manifest bucket: Parquet files under ``_stats/`` that commit results, one row per attempted TAR.

A part is written once and never changed. A TAR may have several rows; :func:`read_parts` returns the current one.
Needs neither torch nor a database.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.gamedata.parts._file import open_part
from jobs.gamedata.parts.current import current_rows
from jobs.gamedata.parts.schema import ADDED_COLUMNS, IDENTITY, PART_SCHEMA, PART_VERSION
from shared.errors import ObjectChanged, ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.storage import ObjectInfo, ObjectStore

__all__ = [
    "PARTS",
    "broken_parts",
    "list_parts",
    "list_pt_files",
    "next_generation",
    "read_each_part",
    "read_part",
    "read_parts",
    "read_rows",
    "rewrite_part",
    "write_part",
]

PARTS: Final = "_stats/"
# A request to S3 takes about 30 ms, so reading a thousand parts one at a time would take half a minute.
_READ_THREADS: Final = 8
# The generation of a part that telecine wrote. One more than a number of 19 digits would not fit into a column.
_NUMBER: Final = re.compile("[0-9]{8,15}")
_log = logging.getLogger(__name__)


def write_part(store: ObjectStore, rows: Sequence[Mapping[str, Any]]) -> str:
    """Commit rows as one part. The key depends only on the rows.

    Args:
        store: the manifest bucket.
        rows: rows with the columns of :data:`~jobs.gamedata.parts.schema.PART_SCHEMA`; a missing column is null.

    Returns:
        The key of the part, ``_stats/{generation:08d}-{digest}.parquet``.
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
    """Return the parts sorted by key, and therefore by generation."""
    return [info for info in store.list(PARTS) if info.key.endswith(".parquet")]


def list_pt_files(store: ObjectStore, prefix: str = "") -> dict[str, ObjectInfo]:
    """Return the ``.pt`` files whose key starts with ``prefix``, by key."""
    return {info.key: info for info in store.list(prefix) if info.key.endswith(".pt")}


def next_generation(store: ObjectStore) -> int:
    """Return the generation for a new run: one more than the largest committed."""
    numbers = (_NUMBER.fullmatch(info.key.removeprefix(PARTS).partition("-")[0]) for info in list_parts(store))
    return 1 + max((int(number[0]) for number in numbers if number), default=0)


def read_part(
    store: ObjectStore, key: str, columns: Sequence[str] | None = None, *, info: ObjectInfo | None = None
) -> pa.Table | None:
    """Return the rows of one part; if it cannot be read, log a warning and return None.

    Args:
        store: the manifest bucket.
        key: key of the part.
        columns: names of the columns; None for all.
        info: the part as listed; allows fetching only the requested columns of a large part.

    Raises:
        ObjectMissing: a compaction merged the part.
    """
    names = PART_SCHEMA.names if columns is None else list(columns)
    wanted = pa.schema([PART_SCHEMA.field(name) for name in names])
    try:
        file = pq.ParquetFile(_open(store, key, info if columns is not None else None, names))
        version = int((file.schema_arrow.metadata or {}).get(b"telecine.part_version", b"0"))
        if version == PART_VERSION:
            return _with_added(file.read(columns=names), wanted)
        error: Exception = ValueError(f"it has version {version}, this telecine reads version {PART_VERSION}")
    except (pa.ArrowException, ValueError, KeyError, OSError) as found:
        error = found
    _log.warning(
        "The part %s/%s cannot be read (%s); its TARs count as not extracted. "
        "Run `telecine gamedata verify` to remove it; the next extract reads its TARs again.",
        store.uri,
        key,
        error,
    )
    return None


def _with_added(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return rows cast to a schema, with null columns added; raise KeyError if any other column is missing."""
    for name in ADDED_COLUMNS.intersection(wanted.names).difference(table.column_names):
        table = table.append_column(wanted.field(name), pa.nulls(len(table), wanted.field(name).type))
    return table.select(wanted.names).cast(wanted)


def _open(store: ObjectStore, key: str, info: ObjectInfo | None, names: Sequence[str]) -> io.IOBase:
    if info is not None:
        try:
            return open_part(store, info, names)
        except ObjectChanged:
            pass  # rewritten under the same key, with the same rows
    return io.BytesIO(store.read(key))


def read_each_part(
    store: ObjectStore, infos: Sequence[ObjectInfo], columns: Sequence[str] | None = None
) -> dict[str, pa.Table | ObjectMissing | None]:
    """Read parts concurrently, and return their rows by key.

    Returns:
        Key -> its rows, None if the part cannot be read, or the error if it no longer exists.
    """

    def read(info: ObjectInfo) -> pa.Table | ObjectMissing | None:
        try:
            return read_part(store, info.key, columns, info=info)
        except ObjectMissing as error:
            return error

    with ThreadPoolExecutor(_READ_THREADS) as pool:
        return dict(zip([info.key for info in infos], pool.map(read, infos), strict=True))


def read_rows(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Return all rows of all parts, including superseded ones.

    Args:
        store: the manifest bucket.
        columns: names of the columns; None for all.

    Returns:
        The rows in the order of the parts. The table's metadata lists parts that cannot be read; see
        :func:`broken_parts`.
    """
    names = list(PART_SCHEMA.names if columns is None else columns)
    read: dict[str, pa.Table | None] = {}
    pending = list_parts(store)
    while pending:
        results = read_each_part(store, pending, names)
        read |= {key: table for key, table in results.items() if not isinstance(table, ObjectMissing)}
        # A compaction deleted parts after they were listed; it wrote the merged part before that, so list again.
        missing = len(results) > sum(key in read for key in results)
        pending = [info for info in list_parts(store) if info.key not in read] if missing else []
    tables = [table for _, table in sorted(read.items()) if table is not None]
    schema = pa.schema([PART_SCHEMA.field(name) for name in names])
    broken = sorted(key for key, table in read.items() if table is None)
    rows = pa.concat_tables([schema.empty_table(), *tables])
    return rows.replace_schema_metadata({b"telecine.broken_parts": json.dumps(broken).encode()})


def broken_parts(table: pa.Table) -> list[str]:
    """Return the keys of the parts that :func:`read_rows` or :func:`read_parts` could not read."""
    metadata = table.schema.metadata or {}
    names: list[str] = json.loads(metadata.get(b"telecine.broken_parts", b"[]"))
    return names


def read_parts(
    store: ObjectStore,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    listing: Mapping[str, ObjectInfo] | None = None,
) -> pa.Table:
    """Return the current row of each TAR.

    A row whose ``.pt`` file is in the bucket as written (same ETag and size) takes precedence. Otherwise the latest
    generation is current; within a generation, a success before an error, then the latest attempt, then the greatest
    run id.

    Args:
        store: the manifest bucket.
        columns: names of the columns; None for all. ``s3_key`` is always included.
        prefix: read only TARs whose key starts with this prefix.
        listing: the ``.pt`` files by key; None to list them.

    Returns:
        One row per TAR, in no particular order.
    """
    names = list(PART_SCHEMA.names if columns is None else dict.fromkeys(["s3_key", *columns]))
    rows = read_rows(store, list(dict.fromkeys([*names, *IDENTITY])))
    return current_rows(rows, list_pt_files(store, prefix) if listing is None else listing, prefix).select(names)

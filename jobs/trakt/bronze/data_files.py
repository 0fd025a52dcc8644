"""Parquet files of the table: written in row groups of bounded size, named by load and content, read by columns."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from jobs.trakt.bronze.place import TABLE
from jobs.trakt.bronze.schema import PARTITION, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.storage import ObjectStore

__all__ = ["FILE_SCHEMA", "DataFiles", "add_action", "open_parquet"]

FILE_SCHEMA: Final = pa.schema([field for field in SCHEMA if field.name != PARTITION])
"""Columns of a file; the partition column is in its path."""

# A reader decodes one row group at a time: 32 MB of text and its encoded copies stay below 150 MB.
_GROUP_ROWS: Final = 65_536
_GROUP_BYTES: Final = 32 * 2**20
# Large enough that a million comments are a few files, small enough that a changed one is rewritten quickly.
_FILE_BYTES: Final = 64 * 2**20
# Columns with unique values: a dictionary would only be a second copy.
_PLAIN: Final = ("payload", "payload_sha256", "comment_id", "item_index")
_CHUNK: Final = 1 << 20


class DataFiles:
    """A writer of rows of one kind to data files, which join the table only when they are committed.

    Args:
        store: the bucket.
        kind: the resource kind of the rows.
        stem: beginning of the files' names, such as ``part-load-1``.

    Attributes:
        kind: as passed.
        actions: one action per finished file.
        rows: rows added so far.
    """

    def __init__(self, store: ObjectStore, kind: str, stem: str) -> None:
        self.actions: list[AddAction] = []
        self.rows = 0
        self._store = store
        self.kind = kind
        self._stem = stem
        self._group: list[pa.RecordBatch] = []
        self._group_rows = self._group_bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None
        self._written = _Statistics()

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows with the columns of :data:`FILE_SCHEMA`.

        Raises:
            TelecineError: a full file cannot be written to the bucket.
        """
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        self._group.append(batch)
        self._group_rows += batch.num_rows
        self._group_bytes += batch.nbytes
        if self._group_rows >= _GROUP_ROWS or self._group_bytes >= _GROUP_BYTES:
            self._write_group()
            if self._file is not None and self._file.tell() >= _FILE_BYTES:
                self._end_file()

    def finish(self) -> list[AddAction]:
        """Write the last file to the bucket, and return the actions that add all files."""
        self._write_group()
        if self._writer is not None:
            self._end_file()
        return self.actions

    def close(self) -> None:
        """Discard rows that are not in the bucket yet."""
        self._group = []
        if self._file is not None:
            self._file.close()
            self._file = self._writer = None

    def _write_group(self) -> None:
        if not self._group:
            return
        if self._writer is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the writer
            self._written = _Statistics()
            self._writer = _writer(self._file)
        for batch in self._group:
            self._written.add(batch)
        self._writer.write_table(pa.Table.from_batches(self._group), row_group_size=self._group_rows)
        self._group = []
        self._group_rows = self._group_bytes = 0
        # The allocator would keep a group's memory: 60 MB.
        pa.default_memory_pool().release_unused()

    def _end_file(self) -> None:
        writer, file = self._writer, self._file
        if writer is None or file is None:
            raise AssertionError
        writer.close()
        self._writer = None
        # The name contains a hash of the content: whichever of two writers is last, the log's entry matches the file.
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]
        name = f"{PARTITION}={self.kind}/{self._stem}-{len(self.actions):05}-{digest}.parquet"
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self._store.put(f"{TABLE}/{name}", file)  # type: ignore[arg-type]
        file.close()
        self._file = None
        self.actions.append(add_action(name, size, self.kind, self._written.as_json()))


def add_action(path: str, size: int, kind: str, statistics: str, *, changes_data: bool = True) -> AddAction:
    """Return the action that adds a file to the table.

    Args:
        path: relative to the table.
        size: size in bytes.
        kind: resource kind of its rows.
        statistics: statistics as JSON.
        changes_data: False if its rows were in the table before.
    """
    return AddAction(path, size, {PARTITION: kind}, time.time_ns() // 1_000_000, changes_data, statistics)


def open_parquet(store: ObjectStore, key: str, size: int) -> pq.ParquetFile:
    """Open a file of the table; only columns that are read are fetched.

    Args:
        store: the bucket.
        key: key of the file.
        size: size in bytes, according to the log.
    """
    return pq.ParquetFile(_Ranges(store, key, size), pre_buffer=False)


def _writer(file: IO[bytes]) -> pq.ParquetWriter:
    names = FILE_SCHEMA.names
    return pq.ParquetWriter(
        file,
        FILE_SCHEMA,
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name in names if name not in _PLAIN],
        # The largest and smallest text of a column of comments are of no use.
        write_statistics=[name for name in names if name != "payload"],
        store_schema=False,
    )


class _Statistics:
    """The number of rows, and the ranges of the columns by which readers skip files."""

    def __init__(self) -> None:
        self._rows = self._nulls = 0
        self._ids: list[int] = []
        self._loads: list[str] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch."""
        ids, loads = batch.column("comment_id"), batch.column("load_id")
        self._rows += batch.num_rows
        self._nulls += ids.null_count
        self._ids = _range(self._ids, ids)
        self._loads = _range(self._loads, loads)

    def as_json(self) -> str:
        """Return the statistics of a file in the log's format."""
        low: dict[str, Any] = {"load_id": self._loads[0]}
        high: dict[str, Any] = {"load_id": self._loads[1]}
        if self._ids:
            low["comment_id"], high["comment_id"] = self._ids
        nulls = {"load_id": 0, "comment_id": self._nulls}
        return json.dumps({"numRecords": self._rows, "minValues": low, "maxValues": high, "nullCount": nulls})


def _range(before: Sequence[Any], column: pa.Array) -> list[Any]:
    found = pc.min_max(column).as_py()
    values = [*before, *(value for value in found.values() if value is not None)]
    return [min(values), max(values)] if values else []


class _Ranges(io.RawIOBase):
    """An object as a file that is read in ranges."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def size(self) -> int:
        """Return the size, which pyarrow asks for."""
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._store.read(self._key, offset=self._at, length=wanted) if wanted else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer)
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

"""Download the files of a build, verify them, and convert them to CSV for COPY with the column types of a table."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from jobs.trakt.datasets import gold_file
from jobs.trakt.gold.build import TABLES
from shared.errors import DataError
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jobs.trakt.gold.build import Build
    from shared.lineage.event import Dataset
    from shared.storage import ObjectStore

__all__ = ["fetch", "file_datasets", "further_columns", "rows_as_csv"]

# 20,000 rows of 40 columns take about 10 MB in Arrow, and as much as text.
_AT_ONCE: Final = 20_000
_NUL: Final = "\0"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_TYPES: Final[Mapping[str, pa.DataType]] = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
    "text[]": pa.list_(pa.string()),
}
"""Type of a column in PostgreSQL -> type in Arrow."""


def fetch(store: ObjectStore, build: Build, table: str, folder: Path) -> Path:
    """Download the file of a table to a local folder, and return its path.

    Raises:
        DataError: its SHA-256 differs from the manifest (code ``GOLD_CHANGED``).
        ObjectMissing: the file does not exist.
    """
    path = folder / f"{table}.parquet"
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for chunk in store.stream(build.key(table)):
            digest.update(chunk)
            out.write(chunk)
    expected = build.tables[table].sha256
    if digest.hexdigest() != expected:
        raise DataError(
            f"{store.uri}/{build.key(table)} has SHA-256 {digest.hexdigest()}; expected {expected}, from its manifest;"
            " build again, and publish the new build",
            code="GOLD_CHANGED",
        )
    return path


def rows_as_csv(path: Path, table: str, columns: Mapping[str, str], rows: int) -> Iterator[bytes]:
    """Yield the rows of a file as CSV; an unquoted empty field is NULL.

    NUL becomes U+FFFD, because PostgreSQL refuses it. NaN and infinity become NULL, because many programs refuse them.

    Args:
        path: the Parquet file.
        table: the table, for messages.
        columns: column of the table -> its type in PostgreSQL; other columns of the file are ignored.
        rows: the number of rows stated by the manifest.

    Raises:
        DataError: it is not a Parquet file, has a different number of rows, lacks a column, or contains a value that
            does not fit its column's type (code ``GOLD_INVALID``).
    """
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if missing := [name for name in columns if name not in names]:
                raise _invalid(table, f"it lacks {', '.join(missing)}")
            if file.metadata.num_rows != rows:
                raise _invalid(table, f"it has {file.metadata.num_rows:,} rows, but its manifest states {rows:,}")
            for batch in file.iter_batches(_AT_ONCE, columns=list(columns)):
                yield _csv(batch, columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _invalid(table, clean_text(str(error), 300)) from error


def file_datasets(store: ObjectStore, build: Build) -> list[Dataset]:
    """Return the files of a build as lineage datasets with their columns.

    Raises:
        ObjectMissing: a file does not exist.
    """
    found = []
    for table in TABLES:
        schema = pq.read_schema(io.BytesIO(store.read(build.key(table))))
        columns = {column.name: str(column.type) for column in schema}
        found.append(gold_file(table, columns, build_id=build.build_id, rows=build.tables[table].rows))
    return found


def further_columns(path: Path, columns: Mapping[str, str]) -> list[str]:
    """Return the columns of a file that its table lacks."""
    return [name for name in pq.read_schema(path).names if name not in columns]


def _csv(batch: pa.RecordBatch, columns: Mapping[str, str]) -> bytes:
    arrays = [_text(batch.column(name), kind) for name, kind in columns.items()]
    out = io.BytesIO()
    pyarrow.csv.write_csv(
        pa.table(arrays, names=list(columns)),
        out,
        pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed"),
    )
    return out.getvalue()


def _text(array: pa.Array, kind: str) -> pa.Array:
    array = array.cast(_TYPES[kind])
    if kind == "double precision":
        return pc.if_else(pc.is_finite(array), array, pa.scalar(None, pa.float64()))
    if kind == "text":
        return pc.replace_substring(array, _NUL, _REPLACEMENT)
    if kind == "text[]":
        return pa.array([_array(value) for value in array.to_pylist()], pa.string())
    return array


def _array(values: list[Any] | None) -> str | None:
    """Return a list as a PostgreSQL array literal: ``{"a","b c"}``."""
    if values is None:
        return None
    quoted = (
        "NULL"
        if value is None
        else '"' + value.replace(_NUL, _REPLACEMENT).replace("\\", "\\\\").replace('"', '\\"') + '"'
        for value in values
    )
    return f"{{{','.join(quoted)}}}"


def _invalid(table: str, what: str) -> DataError:
    return DataError(
        f"the file of {table} is not valid: {what}; expected a file written by this version's models; build again, and"
        " publish the new build",
        code="GOLD_INVALID",
    )

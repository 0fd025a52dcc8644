"""The files that the table's log names, and bringing them to a local folder: what models read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from jobs.trakt.bronze.place import TABLE
from jobs.trakt.bronze.schema import PARTITION
from jobs.trakt.bronze.table import ERASURES, delta_errors, open_table
from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deltalake import DeltaTable

    from jobs.trakt.bronze.place import BronzePlace

__all__ = ["LiveFile", "Snapshot", "fetch", "live_files", "snapshot"]


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A Parquet file of the table. The partition column ``resource_kind`` is in its key, not among its columns.

    Attributes:
        kind: the resource kind of its rows.
        key: its key in the bucket.
        size: bytes.
        rows: number of rows.
        load_id: the load of all its rows; None if a compaction joined several.
    """

    kind: str
    key: str
    size: int
    rows: int
    load_id: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A version of the table.

    Attributes:
        version: number of the version; -1 if there is no table.
        erasures: number of erasures so far; when it differs from that of a cache, the cache has rows of erased users
            and must be built again.
        files: all live files, sorted by key.
        table_id: id that the table got when it was made; a table that was made again in its place has another one.
            Empty without a table.
    """

    version: int
    erasures: int
    files: tuple[LiveFile, ...]
    table_id: str = ""


def snapshot(place: BronzePlace, version: int | None = None) -> Snapshot:
    """Return the live files of a version, by default of the newest.

    Raises:
        DataError: code ``VERSION``: the table has no such version, or no longer.
        StoreUnavailable: the log cannot be read.
    """
    newest = open_table(place)
    if newest is None:
        if version is not None:
            raise _no_version(place, version, -1)
        return Snapshot(-1, 0, ())
    table: DeltaTable | None = newest
    if version is not None and version != newest.version():
        if not 0 <= version < newest.version():
            raise _no_version(place, version, newest.version())
        table = open_table(place, version)
    if table is None:
        raise _no_version(place, version or 0, newest.version())
    return Snapshot(
        table.version(),
        table.transaction_version(ERASURES) or 0,
        tuple(live_files(place, table)),
        str(table.metadata().id),
    )


def live_files(place: BronzePlace, table: DeltaTable | None) -> list[LiveFile]:
    """Return the files of an open table, sorted by key.

    Args:
        place: where it is.
        table: from :func:`~jobs.trakt.bronze.table.open_table`; None has no files.
    """
    if table is None:
        return []
    with delta_errors(place, "read the log of"):
        found = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    files = (
        LiveFile(
            row[f"partition.{PARTITION}"],
            f"{TABLE}/{unquote(row['path'])}",
            row["size_bytes"],
            row["num_records"],
            row["min.load_id"] if row["min.load_id"] == row["max.load_id"] else None,
        )
        for row in found
    )
    return sorted(files, key=lambda file: file.key)


def fetch(place: BronzePlace, files: Iterable[LiveFile], folder: Path) -> list[Path]:
    """Bring files to a folder below which they have their keys, and return their paths; files that are there stay.

    A file's name has a hash of its content, so one of the same size is the same.

    Args:
        place: the bucket.
        files: of a snapshot.
        folder: a local folder, created if it is missing.

    Raises:
        ObjectMissing: a file is gone: a vacuum deleted what this old version names.
    """
    paths = []
    for file in files:
        path = folder / file.key
        paths.append(path)
        if path.is_file() and path.stat().st_size == file.size:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with part.open("wb") as target:
                for chunk in place.store.stream(file.key):
                    target.write(chunk)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return paths


def _no_version(place: BronzePlace, version: int, newest: int) -> DataError:
    return DataError(
        f"{place.uri} has no version {version}; expected a number from 0 to {newest}"
        if newest >= 0
        else f"{place.uri} is not a table yet; expected version {version}; ingest first",
        code="VERSION",
        uri=place.uri,
    )

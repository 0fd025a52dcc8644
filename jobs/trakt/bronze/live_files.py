"""The live files of the table's log, and their download to a local folder, from which the models read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import pyarrow as pa

from jobs.trakt.bronze.place import TABLE
from jobs.trakt.bronze.schema import PARTITION
from jobs.trakt.bronze.table import ERASURES, delta_errors, open_table
from shared.errors import DataError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deltalake import DeltaTable

    from jobs.trakt.bronze.place import BronzePlace

__all__ = ["LiveFile", "Snapshot", "fetch", "live_files", "snapshot"]

# delta-rs says so of a version whose log begins in the middle.
_NO_LOG: Final = "No table metadata or protocol found"


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A Parquet file of the table. The partition column ``resource_kind`` is in its key, not in its columns.

    Attributes:
        kind: the resource kind of its rows.
        key: its key in the bucket.
        size: size in bytes.
        rows: number of rows.
        load_id: the load of all its rows; None if a compaction merged several.
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
        erasures: number of erasures so far; a cache with a different number contains rows of erased users and must be
            built again.
        files: all live files, sorted by key.
        table_id: id that the table got when it was created; a table created later in its place has another one. Empty
            without a table.
    """

    version: int
    erasures: int
    files: tuple[LiveFile, ...]
    table_id: str = ""


def snapshot(place: BronzePlace, version: int | None = None) -> Snapshot:
    """Return the live files of a version, by default the newest.

    Raises:
        DataError: the version does not exist, or no longer exists (code ``VERSION``).
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
        table = _older(place, version)
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
        place: the table's place.
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
    """Download files to paths equal to their keys under a local folder, and return the paths.

    A file's name contains a hash of its content, so a local file of the same name and size is not downloaded again.

    Args:
        place: the bucket.
        files: files of a snapshot.
        folder: a local folder, created if it is missing.

    Raises:
        ObjectMissing: a vacuum has deleted a file of this old version.
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
    if newest < 0:
        message = f"{place.uri} is not a table yet; expected version {version}; ingest first"
    elif 0 <= version <= newest:
        message = (
            f"{place.uri} no longer has version {version}: a vacuum has deleted its log; expected a newer one, up "
        )
        message += f"to {newest}"
    else:
        message = f"{place.uri} has no version {version}; expected a number from 0 to {newest}"
    return DataError(message, code="VERSION", uri=place.uri)


def _older(place: BronzePlace, version: int) -> DeltaTable | None:
    """Return an older version of the table; None if its log no longer exists."""
    try:
        return open_table(place, version)
    except StoreUnavailable as error:
        if _NO_LOG in str(error.__cause__):
            return None
        raise

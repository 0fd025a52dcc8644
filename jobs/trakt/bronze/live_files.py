"""The files that the table's log names, and bringing them to a local folder: what models read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jobs.trakt.bronze.place import BronzePlace

__all__ = ["LiveFile", "Snapshot", "fetch", "snapshot"]


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
            and must be built anew.
        files: all live files, sorted by key.
    """

    version: int
    erasures: int
    files: tuple[LiveFile, ...]


def snapshot(place: BronzePlace, version: int | None = None) -> Snapshot:
    """Return the live files of a version, by default of the newest.

    Raises:
        DataError: code ``VERSION``: the table has no such version, or no longer.
    """
    raise NotImplementedError


def fetch(place: BronzePlace, files: Iterable[LiveFile], folder: Path) -> list[Path]:
    """Bring files to a folder below which they have their keys, and return their paths; files that are there stay.

    Raises:
        ObjectMissing: a file is gone: a vacuum deleted what this old version names.
    """
    raise NotImplementedError

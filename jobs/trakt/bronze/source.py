"""The source of a bronze table's rows, Trakt or a replayer: a table has rows of one of them only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.trakt.bronze.data_files import open_parquet
from jobs.trakt.bronze.live_files import live_files
from jobs.trakt.bronze.table import open_table
from shared.errors import UsageError

if TYPE_CHECKING:
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.settings.api import SourceSystem

__all__ = ["check_source", "source_of"]


def source_of(place: BronzePlace) -> str | None:
    """Return the source system of the table's rows, trakt or replay; None if it has no rows.

    Raises:
        ConfigurationError: the store refuses to read the table.
        TransientError: the table cannot be read now.
    """
    files = live_files(place, open_table(place))
    if not files:
        return None
    # The log has no statistics of this column. All files have the same value, and the smallest costs least to open.
    smallest = min(files, key=lambda file: file.size)
    with open_parquet(place.store, smallest.key, smallest.size) as parquet:
        for batch in parquet.iter_batches(batch_size=1, columns=["source_system"]):
            return str(batch.column("source_system")[0].as_py())
    return None


def check_source(place: BronzePlace, source: SourceSystem) -> None:
    """Check that the table's rows are from the source that is about to be read, because rows are never removed.

    Args:
        place: the table.
        source: the source that is about to be read.

    Raises:
        UsageError: the rows are from the other source (code ``SOURCE_MIXED``).
        ConfigurationError: the store refuses to read the table.
        TransientError: the table cannot be read now.
    """
    found = source_of(place)
    if found is not None and found != source:
        raise UsageError(
            f"bucket {place.store.uri} has comments of source system {found}; expected {source}, which SOURCE_SYSTEM"
            " says: made-up comments must not be mixed with real ones; nothing was requested; pass another --bucket"
            f" (TELECINE_TRAKT_BUCKET), or read {found} again",
            code="SOURCE_MIXED",
            bucket=place.store.uri,
            found=found,
            expected=source,
        )

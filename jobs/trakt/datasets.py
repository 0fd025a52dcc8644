"""Names of trakt's datasets in lineage events: stable, without buckets, hosts or paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.lineage.event import Dataset, Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["API", "BRONZE", "INGEST", "MODEL", "PAGES", "PUBLISH", "TMDB", "bronze", "gold_file", "gold_table"]

_PARENT: Final = "trakt"
INGEST: Final = Job("trakt.ingest", _PARENT)
MODEL: Final = Job("trakt.model", _PARENT)
PUBLISH: Final = Job("trakt.publish", _PARENT)

API: Final = "trakt.api"
TMDB: Final = "tmdb.api"
PAGES: Final = "trakt.pages"
BRONZE: Final = "bronze.trakt"

# Columns that are bronze's own; everything else is parsed from the payload.
_KEYS: Final[Mapping[str, str]] = {
    "title_kind": "title_kind",
    "title_id_trakt": "title_id_trakt",
    "is_synthetic": "is_synthetic",
    "observed_at": "observed_at",
    "rating_observed_at": "observed_at",
    "late_arrivals": "observed_at",
}


def bronze(columns: Mapping[str, str], *, version: int | None = None, rows: int | None = None) -> Dataset:
    """Return the bronze table.

    Args:
        columns: column -> type.
        version: version of the Delta table that was read or written.
        rows: rows that were added; None for a read.
    """
    return Dataset(BRONZE, columns, version=None if version is None else str(version), rows=rows)


def gold_file(table: str, columns: Mapping[str, str], *, build_id: str, rows: int) -> Dataset:
    """Return the file of a published table, as the models write it.

    Its columns come from bronze: key columns from the columns of that name, all others from the payload.

    Args:
        table: the table, such as ``trakt_titles``.
        columns: column -> type.
        build_id: the build, used as the dataset's version.
        rows: its rows.
    """
    sources: dict[str, Sequence[tuple[str, str]]] = {name: [(BRONZE, _KEYS.get(name, "payload"))] for name in columns}
    return Dataset(f"gold_files.{table}", columns, sources, version=build_id, rows=rows)


def gold_table(table: str, columns: Mapping[str, str], *, version: str | None = None, rows: int) -> Dataset:
    """Return a published table; each column comes from the same column of its file.

    Args:
        table: the table, such as ``trakt_titles``.
        columns: column -> type in PostgreSQL.
        version: the build that was published.
        rows: its rows.
    """
    sources = {name: [(f"gold_files.{table}", name)] for name in columns}
    return Dataset(f"gold.{table}", columns, sources, version=version, rows=rows)

"""Catalogue data that the matcher reads before it parses keys: names, codes, aliases of series, ref ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.matching.names import SeriesAlias, SeriesName, SeriesNames
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from jobs.viewership.matching.model import MatchRules
    from shared.database.session import DatabaseSession

__all__ = ["catalogue_version", "ref_keys", "series_names"]


def catalogue_version(session: DatabaseSession) -> int:
    """Return the catalogue's version.

    Raises:
        ConfigurationError: the catalogue has no episode.
    """
    if not session.rows("SELECT FROM catalog.episodes LIMIT 1"):
        raise ConfigurationError(
            "the catalogue has no episodes, so nothing can match; expected an import;"
            " run: telecine viewership catalog import FILE",
            code="no_catalogue",
        )
    return int(session.rows("SELECT coalesce(max(version), 0) AS version FROM catalog.versions")[0].version)


def ref_keys(session: DatabaseSession) -> frozenset[str]:
    """Return the keys of all ref ids."""
    rows = session.rows("SELECT ref_key FROM catalog.episodes WHERE ref_key IS NOT NULL")
    return frozenset(row.ref_key for row in rows)


def series_names(session: DatabaseSession, rules: MatchRules) -> SeriesNames:
    """Return all names, codes and aliases of series."""
    names = session.rows("SELECT series_id, title FROM catalog.series_titles ORDER BY series_id, title")
    aliases = session.rows(
        "SELECT platform, series_key, series_id FROM catalog.aliases WHERE undone_at IS NULL AND series_id IS NOT NULL"
        " AND series_key IS NOT NULL AND title_key IS NULL AND content_key IS NULL"
    )
    return SeriesNames(
        (SeriesName(row.series_id, row.title) for row in names),
        (SeriesAlias(row.series_id, row.series_key, row.platform) for row in aliases),
        rules,
        {row.code_key: row.id for row in session.rows("SELECT code_key, id FROM catalog.series WHERE code_key <> ''")},
    )

"""The verification queries of the original system, over the views that stand for its tables.

Its document names three queries, and the formula `expected = matched_in_final_table + unmatched_in_logs`. Over all
files they read every row, so here each is limited to files of the last days, up to a number of rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = ["CHECKS", "MOST_CHOSEN", "MOST_ROWS", "Check", "Files", "checks", "files"]

CHECKS: Final = ("recent", "rates", "unmatched", "formula")
"""The three queries in their order, and the formula."""

MOST_ROWS: Final = 20_000
"""Rows that the queries read. The largest file of a few days may have millions."""

MOST_CHOSEN: Final = 500_000
"""Rows that they read if an upload is chosen."""

_MOST_FILES: Final = 20
# Word for word, except for Snowflake's database, DATEADD, and the condition on the file.
_SQL: Final = {
    "recent": """\
SELECT filename, COUNT(*) as records, MIN(created_at), MAX(created_at)
FROM viewership_source.platform_viewership
WHERE created_at >= CURRENT_TIMESTAMP - interval ':days days'
    AND filename = ANY (:files)
GROUP BY filename""",
    "rates": """\
SELECT
    filename,
    SUM(CASE WHEN content_provider IS NOT NULL THEN 1 ELSE 0 END) as matched,
    SUM(CASE WHEN content_provider IS NULL THEN 1 ELSE 0 END) as unmatched
FROM viewership_source.platform_viewership
WHERE filename = ANY (:files)
GROUP BY filename""",
    "unmatched": """\
SELECT *
FROM viewership_source.record_reprocessing_batch_logs
WHERE created_at >= CURRENT_TIMESTAMP - interval ':days days'
    AND filename = ANY (:files)
ORDER BY created_at DESC""",
    # The view counts by upload: a condition on the file would make it count all uploads first.
    "formula": """\
SELECT f.filename, f.upload_id, f.record_count, f.matched_in_final_table, f.unmatched_in_logs, f.difference
FROM unnest(:uploads) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM viewership.source_formula WHERE upload_id = wanted.id OFFSET 0) f""",
}


@dataclass(frozen=True, slots=True)
class Files:
    """The files that the queries read.

    Attributes:
        names: newest first.
        uploads: the uploads with these names; True for those of the last days.
        stored: rows of each file in the last days, minus rejected and filtered rows.
        left_out: files of the last days beyond the limits.
        not_loaded: files with an upload that is not loaded yet.
    """

    names: list[str]
    uploads: dict[int, bool]
    stored: dict[str, int]
    left_out: int
    not_loaded: int


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one query.

    Attributes:
        name: one of :data:`CHECKS`.
        passed: True if the numbers add up.
        sql: the query as it ran.
        rows: its rows; of the unmatched records the first ones.
        number: number of all rows.
        figures: numbers of the sentence.
    """

    name: str
    passed: bool
    sql: str
    rows: Sequence[Any]
    number: int
    figures: dict[str, int]


def files(database: DatabaseSession, days: int, platform: str | None, upload_id: int | None) -> Files:
    """Return the files that the queries read: those of the last days, newest first, up to a number of rows.

    Args:
        database: an open transaction.
        days: days to look back.
        platform: only files with an upload of this platform.
        upload_id: only the file of this upload, up to :data:`MOST_CHOSEN` rows.
    """
    rows = database.rows(
        """
        SELECT filename, array_agg(upload_id) AS uploads, COALESCE(sum(units), 0)::bigint AS units,
            array_agg(created_at >= CURRENT_TIMESTAMP - make_interval(days => :days)) AS recent,
            bool_and(status IN ('loaded', 'partial')) AS loaded
        FROM viewership.uploads
        WHERE status IN ('read', 'normalized', 'matched', 'loaded', 'partial')
        GROUP BY filename
        HAVING max(created_at) >= CURRENT_TIMESTAMP - make_interval(days => :days)
            AND (CAST(:platform AS text) IS NULL OR bool_or(platform = :platform))
            AND (CAST(:upload AS bigint) IS NULL OR bool_or(upload_id = :upload))
        ORDER BY max(created_at) DESC, filename
        """,
        days=days,
        platform=platform,
        upload=upload_id,
    )
    loaded = [row for row in rows if row.loaded]
    chosen: list[Any] = []
    left = MOST_ROWS if upload_id is None else MOST_CHOSEN
    for row in loaded:
        if len(chosen) < _MOST_FILES and row.units <= left:
            chosen.append(row)
            left -= row.units
    uploads = {number: new for row in chosen for number, new in zip(row.uploads, row.recent, strict=True)}
    stored = database.rows(
        """
        SELECT u.filename, sum(u.units - (
            SELECT count(*) FROM viewership.set_aside_rows a WHERE a.upload_id = u.upload_id))::bigint AS rows
        FROM viewership.uploads u WHERE u.upload_id = ANY (:uploads) GROUP BY u.filename
        """,
        uploads=[number for number, new in uploads.items() if new],
    )
    return Files(
        [row.filename for row in chosen],
        uploads,
        {row.filename: row.rows for row in stored},
        len(loaded) - len(chosen),
        len(rows) - len(loaded),
    )


def checks(database: DatabaseSession, found: Files, days: int, limit: int) -> list[Check]:
    """Run the queries, each once, and compare their numbers with each other and with the files'.

    Args:
        database: an open transaction.
        found: the files that they read.
        days: days to look back.
        limit: unmatched records to return.

    Raises:
        TransientError: one took longer than the statement timeout.
    """
    formula = database.rows(_query("formula", days), uploads=list(found.uploads))
    recent = database.rows(_query("recent", days), files=found.names)
    rates = database.rows(_query("rates", days), files=found.names)
    unmatched = database.rows(
        f"SELECT *, count(*) OVER () AS number FROM ({_query('unmatched', days)}) logged LIMIT :most",  # noqa: S608
        files=found.names,
        most=limit,
    )
    final: Counter[str] = Counter()
    waiting = 0
    for row in formula:
        final[row.filename] += row.matched_in_final_table
        if found.uploads[row.upload_id]:
            waiting += row.record_count - row.matched_in_final_table
    logged = unmatched[0].number if unmatched else 0
    results = {
        "recent": (
            {row.filename: row.records for row in recent} == {name: n for name, n in found.stored.items() if n},
            recent,
            len(recent),
            {"records": sum(row.records for row in recent), "stored": sum(found.stored.values())},
        ),
        "rates": (
            all(row.matched == final[row.filename] for row in rates),
            rates,
            len(rates),
            {"matched": sum(row.matched for row in rates), "unmatched": sum(row.unmatched for row in rates)},
        ),
        "unmatched": (logged == waiting, unmatched, logged, {"waiting": waiting}),
        "formula": (
            not any(row.difference for row in formula),
            formula,
            len(formula),
            {
                "records": sum(row.record_count for row in formula),
                "final": final.total(),
                "logged": sum(row.unmatched_in_logs for row in formula),
            },
        ),
    }
    return [
        Check(name, passed, _shown(name, found, days), rows, number, figures)
        for name, (passed, rows, number, figures) in results.items()
    ]


def _query(name: str, days: int) -> str:
    return _SQL[name].replace(":days", str(days))


def _shown(name: str, found: Files, days: int) -> str:
    names = ", ".join("'" + each.replace("'", "''") + "'" for each in found.names)
    query = _query(name, days).replace(":uploads", f"ARRAY[{', '.join(map(str, found.uploads))}]::bigint[]")
    return query.replace(":files", f"ARRAY[{names}]::text[]")

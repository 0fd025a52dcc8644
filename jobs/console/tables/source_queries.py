"""The verification queries of the original system, over the views that stand for its tables.

Its document names three queries, and the formula `expected = matched_in_final_table + unmatched_in_logs`. Over all
files they read every row, so here each is limited to files of the last days, up to a number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = ["CHECKS", "MOST_ROWS", "Check", "Files", "check", "files"]

CHECKS: Final = ("recent", "rates", "unmatched", "formula")
"""The three queries in their order, and the formula."""

MOST_ROWS: Final = 50_000
"""Rows that the queries read. The largest file of a few days may have millions."""

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
        uploads: the uploads with these names.
        left_out: files of the last days beyond the limits.
        not_loaded: files with an upload that is not loaded yet.
    """

    names: list[str]
    uploads: list[int]
    left_out: int
    not_loaded: int


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one query.

    Attributes:
        name: one of :data:`CHECKS`.
        passed: True if the numbers add up.
        sql: the query as it ran.
        rows: its rows, at most ``limit`` of them.
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
    """Return the files that the queries read: those of the last days, newest first, up to :data:`MOST_ROWS` rows.

    Args:
        database: an open transaction.
        days: days to look back.
        platform: only files with an upload of this platform.
        upload_id: only the file of this upload.
    """
    rows = database.rows(
        """
        SELECT filename, array_agg(upload_id) AS uploads, COALESCE(sum(units), 0)::bigint AS units,
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
    read = 0
    for row in loaded:
        if len(chosen) < _MOST_FILES and read + row.units <= MOST_ROWS:
            chosen.append(row)
            read += row.units
    return Files(
        [row.filename for row in chosen],
        [number for row in chosen for number in row.uploads],
        len(loaded) - len(chosen),
        len(rows) - len(loaded),
    )


def check(database: DatabaseSession, name: str, found: Files, days: int, limit: int) -> Check:
    """Run one query and compare its numbers.

    Args:
        database: an open transaction.
        name: one of :data:`CHECKS`.
        found: the files that it reads.
        days: days to look back.
        limit: rows to return.

    Raises:
        TransientError: it took longer than the statement timeout.
    """
    query = _SQL[name].replace(":days", str(days))
    shown = query.replace(":files", f"ARRAY[{', '.join(map(_quoted, found.names))}]::text[]")
    shown = shown.replace(":uploads", f"ARRAY[{', '.join(map(str, found.uploads))}]::bigint[]")
    given = {"uploads": found.uploads} if name == "formula" else {"files": found.names}
    rows = database.rows(f"{query} LIMIT :most", **given, most=limit)
    figures = _FIGURES[name](database, found, days, query)
    number = figures.pop("number")
    passed = figures.pop("wrong") == 0
    return Check(name, passed, shown, rows, number, figures)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _one(database: DatabaseSession, names: str, statement: str, **values: Any) -> dict[str, int]:
    (row,) = database.rows(statement, **values)
    return {name: int(getattr(row, name) or 0) for name in names.split()}


def _recent(database: DatabaseSession, found: Files, days: int, query: str) -> dict[str, int]:
    """Compare the records of each file with its rows, minus those that were set aside."""
    return _one(
        database,
        "number records stored wrong",
        f"""
        SELECT count(*) AS number, sum(COALESCE(q.records, 0)) AS records, sum(f.stored) AS stored,
            count(*) FILTER (WHERE COALESCE(q.records, 0) <> f.stored) AS wrong
        FROM (
            SELECT u.filename, sum(u.units - (
                SELECT count(*) FROM viewership.set_aside_rows a WHERE a.upload_id = u.upload_id)) AS stored
            FROM viewership.uploads u
            WHERE u.upload_id = ANY (:uploads) AND u.created_at >= CURRENT_TIMESTAMP - make_interval(days => :days)
            GROUP BY u.filename
        ) f LEFT JOIN ({query}) q USING (filename)
        """,  # noqa: S608 - a constant of this module
        files=found.names,
        uploads=found.uploads,
        days=days,
    )


def _rates(database: DatabaseSession, found: Files, days: int, query: str) -> dict[str, int]:
    """Compare the matched records of each file with its records in the final table."""
    del days
    return _one(
        database,
        "number matched unmatched wrong",
        f"""
        SELECT count(*) AS number, sum(q.matched) AS matched, sum(q.unmatched) AS unmatched,
            count(*) FILTER (WHERE q.matched <> COALESCE(f.final, 0)) AS wrong
        FROM ({query}) q LEFT JOIN (
            SELECT u.filename, sum(d.records) AS final FROM viewership.uploads u JOIN (
                SELECT upload_id, count(DISTINCT viewership_id) AS records FROM viewership.episode_details
                WHERE upload_id = ANY (:uploads) GROUP BY upload_id
            ) d USING (upload_id) GROUP BY u.filename
        ) f USING (filename)
        """,  # noqa: S608 - a constant of this module
        files=found.names,
        uploads=found.uploads,
    )


def _unmatched(database: DatabaseSession, found: Files, days: int, query: str) -> dict[str, int]:
    """Compare the number of logged records with the rows that are not in the final table."""
    return _one(
        database,
        "number waiting wrong",
        f"""
        SELECT q.number, q.number - f.waiting AS wrong, f.waiting
        FROM (SELECT count(*) AS number FROM ({query}) logged) q CROSS JOIN (
            SELECT count(*) AS waiting FROM viewership.platform_viewership r
            JOIN viewership.uploads u USING (upload_id)
            WHERE r.upload_id = ANY (:uploads) AND r.key_id IS NOT NULL
                AND u.created_at >= CURRENT_TIMESTAMP - make_interval(days => :days)
                AND NOT EXISTS (SELECT FROM viewership.episode_details d WHERE d.viewership_id = r.id)
        ) f
        """,  # noqa: S608 - a constant of this module
        files=found.names,
        uploads=found.uploads,
        days=days,
    )


def _formula(database: DatabaseSession, found: Files, days: int, query: str) -> dict[str, int]:
    del days
    return _one(
        database,
        "number records final logged wrong",
        f"""
        SELECT count(*) AS number, sum(record_count) AS records, sum(matched_in_final_table) AS final,
            sum(unmatched_in_logs) AS logged, count(*) FILTER (WHERE difference <> 0) AS wrong
        FROM ({query}) q
        """,  # noqa: S608 - a constant of this module
        uploads=found.uploads,
    )


_FIGURES: Final = {"recent": _recent, "rates": _rates, "unmatched": _unmatched, "formula": _formula}

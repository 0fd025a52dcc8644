"""Phase times, the slowest uploads, and uploads by platform and state, over the last 30 days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.console.tables.viewership.match_rates import Scope
    from shared.database.session import DatabaseSession

__all__ = ["DAYS", "phases", "recent", "slowest"]

DAYS: Final = 30
"""Days that phase times and counts of uploads cover."""

_TIMES: Final = f"""
    FROM viewership.phase_times
    WHERE log_time >= now() - interval '{DAYS} days'
        AND (CAST(:platform AS text) IS NULL OR platform = :platform)
        AND (CAST(:upload AS bigint) IS NULL OR upload_id = :upload)
"""


def phases(database: DatabaseSession, scope: Scope) -> Sequence[Any]:
    """Return median and 95th percentile in seconds, by phase and platform, of uploads of the last 30 days."""
    return database.rows(
        f"""
        SELECT procedure_name AS phase, COALESCE(platform, '') AS platform, count(*) AS uploads,
            sum(attempts)::bigint AS attempts, count(*) FILTER (WHERE status NOT IN ('success', 'skipped')) AS failed,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY execution_ms) / 1000 AS median_s,
            percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_ms) / 1000 AS p95_s,
            max(execution_ms)::float / 1000 AS max_s
        {_TIMES}
        GROUP BY procedure_name, COALESCE(platform, '')
        ORDER BY procedure_name LIKE 'match %',
            array_position(ARRAY['upload', 'normalize', 'match', 'load', 'reprocess', 'retract'], procedure_name),
            procedure_name, 2
        """,
        **_of_upload(scope),
    )


def slowest(database: DatabaseSession, scope: Scope) -> Sequence[Any]:
    """Return the uploads of the last 30 days whose phases took longest, with their slowest phase."""
    return database.rows(
        f"""
        SELECT t.upload_id, u.platform, u.filename, u.units, t.total_s, t.phase, t.phase_s
        FROM (
            SELECT upload_id, sum(total_ms)::float / 1000 AS total_s,
                (array_agg(procedure_name ORDER BY total_ms DESC NULLS LAST))[1] AS phase,
                max(total_ms)::float / 1000 AS phase_s
            {_TIMES} AND procedure_name NOT LIKE 'match %'  -- parts of match
            GROUP BY upload_id ORDER BY total_s DESC NULLS LAST, upload_id LIMIT 10
        ) t JOIN viewership.uploads u USING (upload_id)
        ORDER BY t.total_s DESC NULLS LAST, t.upload_id
        """,  # noqa: S608 - a constant of this module
        **_of_upload(scope),
    )


def _of_upload(scope: Scope) -> dict[str, Any]:
    return {"platform": scope.platform, "upload": scope.upload_id}


def recent(database: DatabaseSession, scope: Scope) -> Sequence[Any]:
    """Return failed, waiting, loaded and all uploads of the last 30 days, by platform."""
    return database.rows(
        """
        SELECT platform, uploads, loaded, failed, waiting, failure_rate
        FROM viewership.recent_uploads WHERE CAST(:platform AS text) IS NULL OR platform = :platform
        ORDER BY failed DESC, platform
        """,
        platform=scope.platform,
    )

"""Gauges for alerts: rows of the last day by fate, the age of the oldest review, uploads that wait for a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["measure"]

_FATES: Final = ("final", "review", "unmatched", "held", "rejected", "filtered", "topline")
# Uploads that were matched: before that, every row counts as unmatched.
_MATCHED: Final = ("matched", "loaded", "partial")
_WAITING: Final = ("needs_choice", "copy", "overlap")


def measure(session: DatabaseSession) -> dict[str, int]:
    """Return the gauges by name, for the counts of a report.

    ``day_<fate>`` are rows of the uploads of the last 24 hours, ``oldest_review_s`` is the age in seconds of the oldest
    upload with rows in review (0 if there is none), and ``needs_choice`` the uploads that wait for an answer.

    Args:
        session: a transaction, which changes nothing.
    """
    rows = session.rows(
        """
        WITH recent AS (
            SELECT upload_id FROM viewership.uploads
            WHERE created_at > now() - interval '1 day' AND status = ANY (:matched)
        )
        SELECT fate, count(*) AS rows FROM viewership.row_fates
        WHERE upload_id IN (SELECT upload_id FROM recent) GROUP BY fate
        UNION ALL
        SELECT fate, count(*) FROM viewership.set_aside_rows
        WHERE upload_id IN (SELECT upload_id FROM recent) GROUP BY fate
        """,
        matched=list(_MATCHED),
    )
    counted = {row.fate: row.rows for row in rows}
    others = session.rows(
        """
        SELECT COALESCE(ceil(extract(epoch FROM now() - (
                SELECT min(u.created_at) FROM viewership.matches m
                JOIN viewership.platform_viewership r USING (key_id)
                JOIN viewership.uploads u USING (upload_id)
                WHERE m.status = 'review' AND u.status = ANY (:matched)
            ))), 0)::bigint AS oldest_review_s,
            (SELECT count(*) FROM viewership.uploads WHERE status = ANY (:waiting)) AS needs_choice
        """,
        matched=list(_MATCHED),
        waiting=list(_WAITING),
    )[0]
    return {**{f"day_{fate}": counted.get(fate, 0) for fate in _FATES}, **others._asdict()}

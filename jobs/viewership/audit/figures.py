"""Figures that alerts watch: what became of the rows of the last day, the oldest review, and uploads that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.model import Fate

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["figures"]


def figures(session: DatabaseSession) -> dict[str, int]:
    """Return the figures of all uploads, by the name of their count.

    ``day_final`` and the other fates are units of the uploads of the last 24 hours, ``oldest_review_s`` is the age of
    the oldest upload with rows in review, and ``needs_choice`` counts uploads that wait for a user's choice.
    """
    rows = session.rows(
        """
        SELECT fate, count(*) AS units FROM (
            SELECT f.fate, f.upload_id FROM viewership.row_fates f
            UNION ALL SELECT a.fate, a.upload_id FROM viewership.set_aside_rows a
        ) each JOIN viewership.uploads u USING (upload_id)
        WHERE u.created_at > now() - interval '24 hours'
            AND u.status IN ('read', 'normalized', 'matched', 'loaded', 'partial')
        GROUP BY fate
        """
    )
    units = {row.fate: row.units for row in rows}
    [[age]] = session.rows(
        """
        SELECT COALESCE(extract(epoch FROM now() - min(u.created_at)), 0)::bigint FROM viewership.uploads u
        WHERE EXISTS (SELECT FROM viewership.platform_viewership r JOIN viewership.matches m USING (key_id)
            WHERE r.upload_id = u.upload_id AND m.status = 'review') AND u.status IN ('matched', 'loaded', 'partial')
        """
    )
    [[waiting]] = session.rows(
        "SELECT count(*) FROM viewership.uploads WHERE status IN ('needs_choice', 'copy', 'overlap')"
    )
    counts = {f"day_{fate.value}": units.get(fate.value, 0) for fate in Fate}
    return {**counts, "oldest_review_s": age, "needs_choice": waiting}

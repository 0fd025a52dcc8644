"""Copies of viewership's slow views: the tables `console.review_keys` and `console.match_rates`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["MARK", "Name", "make"]

Name = Literal["review_keys", "match_rates"]

MARK: Final = """
    SELECT concat_ws('/', (SELECT max(id) FROM viewership.match_history), (SELECT max(id) FROM viewership.error_log),
        (SELECT max(decision_id) FROM viewership.decisions), (SELECT max(updated_at) FROM viewership.uploads))
"""
"""State of the tables below the views: decisions and their undo add to the history of matches, phases to the log, and
retractions change an upload."""


@dataclass(frozen=True, slots=True)
class _View:
    """A view and its copy.

    Attributes:
        key: columns that identify a row.
        same: condition for a new row ``n`` to have the key of a copied row ``o``. Only equality: a join by
            ``IS NOT DISTINCT FROM`` cannot be hashed, and would compare every pair.
        others: the other columns.
        query: the rows.
    """

    key: str
    same: str
    others: str
    query: str


_VIEWS: Final = {
    "review_keys": _View(
        key="review_digest",
        same="n.review_digest = o.review_digest",
        others="platform, status, title, series, season, episode, content_id, keys, rows, held, uploads, hours,"
        " revenue, accepted_before, candidates, score, margin, reason, waiting_since",
        query="""
        SELECT q.review_digest, q.platform, q.status, COALESCE(q.content_name, q.content_name_2) AS title, q.series,
            q.season, q.episode, q.content_id, q.keys, q.rows, q.held, q.uploads, q.hours, q.revenue,
            q.accepted_before, jsonb_array_length(q.candidates) AS candidates, c.score, c.score - c.next AS margin,
            q.reasons -> 0 ->> 'code' AS reason, q.waiting_since
        FROM viewership.review_queue q
        CROSS JOIN LATERAL (
            SELECT (array_agg(s ORDER BY s DESC))[1] AS score, (array_agg(s ORDER BY s DESC))[2] AS next
            FROM (SELECT (x ->> 'score')::numeric AS s FROM jsonb_array_elements(q.candidates) x) scores
        ) c
        """,
    ),
    "match_rates": _View(
        key="upload_id, fate, week, bucket",
        same="n.upload_id = o.upload_id AND n.fate = o.fate AND COALESCE(n.bucket, '') = COALESCE(o.bucket, '')"
        " AND COALESCE(n.week, '-infinity') = COALESCE(o.week, '-infinity')",
        others="platform, units, hours, revenue",
        query="SELECT upload_id, fate, week, bucket, platform, units, hours, revenue FROM viewership.match_rates",
    ),
}


def make(session: DatabaseSession, name: Name) -> None:
    """Bring a copy to what its view returns, writing only rows that differ.

    Args:
        session: the transaction.
        name: the copy.
    """
    view = _VIEWS[name]
    others = view.others.split(", ")
    old, new = (", ".join(f"{row}.{each}" for each in others) for row in ("o", "EXCLUDED"))
    session.run(
        f"""
        WITH new AS MATERIALIZED ({view.query}), gone AS (
            DELETE FROM console.{name} o WHERE NOT EXISTS (SELECT FROM new n WHERE {view.same})
        )
        INSERT INTO console.{name} AS o ({view.key}, {view.others}) SELECT {view.key}, {view.others} FROM new
        ON CONFLICT ({view.key}) DO UPDATE SET {", ".join(f"{each} = EXCLUDED.{each}" for each in others)}
        WHERE ({old}) IS DISTINCT FROM ({new})
        """  # noqa: S608 - constants of this module
    )

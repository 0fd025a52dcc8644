"""The review queue: totals and groups from its copy, and the waiting rows of one key, read live.

`viewership.review_queue` aggregates every row that waits; these queries read the same for one key alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from shared.database.session import DatabaseSession

__all__ = ["WAITING", "Group", "Queue", "decided_among", "forget", "groups", "largest", "queue", "remember"]

# The view's conditions: the waiting rows of one key. Keep them equal to those of viewership.review_queue.
WAITING: Final = """
    WITH waiting AS (
        SELECT k.key_id, m.status = 'matched' AS accepted, m.status <> 'unmatched' AS review,
            count(*) FILTER (WHERE s.code IS NULL) AS rows,
            COALESCE(sum(r.tot_hov) FILTER (WHERE s.code IS NULL), 0) AS hours,
            COALESCE(sum(r.revenue) FILTER (WHERE s.code IS NULL), 0) AS revenue,
            count(*) FILTER (WHERE s.code IS NOT NULL) AS held, array_agg(DISTINCT r.upload_id) AS uploads,
            min(u.created_at) AS since
        FROM viewership.keys k
        JOIN viewership.matches m USING (key_id)
        JOIN viewership.platform_viewership r USING (key_id)
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.scopes s USING (scope_id)
        WHERE k.review_digest = :digest AND u.status IN ('matched', 'loaded', 'partial')
            AND (m.status IN ('review', 'unmatched')
                OR r.upload_id <> ALL (m.uploads) AND NOT u.replaces && m.uploads)
        GROUP BY k.key_id, m.status
    ), summed AS (
        SELECT array_agg(key_id ORDER BY key_id) AS keys,
            (array_agg(key_id ORDER BY hours DESC, rows DESC, key_id))[1] AS first, bool_or(review) AS review,
            bool_or(accepted) AS accepted, sum(rows)::bigint AS rows, sum(hours) AS hours, sum(revenue) AS revenue,
            sum(held)::bigint AS held, min(since) AS since,
            (SELECT count(DISTINCT x) FROM waiting w, unnest(w.uploads) x) AS uploads
        FROM waiting HAVING count(*) > 0
    )
"""
"""SQL that begins with ``WITH``: ``summed`` has one row, or none, with what waits of the key ``:digest``."""

_LARGEST: Final = 20


@dataclass(frozen=True, slots=True)
class Queue:
    """A number of keys that wait, and the hours of their rows."""

    keys: int
    hours: Decimal | int


class Group(NamedTuple):
    """Keys that wait with the same values: the values, the number of keys, and their hours."""

    values: tuple[str | None, ...]
    keys: int
    hours: Decimal


def queue(database: DatabaseSession, where: str = "", values: dict[str, Any] | None = None) -> Queue:
    """Return the sums of the copy of the queue.

    Args:
        database: a transaction.
        where: trusted SQL of a WHERE clause over ``console.review_keys q``.
        values: its parameters.
    """
    (row,) = database.rows(
        f"SELECT count(*), COALESCE(sum(q.hours), 0) FROM console.review_keys q {where}",  # noqa: S608 - trusted
        **(values or {}),
    )
    return Queue(*row)


def largest(database: DatabaseSession, platform: str | None) -> Sequence[Any]:
    """Return the 20 keys with the most hours, of all platforms or of one."""
    return database.rows(
        """
        SELECT encode(review_digest, 'hex') AS key, platform, status, title, series, season, episode, content_id, rows,
            uploads, hours, candidates, score, reason
        FROM console.review_keys
        WHERE CAST(:platform AS text) IS NULL OR platform = :platform
        ORDER BY hours DESC, review_digest DESC LIMIT :most
        """,
        platform=platform,
        most=_LARGEST,
    )


def groups(
    database: DatabaseSession, expressions: Sequence[str], where: str = "", values: dict[str, Any] | None = None
) -> list[Group]:
    """Return the copy of the queue in groups by the values of a few expressions.

    Args:
        database: a transaction.
        expressions: trusted SQL over ``console.review_keys q``, each with few distinct values.
        where: trusted SQL of a WHERE clause.
        values: its parameters.
    """
    places = ", ".join(str(place) for place in range(1, len(expressions) + 1))
    rows = database.rows(
        f"SELECT {', '.join(f'({each})::text' for each in expressions)}, count(*), sum(q.hours)"  # noqa: S608 - trusted
        f" FROM console.review_keys q {where} GROUP BY {places}",
        **(values or {}),
    )
    return [Group(tuple(row[:-2]), row[-2], row[-1]) for row in rows]


def decided_among(database: DatabaseSession, digests: Sequence[bytes]) -> set[bytes]:
    """Return which of some keys of the copy do not wait any more."""
    rows = database.rows(
        """
        SELECT d.digest FROM unnest(CAST(:digests AS bytea[])) d (digest)
        WHERE NOT EXISTS (
            SELECT FROM viewership.keys k JOIN viewership.matches m USING (key_id)
            WHERE k.review_digest = d.digest AND (m.status IN ('review', 'unmatched') OR m.uploads IS NOT NULL
                AND EXISTS (
                    SELECT FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
                    WHERE r.key_id = m.key_id AND u.status IN ('matched', 'loaded', 'partial')
                        AND r.upload_id <> ALL (m.uploads) AND NOT u.replaces && m.uploads))
        )
        """,
        digests=list(digests),
    )
    return {bytes(row.digest) for row in rows}


def forget(database: DatabaseSession, digest: bytes) -> None:
    """Remove a key from the copy of the queue, in the transaction of its decision.

    A copy that is being made locks its rows for up to a second. A decision does not wait for it: pages hide keys that
    no longer wait, and the next copy lacks them.
    """
    database.run(
        "DELETE FROM console.review_keys WHERE review_digest IN (SELECT q.review_digest FROM console.review_keys q"
        " WHERE q.review_digest = :digest FOR UPDATE SKIP LOCKED)",
        digest=digest,
    )


def remember(database: DatabaseSession, digest: bytes) -> None:
    """Write a key to the copy of the queue as it waits now, in the transaction of an undo."""
    forget(database, digest)
    database.run(
        f"""
        {WAITING}
        INSERT INTO console.review_keys (review_digest, platform, status, title, series, season, episode, content_id,
            keys, rows, held, uploads, hours, revenue, accepted_before, candidates, score, margin, reason,
            waiting_since)
        SELECT k.review_digest, k.review_key[1], CASE WHEN q.review THEN 'review' ELSE 'unmatched' END,
            COALESCE(k.content_name, k.content_name_2), k.series, k.season, k.episode, k.content_id, q.keys, q.rows,
            q.held, q.uploads, q.hours, q.revenue, CASE WHEN q.accepted THEN m.episode_id END,
            jsonb_array_length(m.candidates), c.score, c.score - c.next, m.reasons -> 0 ->> 'code', q.since
        FROM summed q JOIN viewership.keys k ON k.key_id = q.first JOIN viewership.matches m ON m.key_id = q.first
        CROSS JOIN LATERAL (
            SELECT (array_agg(s ORDER BY s DESC))[1] AS score, (array_agg(s ORDER BY s DESC))[2] AS next
            FROM (SELECT (x ->> 'score')::numeric AS s FROM jsonb_array_elements(m.candidates) x) scores
        ) c
        ON CONFLICT (review_digest) DO NOTHING
        """,  # noqa: S608 - a constant of this module
        digest=digest,
    )

"""Open cards by reviewer: shown to other reviewers, not locked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jobs.console.model import Principal
    from jobs.console.tables.database import Database

__all__ = ["LEASE_MIN", "look"]

LEASE_MIN: Final = 5
"""Minutes for which others see that a reviewer has opened a card."""


def look(database: Database, principal: Principal, digest: bytes) -> list[str]:
    """Record that a reviewer looks at a card, and return who else has opened it in the last five minutes.

    Args:
        database: the console's connections.
        principal: the reviewer.
        digest: the card's key.
    """
    with database.write() as session:
        # Losing a lease in a crash costs nothing; waiting for the disk costs milliseconds on each card.
        session.rows("SELECT set_config('synchronous_commit', 'off', true)")
        rows = session.rows(
            """
            WITH mine AS (
                INSERT INTO console.viewers AS v (viewer, review_digest) VALUES (left(:viewer, 128), :digest)
                ON CONFLICT (viewer) DO UPDATE SET review_digest = EXCLUDED.review_digest, seen_at = now()
            )
            SELECT v.viewer FROM console.viewers v
            WHERE v.review_digest = :digest AND v.viewer <> left(:viewer, 128)
                AND v.seen_at > now() - make_interval(mins => :minutes)
            ORDER BY v.seen_at DESC LIMIT 5
            """,
            viewer=principal.name,
            digest=digest,
            minutes=LEASE_MIN,
        )
    return [row.viewer for row in rows]

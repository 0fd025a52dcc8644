"""The card that each reviewer looks at, and an index for a reviewer's decisions."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

TABLES = ("console.viewers",)


def upgrade() -> None:
    # One row a reviewer, replaced with each card: it never grows.
    op.execute("""
        CREATE TABLE console.viewers (
            viewer text PRIMARY KEY CHECK (length(viewer) BETWEEN 1 AND 128),
            review_digest bytea NOT NULL CHECK (octet_length(review_digest) = 16),
            seen_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX decisions_by ON viewership.decisions (decided_by, decision_id)")

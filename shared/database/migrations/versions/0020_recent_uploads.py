"""Viewership: let ``recent_uploads`` begin at the start of a day, as the list of uploads that it leads to does."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("""
        CREATE OR REPLACE VIEW viewership.recent_uploads AS
        SELECT platform, count(*) AS uploads, count(*) FILTER (WHERE status = 'loaded') AS loaded,
            count(*) FILTER (WHERE status IN ('refused', 'partial')) AS failed,
            count(*) FILTER (WHERE status IN ('received', 'needs_choice', 'copy', 'overlap')) AS waiting,
            round(count(*) FILTER (WHERE status IN ('refused', 'partial'))::numeric / count(*), 4) AS failure_rate
        FROM viewership.uploads
        WHERE created_at >= (date_trunc('day', now() AT TIME ZONE 'UTC') - interval '30 days') AT TIME ZONE 'UTC'
        GROUP BY platform
    """)

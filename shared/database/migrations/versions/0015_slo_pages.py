"""A view of the pages of a day, and indexes for missed title-days: the console lists them."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

VIEWS = ("trakt.day_pages",)


def upgrade() -> None:
    # A page of a listing counts once a day, however often it was planned; slices of a failed page do not count, nor do
    # pages beyond the end of a listing.
    op.execute("""
        CREATE VIEW trakt.day_pages AS
        SELECT day, kind, trakt_id, resource, comment_id, sort, page, page_limit,
            bool_or(status IN ('good', 'good_empty')) AS landed,
            (array_agg(COALESCE(reason, upper(status)) ORDER BY planned_at DESC))[1] AS reason,
            max(attempts) AS attempts, max(http_status) AS http_status
        FROM trakt.pages WHERE NOT slice AND NOT (status = 'skipped' AND reason = 'NOT_NEEDED')
        GROUP BY day, kind, trakt_id, resource, comment_id, sort, page, page_limit
    """)
    op.execute("COMMENT ON VIEW trakt.day_pages IS 'Each page that was planned on a day, once'")
    # Of 560,000 title-days of a window, 1 % are missed: without these, the list of an empty filter reads them all.
    op.execute("""
        CREATE INDEX trakt_slo_titles_missed ON gold.trakt_slo_titles (day, title_kind, title_id_trakt)
            INCLUDE (reason) WHERE NOT is_fresh
    """)
    op.execute("""
        CREATE INDEX trakt_slo_titles_incomplete ON gold.trakt_slo_titles (day, title_kind, title_id_trakt)
            WHERE pages_landed < pages_planned
    """)

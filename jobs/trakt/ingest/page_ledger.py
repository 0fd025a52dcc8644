"""Pages of the ledger: planned before their requests, then updated with their outcomes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from jobs.trakt.ingest.ledger_rows import Planned, title_columns
from jobs.trakt.ingest.process import Process
from jobs.trakt.model import TitleRef
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.trakt.ingest.ledger_rows import Outcome, Single, Target
    from shared.database.session import DatabaseSession

__all__ = ["PageLedger"]


class PageLedger(Process):
    """Pages of the ledger."""

    def plan_pages(
        self, sweep_id: int, target: Target, pages: Sequence[int], limit: int, load_id: str, *, part: bool = False
    ) -> dict[int, int]:
        """Plan pages of a sweep, and return the number of each page's row. A page that was read keeps its outcome."""
        with transaction(self._settings) as session:
            return self._plan(session, sweep_id, target, pages, limit, load_id, part=part)

    def _plan(  # noqa: PLR0917 - as plan_pages, in a transaction
        self,
        session: DatabaseSession,
        sweep_id: int,
        target: Target,
        pages: Sequence[int],
        limit: int,
        load_id: str,
        *,
        part: bool = False,
    ) -> dict[int, int]:
        session.run(
            """
            INSERT INTO trakt.pages AS known (day, run_id, sweep_id, resource, kind, trakt_id, comment_id, sort, page,
                page_limit, slice, load_id)
            SELECT :day, :run_id, :sweep_id, :resource, :kind, :trakt_id, :comment_id, :sort, page, :limit, :slice,
                :load_id
            FROM unnest(CAST(:pages AS integer[])) AS page
            ON CONFLICT (sweep_id, page, page_limit) DO UPDATE SET status = 'planned', reason = NULL,
                run_id = excluded.run_id, load_id = excluded.load_id
            WHERE known.status IN ('planned', 'skipped', 'failed')
            """,
            **title_columns(target.ref),
            day=self.day,
            run_id=self.run_id,
            sweep_id=sweep_id,
            resource=target.resource,
            comment_id=target.comment_id,
            sort=target.sort,
            limit=limit,
            slice=part,
            load_id=load_id,
            pages=list(pages),
        )
        rows = session.rows(
            """
            SELECT page, page_id FROM trakt.pages
            WHERE sweep_id = :sweep_id AND page_limit = :limit AND page = ANY (:pages)
            """,
            sweep_id=sweep_id,
            limit=limit,
            pages=list(pages),
        )
        return {row.page: row.page_id for row in rows}

    def plan_singles(self, singles: Sequence[Single], load_id: str) -> list[int]:
        """Plan documents that are not lists, and return the numbers of their rows, in order."""
        with transaction(self._settings) as session:
            return self.plan_in(session, singles, load_id)

    def plan_in(self, session: DatabaseSession, singles: Sequence[Single], load_id: str) -> list[int]:
        """Plan documents in a transaction of the caller, as :meth:`plan_singles` does in its own."""
        if not singles:
            return []
        rows = [
            {**title_columns(each.ref), "at": at, "resource": each.resource, "comment_id": each.comment_id}
            for at, each in enumerate(singles)
        ]
        made = session.rows(
            """
            INSERT INTO trakt.pages (day, run_id, resource, kind, trakt_id, comment_id, page, page_limit, load_id)
            SELECT :day, :run_id, resource, kind, trakt_id, comment_id, 1, 1, :load_id
            FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS given (at integer, resource text, kind text, trakt_id bigint, comment_id bigint)
            ORDER BY at RETURNING page_id
            """,
            day=self.day,
            run_id=self.run_id,
            load_id=load_id,
            rows=json.dumps(rows),
        )
        # A statement numbers the rows that it inserts in their order.
        return sorted(row.page_id for row in made)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write what became of pages.

        If a page was read before, its requests and bytes add up, and comments that it no longer has are kept.
        """
        if not outcomes:
            return
        with transaction(self._settings) as session:
            session.run(
                """
                UPDATE trakt.pages p SET
                    -- A page that was read stays so if only a later comparison of its border failed.
                    status = CASE WHEN r.status = 'failed' AND p.status LIKE 'good%' THEN p.status ELSE r.status END,
                    reason = CASE WHEN r.status = 'failed' AND p.status LIKE 'good%' THEN p.reason ELSE r.reason END,
                    load_id = CASE WHEN r.status = 'failed' AND p.status LIKE 'good%' THEN p.load_id ELSE r.load_id END,
                    rows = coalesce(r.rows, p.rows), bad = coalesce(r.bad, p.bad),
                    duplicates = coalesce(p.duplicates, 0) + r.duplicates, bytes = coalesce(p.bytes, 0) + r.bytes,
                    ms = coalesce(p.ms, 0) + r.ms, attempts = p.attempts + r.attempts,
                    throttled = p.throttled + r.throttled, http_status = r.http_status,
                    observed_at = coalesce(r.observed_at, p.observed_at), page_key = coalesce(r.page_key, p.page_key),
                    first_id = coalesce(r.first_id, p.first_id), last_id = coalesce(r.last_id, p.last_id),
                    ids = CASE WHEN r.ids IS NULL THEN p.ids
                        ELSE ARRAY(SELECT unnest(p.ids) EXCEPT SELECT unnest(r.ids)) || r.ids END,
                    page_count = coalesce(r.page_count, p.page_count),
                    item_count = coalesce(p.item_count, r.item_count), run_id = :run_id
                FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (page_id bigint, status text, load_id text,
                    reason text, rows integer, bad integer, duplicates integer, bytes bigint, ms integer,
                    attempts integer, throttled integer, http_status integer, observed_at timestamptz, page_key text,
                    first_id bigint, last_id bigint, ids bigint[], page_count integer, item_count bigint)
                WHERE p.page_id = r.page_id
                """,
                rows=json.dumps([asdict(each) for each in outcomes]),
                run_id=self.run_id,
            )

    def skip_rest(self, reason: str) -> int:
        """Mark the pages that this process planned and did not ask for; return their number."""
        with transaction(self._settings) as session:
            return session.run(
                """
                UPDATE trakt.pages SET status = 'skipped', reason = :reason
                WHERE status = 'planned' AND load_id IN (SELECT load_id FROM trakt.loads WHERE owner = :owner)
                    AND run_id = :run_id
                """,
                reason=reason,
                owner=self.owner,
                run_id=self.run_id,
            )

    def planned(self, loads: Sequence[str]) -> list[Planned]:
        """Return the rows of some loads that are still planned."""
        with transaction(self._settings) as session:
            rows = session.rows(
                """
                SELECT page_id, load_id, resource, kind, trakt_id, comment_id, sort, page, page_limit, sweep_id
                FROM trakt.pages WHERE status = 'planned' AND load_id = ANY (:loads) ORDER BY page_id
                """,
                loads=list(loads),
            )
        return [
            Planned(
                row.page_id,
                row.load_id,
                row.resource,
                TitleRef(row.kind, row.trakt_id) if row.kind else None,
                row.comment_id,
                row.sort,
                row.page,
                row.page_limit,
                row.sweep_id is not None,
            )
            for row in rows
        ]

    def page_keys(self, loads: Sequence[str]) -> list[str]:
        """Return the keys of page objects that the rows of some loads name."""
        with transaction(self._settings) as session:
            rows = session.rows(
                "SELECT page_key FROM trakt.pages WHERE page_key IS NOT NULL AND load_id = ANY (:loads)",
                loads=list(loads),
            )
        return [row.page_key for row in rows]

    def skip_singles(self, loads: Sequence[str]) -> None:
        """Mark documents of some loads that were planned, but not read; pages of a sweep wait for its resumption."""
        with transaction(self._settings) as session:
            session.run(
                """
                UPDATE trakt.pages SET status = 'skipped', reason = 'INTERRUPTED'
                WHERE status = 'planned' AND sweep_id IS NULL AND load_id = ANY (:loads)
                """,
                loads=list(loads),
            )

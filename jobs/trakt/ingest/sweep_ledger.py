"""Sweeps of the ledger: one process at a time reads a listing; what an ended process left is resumed or abandoned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.ingest.ledger_rows import Busy, OpenSweep, title_columns
from jobs.trakt.ingest.page_ledger import PageLedger
from jobs.trakt.ingest.process import is_dead
from jobs.trakt.ingest.sweep import LIMIT, Known
from jobs.trakt.model import TitleRef
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobs.trakt.ingest.ledger_rows import Target
    from shared.database.session import DatabaseSession

__all__ = ["SweepLedger"]

# A sweep that was interrupted longer ago is started again: most of its pages would be read again before the next one.
_RESUMABLE_DAYS: Final = 7


class SweepLedger(PageLedger):
    """Sweeps of the ledger."""

    def open_sweep(self, target: Target, limit: int, load_id: str) -> OpenSweep:
        """Start a sweep, or resume the one that an ended process left; plan the first page.

        Args:
            target: the listing.
            limit: comments per page.
            load_id: the open load.

        Raises:
            Busy: another process reads the listing now, or has read it since this one planned to.
        """
        with transaction(self._settings) as session:
            found = self._claim(session, target, limit)
            first = len(found.known) + 1
            self._plan(session, found.sweep_id, target, [first], limit, load_id)
        return found

    def _claim(self, session: DatabaseSession, target: Target, limit: int) -> OpenSweep:
        values = {**title_columns(target.ref), "resource": target.resource, "comment_id": target.comment_id}
        while True:
            made = session.rows(
                """
                INSERT INTO trakt.sweeps
                    (run_id, owner, resource, kind, trakt_id, comment_id, sort, since, page_limit)
                VALUES (:run_id, :owner, :resource, :kind, :trakt_id, :comment_id, :sort, :since, :page_limit)
                ON CONFLICT DO NOTHING RETURNING sweep_id
                """,
                **values,
                run_id=self.run_id,
                owner=self.owner,
                sort=target.sort,
                since=target.since,
                page_limit=limit,
            )
            if made:
                # Looked up after the insert: another sweep may have ended just before it. Busy undoes the insert.
                if target.resource == "comments" and session.rows(
                    """
                    SELECT 1 FROM trakt.sweeps WHERE resource = 'comments' AND kind = :kind AND trakt_id = :trakt_id
                        AND complete AND ended_at > :planned_at AND owner <> :owner LIMIT 1
                    """,
                    **title_columns(target.ref),
                    planned_at=self._planned_at,
                    owner=self.owner,
                ):
                    raise Busy
                return OpenSweep(made[0].sweep_id, hint=self._hint(session, target))
            left = session.rows(
                """
                SELECT sweep_id, owner, sort, since, page_limit, started_at,
                    started_at > now() - make_interval(days => :days) AS is_young
                FROM trakt.sweeps
                WHERE ended_at IS NULL AND resource = :resource AND kind IS NOT DISTINCT FROM CAST(:kind AS text)
                    AND trakt_id IS NOT DISTINCT FROM CAST(:trakt_id AS bigint)
                    AND comment_id IS NOT DISTINCT FROM CAST(:comment_id AS bigint)
                FOR UPDATE
                """,
                **values,
                days=_RESUMABLE_DAYS,
            )
            if not left:
                continue  # it has ended in the meantime
            if left[0].owner == self.owner and target.resource == "replies":
                return OpenSweep(left[0].sweep_id)  # planned at the end of its title's sweep
            if not is_dead(session, left[0].owner):
                raise Busy
            same = (left[0].sort, left[0].since, left[0].page_limit) == (target.sort, target.since, limit)
            if target.resource != "feed" and same and left[0].is_young:
                return self._adopt(session, left[0].sweep_id, target)
            self._abandon(session, [left[0].sweep_id], "ABANDONED")

    def _adopt(self, session: DatabaseSession, sweep_id: int, target: Target) -> OpenSweep:
        session.run(
            "UPDATE trakt.sweeps SET owner = :owner, run_id = :run_id WHERE sweep_id = :sweep_id",
            owner=self.owner,
            run_id=self.run_id,
            sweep_id=sweep_id,
        )
        rows = session.rows(
            """
            SELECT page, ids, page_count, item_count, observed_at, page_key FROM trakt.pages
            WHERE sweep_id = :sweep_id AND NOT slice AND status IN ('good', 'good_empty') AND reason IS NULL
            ORDER BY page
            """,
            sweep_id=sweep_id,
        )
        # Pages behind a hole are read again, and so are all pages after one that was read in slices.
        known = [
            Known(row.page, tuple(row.ids or ()), row.page_count, row.item_count)
            for at, row in enumerate(rows, 1)
            if row.page == at
        ]
        started = rows[0].observed_at if known else None
        keys = tuple(row.page_key for row in rows[: len(known)] if row.page_key is not None)
        return OpenSweep(sweep_id, tuple(known), started, self._hint(session, target), keys)

    @staticmethod
    def _hint(session: DatabaseSession, target: Target) -> int:
        """Return the last page with comments of the latest complete sweep."""
        if target.resource != "comments" or target.since is not None:
            return 0
        rows = session.rows(
            """
            SELECT coalesce(max(page), 0) AS last FROM trakt.pages WHERE NOT slice AND rows > 0 AND sweep_id = (
                SELECT sweep_id FROM trakt.sweeps
                WHERE complete AND resource = 'comments' AND kind = :kind AND trakt_id = :trakt_id
                ORDER BY ended_at DESC LIMIT 1
            )
            """,
            **title_columns(target.ref),
        )
        return int(rows[0].last)

    def end_sweep(
        self,
        sweep_id: int,
        *,
        expected: int,
        limit: int,
        complete: bool,
        verified: bool,
        borders: bool,
        reason: str | None,
        notes: Iterable[str],
        sliced: Sequence[int] = (),
        ended: Callable[[DatabaseSession], None] | None = None,
    ) -> None:
        """End a sweep, and mark the pages that it did not reach as skipped for the same reason.

        Args:
            sweep_id: the sweep.
            expected: number of pages that the API stated.
            limit: comments per page that it stated.
            complete: whether nothing is missing.
            verified: whether the number of pages was stated.
            borders: whether all borders between pages were compared.
            reason: why it is not complete.
            notes: codes of oddities.
            sliced: pages that failed, and were then read in parts.
            ended: called in the same transaction.
        """
        with transaction(self._settings) as session:
            if sliced:
                session.run(
                    """
                    UPDATE trakt.pages SET status = 'good', reason = 'SLICED'
                    WHERE sweep_id = :sweep_id AND NOT slice AND page = ANY (:pages) AND status = 'failed'
                    """,
                    sweep_id=sweep_id,
                    pages=list(sliced),
                )
            session.run(
                """
                UPDATE trakt.sweeps SET ended_at = clock_timestamp(), pages_expected = :expected, page_limit = :limit,
                    complete = :complete, verified = :verified, borders = :borders, reason = :reason,
                    notes = CAST(:notes AS text[])
                WHERE sweep_id = :sweep_id AND owner = :owner
                """,
                sweep_id=sweep_id,
                owner=self.owner,
                expected=expected,
                limit=limit,
                complete=complete,
                verified=verified,
                borders=borders,
                reason=reason,
                notes=sorted(notes),
            )
            if ended is not None:
                ended(session)
            if reason is None:
                # Rows planned beyond the end, such as before a kill at the last page, are not expected pages.
                session.run("DELETE FROM trakt.pages WHERE sweep_id = :id AND status = 'planned'", id=sweep_id)
            else:
                session.run(
                    """
                    UPDATE trakt.pages SET status = 'skipped', reason = :reason
                    WHERE sweep_id = :sweep_id AND status = 'planned'
                    """,
                    sweep_id=sweep_id,
                    reason=reason,
                )

    def plan_replies(self, session: DatabaseSession, ref: TitleRef, comment_ids: Sequence[int], load_id: str) -> None:
        """Plan to read the replies to comments, in a transaction: a sweep for each comment, and its first page.

        A process that is killed before it has read all of them leaves these sweeps to the next one.
        """
        session.run(
            """
            WITH planned AS (
                INSERT INTO trakt.sweeps (run_id, owner, resource, kind, trakt_id, comment_id, sort, page_limit)
                SELECT :run_id, :owner, 'replies', :kind, :trakt_id, comment_id, 'oldest', :limit
                FROM unnest(CAST(:comment_ids AS bigint[])) AS comment_id
                ON CONFLICT DO NOTHING RETURNING sweep_id, comment_id
            )
            INSERT INTO trakt.pages (day, run_id, sweep_id, resource, kind, trakt_id, comment_id, sort, page,
                page_limit, load_id)
            SELECT :day, :run_id, sweep_id, 'replies', :kind, :trakt_id, comment_id, 'oldest', 1, :limit, :load_id
            FROM planned
            """,
            **title_columns(ref),
            day=self.day,
            run_id=self.run_id,
            owner=self.owner,
            limit=LIMIT,
            comment_ids=list(comment_ids),
            load_id=load_id,
        )

    def owed_replies(self) -> dict[TitleRef, list[int]]:
        """Return the comments whose replies an ended process had planned to read, by title."""
        found: dict[TitleRef, list[int]] = {}
        with transaction(self._settings) as session:
            rows = session.rows(
                """
                SELECT kind, trakt_id, comment_id, owner FROM trakt.sweeps
                WHERE ended_at IS NULL AND resource = 'replies' AND started_at > now() - make_interval(days => :days)
                ORDER BY sweep_id
                """,
                days=_RESUMABLE_DAYS,
            )
            dead = {owner for owner in {row.owner for row in rows} if is_dead(session, owner)}
        for row in rows:
            if row.owner in dead:
                found.setdefault(TitleRef(row.kind, row.trakt_id), []).append(row.comment_id)
        return found

    def abandon(self, refs: Sequence[TitleRef]) -> None:
        """End the sweeps that ended processes left, except those of some titles, and recent ones of replies.

        The exceptions are resumed: titles by this run, replies by the next run that reads replies.
        """
        with transaction(self._settings) as session:
            left = session.rows(
                """
                SELECT sweep_id, owner FROM trakt.sweeps
                WHERE ended_at IS NULL AND NOT (resource = 'comments' AND kind || '-' || trakt_id = ANY (:kept))
                    AND NOT (resource = 'replies' AND started_at > now() - make_interval(days => :days))
                FOR UPDATE SKIP LOCKED
                """,
                kept=[str(ref) for ref in refs],
                days=_RESUMABLE_DAYS,
            )
            self._abandon(session, [each.sweep_id for each in left if is_dead(session, each.owner)], "ABANDONED")

    @staticmethod
    def _abandon(session: DatabaseSession, sweeps: list[int], reason: str) -> None:
        session.run(
            "UPDATE trakt.sweeps SET ended_at = clock_timestamp(), reason = :reason WHERE sweep_id = ANY (:sweeps)",
            reason=reason,
            sweeps=sweeps,
        )
        session.run(
            """
            UPDATE trakt.pages SET status = 'skipped', reason = :reason
            WHERE sweep_id = ANY (:sweeps) AND status = 'planned'
            """,
            reason=reason,
            sweeps=sweeps,
        )

    def resumable(self) -> list[TitleRef]:
        """Return the titles whose sweep an ended process left."""
        with transaction(self._settings) as session:
            rows = session.rows(
                "SELECT kind, trakt_id, owner FROM trakt.sweeps WHERE ended_at IS NULL AND resource = 'comments'"
            )
            return [TitleRef(row.kind, row.trakt_id) for row in rows if is_dead(session, row.owner)]

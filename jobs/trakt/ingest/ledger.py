"""The page ledger: a row for every expected page, written before its request, and what became of it.

A killed run leaves rows that are planned. The next run finds their page objects, or plans them again, or says that they
were skipped; it can tell a killed run from one that is still reading by the advisory lock that each holds.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.ingest.sweep import LIMIT, Known
from jobs.trakt.model import TitleRef
from shared.database.session import transaction
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date, datetime

    from jobs.trakt.bronze.report import DeadLetter, LoadReport
    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["Busy", "Ledger", "LeftLoad", "OpenSweep", "Outcome", "Planned", "Single", "Target", "is_dead"]

_LOCK: Final = "telecine trakt ingest "
# A sweep that was interrupted longer ago is started again: most of its pages would be read again before the next one.
_RESUMABLE_DAYS: Final = 7


class Busy(Exception):
    """Another process reads this listing now."""


@dataclass(frozen=True, slots=True)
class Target:
    """A listing: the comments of a title, the replies to a comment, or a feed.

    Attributes:
        resource: ``comments``, ``replies`` or ``feed``.
        ref: the title; None for a feed.
        comment_id: the comment that was replied to.
        sort: sort order; of a feed, its name.
        since: older comments are not asked for.
        first_page: only the first page is asked for.
        most: at most this many pages are asked for; None for all.
    """

    resource: str
    ref: TitleRef | None
    comment_id: int | None = None
    sort: str = "oldest"
    since: datetime | None = None
    first_page: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Single:
    """A document that is not a list: a rating, a title or a comment."""

    resource: str
    ref: TitleRef | None
    comment_id: int | None = None


@dataclass(frozen=True, slots=True)
class OpenSweep:
    """A sweep that this process may read.

    Attributes:
        sweep_id: its number.
        known: pages that an interrupted run had read.
        started: time of its first answer.
        hint: last page with comments of the complete sweep before.
        keys: page objects of the known pages.
    """

    sweep_id: int
    known: tuple[Known, ...] = ()
    started: datetime | None = None
    hint: int = 0
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """A planned row of a run that ended, to be found as a page object."""

    page_id: int
    load_id: str
    resource: str
    ref: TitleRef | None
    comment_id: int | None
    sort: str | None
    page: int
    page_limit: int
    in_sweep: bool


@dataclass(frozen=True, slots=True)
class LeftLoad:
    """A load of a process that ended before all pages that it had planned were settled.

    Attributes:
        load_id: its id.
        is_committed: whether it is in the table: then only its planned rows are left.
    """

    load_id: str
    is_committed: bool


@dataclass(slots=True)
class Outcome:
    """The outcome of a page; the names are those of columns of trakt.pages."""

    page_id: int
    status: str
    load_id: str
    reason: str | None = None
    rows: int | None = None
    bad: int | None = None
    duplicates: int = 0
    bytes: int = 0
    ms: int = 0
    attempts: int = 0
    throttled: int = 0
    http_status: int | None = None
    observed_at: str | None = None
    page_key: str | None = None
    first_id: int | None = None
    last_id: int | None = None
    ids: list[int] | None = field(default=None)
    page_count: int | None = None
    item_count: int | None = None


def is_dead(session: DatabaseSession, owner: str) -> bool:
    """Return whether the process with this name has ended: its lock is free."""
    free = session.rows("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS free", name=f"{_LOCK}{owner}")
    return bool(free[0].free)


class Ledger:
    """The ledger, as one process writes it. Its methods block: call them from a thread.

    Args:
        settings: where the database is.
        run_id: the run.
        owner: name of this process, unique.
        day: the day that planned pages count for.
    """

    def __init__(self, settings: DatabaseSettings, run_id: str, owner: str, day: date) -> None:
        self.run_id = run_id
        self.owner = owner
        self.day = day
        self._settings = settings
        self._planned_at: datetime | None = None

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Hold the lock that tells other processes that this one still reads."""
        with transaction(self._settings) as session:
            # Idle for as long as the run takes; it has read nothing, and holds back no vacuum.
            session.run("SET LOCAL idle_in_transaction_session_timeout = 0")
            session.lock(f"{_LOCK}{self.owner}")
            yield

    def planning(self) -> None:
        """Remember the time: titles that another process reads completely from now on are not read again."""
        with transaction(self._settings) as session:
            self._planned_at = session.rows("SELECT clock_timestamp() AS now")[0].now

    # Sweeps

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
        values = {**_title(target.ref), "resource": target.resource, "comment_id": target.comment_id}
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
                    **_title(target.ref),
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
        # Pages behind a hole are read again, and all after a page that was read in slices.
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
            **_title(target.ref),
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
        """End a sweep; pages that it did not come to are skipped for its reason.

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
                # Planned beyond the end, such as before a kill between the last page and the end: not expected.
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
        """Plan to read the replies to comments, in a transaction: a sweep each, and its first page.

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
            **_title(ref),
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
        """End the sweeps that ended processes left, except those of some titles, and young ones of replies.

        Those are resumed: the former by this run, the latter by the next one that reads replies.
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

    # Pages

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
            **_title(target.ref),
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
        """Plan documents in a transaction, as :meth:`plan_singles`."""
        if not singles:
            return []
        rows = [
            {**_title(each.ref), "at": at, "resource": each.resource, "comment_id": each.comment_id}
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
        # The numbers of rows that one statement inserts in an order increase in that order.
        return sorted(row.page_id for row in made)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write what became of pages.

        A page that was read before adds up its requests and bytes, and keeps the comments that it no longer has.
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

    # Loads

    def new_load(self) -> str:
        """Start a load, and return its id, which no other load has."""
        with transaction(self._settings) as session:
            while True:
                number = session.rows(
                    "SELECT count(*) + 1 AS next FROM trakt.loads WHERE run_id = :run_id", run_id=self.run_id
                )[0].next
                load_id = f"{self.run_id}-{number:04}"
                if session.run(
                    "INSERT INTO trakt.loads (load_id, run_id, owner) VALUES (:load_id, :run_id, :owner)"
                    " ON CONFLICT DO NOTHING",
                    load_id=load_id,
                    run_id=self.run_id,
                    owner=self.owner,
                ):
                    return load_id

    def left_loads(self) -> list[LeftLoad]:
        """Take over the loads that ended processes left, and return them, oldest first.

        Left are those that are not committed, and those with planned rows: the documents of a run are planned in its
        first load, which may be committed long before the last of them is asked for.
        """
        with transaction(self._settings) as session:
            rows = session.rows(
                """
                SELECT load_id, owner, committed_at IS NOT NULL AS is_committed FROM trakt.loads
                WHERE owner <> :owner
                    AND (committed_at IS NULL OR load_id IN (SELECT load_id FROM trakt.pages WHERE status = 'planned'))
                ORDER BY started_at, load_id FOR UPDATE SKIP LOCKED
                """,
                owner=self.owner,
            )
            dead = {owner for owner in {row.owner for row in rows} if is_dead(session, owner)}
            left = [LeftLoad(row.load_id, row.is_committed) for row in rows if row.owner in dead]
            session.run(
                "UPDATE trakt.loads SET owner = :owner WHERE load_id = ANY (:loads)",
                owner=self.owner,
                loads=[each.load_id for each in left],
            )
            return left

    def read_before(self, load_id: str) -> set[TitleRef]:
        """Return the titles of which all comments had been read before the run of a load began."""
        with transaction(self._settings) as session:
            rows = session.rows(
                """
                SELECT DISTINCT kind, trakt_id FROM trakt.sweeps
                WHERE complete AND resource = 'comments' AND since IS NULL AND ended_at < (
                    SELECT min(started_at) FROM trakt.loads
                    WHERE run_id = (SELECT run_id FROM trakt.loads WHERE load_id = :load_id)
                )
                """,
                load_id=load_id,
            )
        return {TitleRef(row.kind, row.trakt_id) for row in rows}

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
        """Return the keys of the page objects of some loads that rows name."""
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

    def letters(self, letters: Sequence[DeadLetter]) -> None:
        """Store dead letters, and count them on their pages; the same ones again change nothing."""
        rows = [
            {
                "load_id": each.load_id,
                "page_key": each.page_key,
                "item_index": each.item_index,
                "path": clean_text(each.path, 1000),
                "code": each.code,
                "message": clean_text(each.message),
                "payload_start": each.payload_start.replace("\0", "\ufffd"),
                "at": each.at.isoformat(),
            }
            for each in letters
        ]
        with transaction(self._settings) as session:
            session.run(
                """
                INSERT INTO trakt.dead_letters
                    (load_id, page_key, item_index, path, code, message, payload_start, at)
                SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (load_id text, page_key text,
                    item_index integer, path text, code text, message text, payload_start text, at timestamptz)
                ON CONFLICT DO NOTHING
                """,
                rows=json.dumps(rows),
            )
            session.run(
                """
                UPDATE trakt.pages p SET bad = (SELECT count(*) FROM trakt.dead_letters d
                    WHERE d.load_id = p.load_id AND d.page_key = p.page_key)
                WHERE p.load_id = ANY (:loads) AND p.page_key = ANY (:keys)
                """,
                loads=sorted({each.load_id for each in letters}),
                keys=sorted({each.page_key for each in letters}),
            )

    def committed(self, load_id: str, report: LoadReport | None) -> None:
        """Record that a load is in the table; None if it had no page object."""
        counts: dict[str, Any] = {}
        if report is not None:
            counts = {
                "rows": dict(report.rows),
                "items": report.items,
                "unchanged": report.unchanged,
                "bad": dict(report.bad),
                "unknown": dict(report.unknown),
            }
            if report.late_arrivals is not None:
                counts["late_arrivals"] = report.late_arrivals
        with transaction(self._settings) as session:
            session.run(
                """
                UPDATE trakt.loads SET committed_at = coalesce(committed_at, clock_timestamp()), version = :version,
                    pages = :pages, rows = :rows, counts = CAST(:counts AS jsonb)
                WHERE load_id = :load_id
                """,
                load_id=load_id,
                version=None if report is None else report.version,
                pages=0 if report is None else report.pages,
                rows=0 if report is None else sum(report.rows.values()),
                counts=json.dumps(counts).replace("\\u0000", "\\ufffd"),
            )


def _title(ref: TitleRef | None) -> dict[str, Any]:
    return {"kind": ref.kind if ref else None, "trakt_id": ref.trakt_id if ref else None}

"""Read the page ledger: tracked titles, reads of the feed and titles, pages per title and day, traffic of a day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobs.trakt.model import TitleRef
from jobs.trakt.slo.freshness import Feed, History, Naming, Sweep
from shared.slo.days import SWEEP_DAYS, Day

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from shared.database.session import DatabaseSession

__all__ = [
    "Ledger",
    "MissingPage",
    "PageCount",
    "Title",
    "Traffic",
    "first_day",
    "missing_pages",
    "read_ledger",
    "traffic",
]

# Before the oldest sweep that counts, it only matters whether there was any read.
_BEFORE: Final = timedelta(days=SWEEP_DAYS + 1)
# A page is one page of one listing, however often it was requested. Slices are parts of a failed page; a page beyond
# the end of its listing was not needed. An outcome without a time is dated to its plan plus the request's duration.
_PAGES: Final = "SELECT * FROM trakt.day_pages WHERE day BETWEEN :first AND :last"
_ENDED: Final = "COALESCE(ended_at, planned_at + make_interval(secs => COALESCE(ms, 0) / 1000.0))"


class Title(NamedTuple):
    """A tracked title: its name, and when it was tracked (``until`` None: still)."""

    ref: TitleRef
    name: str
    since: datetime
    until: datetime | None

    def is_tracked(self, at: datetime) -> bool:
        """Return whether the title was tracked at a time."""
        return self.since <= at and (self.until is None or at < self.until)


class PageCount(NamedTuple):
    """Distinct pages that were planned and read."""

    planned: int
    landed: int


class MissingPage(NamedTuple):
    """A page that was planned on a day but not read; ``ref`` is None for pages of the feed."""

    day: date
    ref: TitleRef | None
    name: str
    resource: str
    page: int
    reason: str
    attempts: int
    http_status: int | None


@dataclass(slots=True)
class Ledger:
    """The reads and pages of some days.

    Attributes:
        titles: titles that are or were tracked.
        feeds: reads of the feed, by their start.
        histories: title -> its reads.
        pages: day and title -> its pages; the title is None for pages of the feed.
        missing: day -> reason -> pages that were not read.
    """

    titles: list[Title] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)
    histories: dict[TitleRef, History] = field(default_factory=lambda: defaultdict(History))
    pages: dict[tuple[date, TitleRef | None], PageCount] = field(default_factory=dict)
    missing: dict[date, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))

    def feeds_of(self, day: Day) -> list[Feed]:
        """Return the reads of the feed that started on a day."""
        return [feed for feed in self.feeds if day.start <= feed.started_at < day.end]


class Traffic(NamedTuple):
    """Requests and loads of one day; items, duplicates and late arrivals are None if no load counted them."""

    requests: int
    throttled: int
    throttled_hour: int
    retried: int
    retried_landed: int
    items: int | None
    duplicates: int | None
    late_arrivals: int | None


def first_day(session: DatabaseSession) -> datetime | None:
    """Return when the first title began to be tracked; None without titles."""
    (row,) = session.rows("SELECT min(tracked_since) AS first FROM trakt.titles")
    first: datetime | None = row.first
    return first


def read_ledger(session: DatabaseSession, days: Iterable[Day]) -> Ledger:
    """Read the ledger entries that matter for some days.

    Args:
        session: a transaction; it is only read.
        days: at least one day.
    """
    ordered = sorted(days)
    first, last = ordered[0], ordered[-1]
    since, until = first.start - _BEFORE, last.end
    ledger = Ledger()
    for row in session.rows("SELECT kind, trakt_id, title, slug, tracked_since, state, state_since FROM trakt.titles"):
        ref = TitleRef(row.kind, row.trakt_id)
        name = row.title or row.slug or str(ref)
        ledger.titles.append(Title(ref, name, row.tracked_since, None if row.state == "tracked" else row.state_since))
    ledger.titles.sort(key=lambda title: title.ref)
    _read_feeds(session, ledger, since, until)
    _read_sweeps(session, ledger, since, until)
    _read_pages(session, ledger, first, last)
    return ledger


def _read_feeds(session: DatabaseSession, ledger: Ledger, since: datetime, until: datetime) -> None:
    feeds: dict[int, Feed] = {}
    for row in session.rows(
        "SELECT sweep_id, started_at, ended_at, complete FROM trakt.sweeps"
        " WHERE resource = 'feed' AND started_at >= :since AND started_at < :until ORDER BY started_at, sweep_id",
        since=since,
        until=until,
    ):
        feeds[row.sweep_id] = Feed(row.started_at, row.ended_at, row.complete)
    ledger.feeds = list(feeds.values())
    rows = session.rows(
        "SELECT sweep_id, kind, trakt_id, action FROM trakt.named_titles WHERE sweep_id = ANY (:feeds)",
        feeds=list(feeds),
    )
    for row in sorted(rows, key=lambda row: feeds[row.sweep_id].started_at):
        naming = Naming(feeds[row.sweep_id], stored=row.action == "stored")
        ledger.histories[TitleRef(row.kind, row.trakt_id)].namings.append(naming)


def _read_sweeps(session: DatabaseSession, ledger: Ledger, since: datetime, until: datetime) -> None:
    for row in session.rows(
        "SELECT kind, trakt_id, started_at, ended_at, since IS NULL AS is_full FROM trakt.sweeps"
        " WHERE resource = 'comments' AND complete AND ended_at >= :since AND ended_at < :until ORDER BY ended_at",
        since=since,
        until=until,
    ):
        ledger.histories[TitleRef(row.kind, row.trakt_id)].sweeps.append(
            Sweep(row.started_at, row.ended_at, row.is_full)
        )
    for row in session.rows(
        "SELECT DISTINCT kind, trakt_id FROM trakt.sweeps WHERE resource = 'comments' AND complete"
        " AND ended_at < :since",
        since=since,
    ):
        ledger.histories[TitleRef(row.kind, row.trakt_id)].was_swept = True
    for row in session.rows(
        f"SELECT kind, trakt_id, planned_at, {_ENDED} AS ended FROM trakt.pages WHERE resource = 'rating'"  # noqa: S608
        " AND status IN ('good', 'good_empty') AND planned_at >= :since AND planned_at < :until ORDER BY planned_at",
        since=since,
        until=until,
    ):
        ledger.histories[TitleRef(row.kind, row.trakt_id)].ratings.append((row.planned_at, row.ended))


def _read_pages(session: DatabaseSession, ledger: Ledger, first: Day, last: Day) -> None:
    for row in session.rows(
        f"SELECT day, kind, trakt_id, count(*) AS planned, count(*) FILTER (WHERE landed) AS landed"  # noqa: S608
        f" FROM ({_PAGES}) pages GROUP BY day, kind, trakt_id",
        first=first.date,
        last=last.date,
    ):
        ledger.pages[row.day, _ref(row)] = PageCount(row.planned, row.landed)
    for row in session.rows(
        f"SELECT day, reason, count(*) AS pages FROM ({_PAGES}) pages WHERE NOT landed GROUP BY day, reason"  # noqa: S608
        " ORDER BY day, pages DESC, reason",
        first=first.date,
        last=last.date,
    ):
        ledger.missing[row.day][row.reason] = row.pages


def missing_pages(session: DatabaseSession, first: Day, last: Day, limit: int) -> list[MissingPage]:
    """Return the pages of some days that were planned but not read, newest day first.

    Args:
        session: a transaction; it is only read.
        first: the first day.
        last: the last day.
        limit: the most pages to return.
    """
    rows = session.rows(
        f"SELECT p.*, COALESCE(t.title, t.slug) AS name FROM ({_PAGES}) p"  # noqa: S608
        " LEFT JOIN trakt.titles t USING (kind, trakt_id)"
        " WHERE NOT landed ORDER BY day DESC, kind, trakt_id, resource, page LIMIT :limit",
        first=first.date,
        last=last.date,
        limit=limit,
    )
    found = []
    for row in rows:
        ref = _ref(row)
        name = row.name or ("the feed" if ref is None else str(ref))
        found.append(MissingPage(row.day, ref, name, row.resource, row.page, row.reason, row.attempts, row.http_status))
    return found


def traffic(session: DatabaseSession, day: Day) -> Traffic:
    """Return the requests and the loads of a day.

    Args:
        session: a transaction; it is only read.
        day: the day; a request belongs to the day on which its page was planned.
    """
    (row,) = session.rows(
        f"""
        WITH of_day AS (
            SELECT status, attempts, throttled, date_trunc('hour', {_ENDED}) AS hour FROM trakt.pages
            WHERE planned_at >= :start AND planned_at < :end
        ), hours AS (SELECT sum(throttled) AS throttled FROM of_day GROUP BY hour)
        SELECT COALESCE(sum(attempts), 0) AS requests, COALESCE(sum(throttled), 0) AS throttled,
            COALESCE((SELECT max(throttled) FROM hours), 0) AS throttled_hour,
            count(*) FILTER (WHERE attempts > 1) AS retried,
            count(*) FILTER (WHERE attempts > 1 AND status IN ('good', 'good_empty')) AS retried_landed
        FROM of_day
        """,  # noqa: S608 - an expression of ours
        start=day.start,
        end=day.end,
    )
    (loads,) = session.rows(
        "SELECT sum((counts ->> 'items')::bigint) AS items, sum((counts ->> 'unchanged')::bigint) AS duplicates,"
        " sum((counts ->> 'late_arrivals')::bigint) AS late_arrivals FROM trakt.loads"
        " WHERE committed_at >= :start AND committed_at < :end",
        start=day.start,
        end=day.end,
    )
    counts: list[Any] = [None if each is None else int(each) for each in loads]
    return Traffic(*(int(each) for each in row), *counts)


def _ref(row: Any) -> TitleRef | None:
    return None if row.trakt_id is None else TitleRef(row.kind, row.trakt_id)

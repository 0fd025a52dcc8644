"""Rows of the page ledger for tests of service levels: titles, reads of the feed, sweeps, ratings, pages, loads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tests.postgres_server import Database

__all__ = ["CHICAGO", "Ledger", "at"]

CHICAGO = ZoneInfo("America/Chicago")


def at(day: date, clock: str = "05:00") -> datetime:
    """Return a time on the wall in Chicago, as UTC."""
    return datetime.combine(day, time.fromisoformat(clock), CHICAGO).astimezone(UTC)


@dataclass
class Ledger:
    """Insert rows; times are of a day and a clock in Chicago."""

    database: Database
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def title(self, number: int, since: date, *, kind: str = "movie", name: str | None = None) -> None:
        self.database.rows(
            "INSERT INTO trakt.titles (kind, trakt_id, title, tracked_since) VALUES (%s, %s, %s, %s)",
            kind,
            number,
            name or f"Title {number}",
            at(since, "00:00"),
        )

    def titles(self, number: int, since: date) -> None:
        self.database.rows(
            "INSERT INTO trakt.titles (kind, trakt_id, title, tracked_since)"
            " SELECT 'movie', n, 'Title ' || n, %s FROM generate_series(1, %s) n",
            at(since, "00:00"),
            number,
        )

    def feed(self, day: date, clock: str = "05:00", *, minutes: float = 5, complete: bool = True) -> int:
        began = at(day, clock)
        rows = self.database.rows(
            "INSERT INTO trakt.sweeps (run_id, owner, resource, sort, page_limit, started_at, ended_at, complete,"
            " verified, borders) VALUES ('r', 'o', 'feed', 'updates', 250, %s, %s, %s, true, true) RETURNING sweep_id",
            began,
            began + timedelta(minutes=minutes),
            complete,
        )
        return int(rows[0][0])

    def name(self, feed: int, number: int, *, action: str = "stored") -> None:
        self.database.rows(
            "INSERT INTO trakt.named_titles (sweep_id, kind, trakt_id, day, named_at, comment_ids, action)"
            " SELECT sweep_id, 'movie', %s, started_at::date, started_at, '{1}', %s FROM trakt.sweeps"
            " WHERE sweep_id = %s",
            number,
            action,
            feed,
        )

    def sweep(self, number: int, day: date, clock: str = "05:10", *, minutes: float = 5, complete: bool = True) -> None:
        began = at(day, clock)
        self.database.rows(
            "INSERT INTO trakt.sweeps (run_id, owner, resource, kind, trakt_id, sort, page_limit, started_at, ended_at,"
            " complete, verified, borders)"
            " VALUES ('r', 'o', 'comments', 'movie', %s, 'oldest', 250, %s, %s, %s, true, true)",
            number,
            began,
            began + timedelta(minutes=minutes),
            complete,
        )

    def sweep_all(self, day: date, clock: str = "05:10") -> None:
        self.database.rows(
            "INSERT INTO trakt.sweeps (run_id, owner, resource, kind, trakt_id, sort, page_limit, started_at, ended_at,"
            " complete, verified, borders)"
            " SELECT 'r', 'o', 'comments', kind, trakt_id, 'oldest', 250, %s, %s, true, true, true FROM trakt.titles",
            at(day, clock),
            at(day, clock) + timedelta(minutes=5),
        )

    def page(
        self,
        number: int | None,
        day: date,
        clock: str = "05:20",
        *,
        resource: str = "comments",
        page: int = 1,
        status: str = "good",
        reason: str | None = None,
        attempts: int = 1,
        throttled: int = 0,
        is_slice: bool = False,
    ) -> None:
        self.database.rows(
            "INSERT INTO trakt.loads (load_id, run_id, owner) VALUES ('pages', 'r', 'o') ON CONFLICT DO NOTHING"
        )
        self.database.rows(
            "INSERT INTO trakt.pages (load_id, day, run_id, resource, kind, trakt_id, sort, page, page_limit, slice,"
            " planned_at, ended_at, status, reason, attempts, throttled)"
            " VALUES ('pages', %s, 'r', %s, %s, %s, 'oldest', %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            day,
            resource,
            None if number is None else "movie",
            number,
            page,
            50 if is_slice else 250,
            is_slice,
            at(day, clock),
            None if status == "planned" else at(day, clock) + timedelta(minutes=1),
            status,
            reason,
            attempts,
            throttled,
        )

    def rating(self, number: int, day: date, clock: str = "05:20", *, status: str = "good") -> None:
        self.page(number, day, clock, resource="rating", status=status, reason=None if status == "good" else "TIMEOUT")

    def load(self, day: date, clock: str = "05:30", **counts: int) -> None:
        self.database.rows(
            "INSERT INTO trakt.loads (load_id, run_id, owner, committed_at, counts) VALUES (%s, 'r', 'o', %s, %s)",
            f"load-{next(self._numbers)}",
            at(day, clock),
            json.dumps(counts),
        )

    def fresh(self, day: date) -> None:
        """Read the feed, which names no title."""
        self.feed(day)

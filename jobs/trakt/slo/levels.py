"""Levels of one day: each title's freshness and pages, and their sums."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jobs.trakt.slo.freshness import Freshness, freshness, minutes_late
from shared.slo.window import is_met

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.trakt.slo.ledger import Ledger, PageCount, Title, Traffic
    from shared.slo.days import Day

__all__ = ["DayLevels", "TitleDay", "levels"]


class TitleDay(NamedTuple):
    """One title on one day."""

    title: Title
    fresh: Freshness
    minutes_late: float | None
    pages: PageCount | None

    @property
    def is_fresh(self) -> bool:
        """True if the title was fresh by the deadline."""
        return self.fresh.reason is None

    @property
    def is_complete(self) -> bool | None:
        """True if 99 % of the planned pages landed; None without a planned page."""
        return None if self.pages is None else is_met(self.pages.landed, self.pages.planned)


@dataclass(frozen=True, slots=True)
class DayLevels:
    """The levels of one day.

    Attributes:
        day: the day.
        is_final: the deadline has passed.
        titles: its title-days.
        feed_at: end of the first read of the feed without a gap.
        pages: planned and landed pages, those of the feed included.
        missing: reason -> pages that were not read.
        traffic: requests and loads.
        was_ingested: a read of the feed started before the deadline.
    """

    day: Day
    is_final: bool
    titles: Sequence[TitleDay]
    feed_at: datetime | None
    pages: tuple[int, int]
    missing: dict[str, int]
    traffic: Traffic
    was_ingested: bool

    @property
    def fresh_titles(self) -> int:
        """Titles that were fresh by the deadline."""
        return sum(each.is_fresh for each in self.titles)

    @property
    def is_good(self) -> bool | None:
        """True if at least 99 % of the titles were fresh; None without titles."""
        return is_met(self.fresh_titles, len(self.titles)) if self.titles else None

    @property
    def late(self) -> list[float]:
        """Minutes after the deadline of the titles that became fresh later."""
        return [each.minutes_late for each in self.titles if each.minutes_late is not None]

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> titles that were not fresh, most frequent first."""
        found = Counter(each.fresh.reason for each in self.titles if each.fresh.reason is not None)
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def levels(day: Day, ledger: Ledger, of_day: Traffic, now: datetime) -> DayLevels:
    """Return the levels of a day.

    Args:
        day: the day.
        ledger: the ledger of this day and the 8 days before.
        of_day: requests and loads of the day.
        now: the time of the measurement; later events are ignored.
    """
    deadline = min(day.deadline, now)
    feeds = ledger.feeds_of(day)
    titles = []
    for title in ledger.titles:
        if title.is_tracked(deadline):
            found = freshness(day, feeds, ledger.histories[title.ref], now)
            titles.append(
                TitleDay(title, found, minutes_late(day, found.fresh_at), ledger.pages.get((day.date, title.ref)))
            )
    pages = [count for (of, _), count in ledger.pages.items() if of == day.date]
    read = [feed.ended_at for feed in feeds if feed.complete and feed.ended_at is not None]
    return DayLevels(
        day=day,
        is_final=now >= day.deadline,
        titles=titles,
        feed_at=min(read, default=None),
        pages=(sum(count.planned for count in pages), sum(count.landed for count in pages)),
        missing=dict(ledger.missing.get(day.date, {})),
        traffic=of_day,
        was_ingested=any(feed.started_at <= deadline for feed in feeds),
    )

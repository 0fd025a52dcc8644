"""Levels of one day: each title's freshness and pages, and their sums."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.trakt.slo.freshness import Freshness, freshness, minutes_late

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.trakt.slo.days import Day
    from jobs.trakt.slo.ledger import Ledger, PageCount, Title, Traffic

__all__ = ["OBJECTIVE", "DayLevels", "TitleDay", "Window", "is_met", "levels", "window"]

OBJECTIVE: Final = Fraction(99, 100)
"""Lowest sufficient share of fresh title-days, of fresh titles on a good day, and of a title's landed pages."""


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


@dataclass(frozen=True, slots=True)
class Window:
    """Sums over the days of a window.

    Attributes:
        title_days: titles of all days.
        fresh: fresh ones.
        days: days with titles.
        good_days: days on which at least 99 % of the titles were fresh.
    """

    title_days: int
    fresh: int
    days: int
    good_days: int

    @property
    def share(self) -> float | None:
        """The share of fresh title-days, to which the objective applies; None without title-days."""
        return self.fresh / self.title_days if self.title_days else None

    @property
    def day_share(self) -> float | None:
        """The share of good days, to which the objective does not apply: 27 of 28 days are 96.4 %."""
        return self.good_days / self.days if self.days else None

    @property
    def budget(self) -> float:
        """Title-days that may be missed."""
        return float((1 - OBJECTIVE) * self.title_days)

    @property
    def spent(self) -> float:
        """Missed title-days divided by the budget; 0 without title-days."""
        if not self.title_days:
            return 0.0
        return float((self.title_days - self.fresh) / ((1 - OBJECTIVE) * self.title_days))

    @property
    def is_met(self) -> bool:
        """True if the objective is met, or there are no title-days."""
        return not self.title_days or is_met(self.fresh, self.title_days)


def is_met(part: int, whole: int) -> bool:
    """Return whether a share is at least the objective, in exact arithmetic."""
    return part >= OBJECTIVE * whole


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


def window(days: Sequence[tuple[int, int]]) -> Window:
    """Return the sums of a window.

    Args:
        days: titles and fresh titles of each day.

    Example:
        >>> missed = window([(2000, 2000)] * 27 + [(2000, 1900)])
        >>> f"{missed.share:.4f} of title-days, {missed.day_share:.4f} of days; met: {missed.is_met}"
        '0.9982 of title-days, 0.9643 of days; met: True'
    """
    counted = [(titles, fresh) for titles, fresh in days if titles]
    return Window(
        title_days=sum(titles for titles, _ in counted),
        fresh=sum(fresh for _, fresh in counted),
        days=len(counted),
        good_days=sum(is_met(fresh, titles) for titles, fresh in counted),
    )

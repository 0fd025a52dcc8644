"""Service levels of Trakt, as `telecine trakt slo` writes them: days, the error budget, and alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobs.console.tables.trakt.budget import Burn, advice, burns, share_of_budget
from jobs.console.tables.trakt.objectives import OBJECTIVES, is_good, state_of
from shared.report.terminal import counted
from shared.slo.days import WINDOW_DAYS, day_of
from shared.slo.window import burn, percent, window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.console.tables.trakt.objectives import Objective
    from shared.database.session import DatabaseSession
    from shared.slo.days import Day
    from shared.slo.states import State
    from shared.slo.window import Window

__all__ = ["DayRow", "Levels", "alerts", "breaches", "clock", "levels"]

_MOST_ALERTS: Final = 50


class DayRow(NamedTuple):
    """A day as stored."""

    day: date
    is_final: bool
    titles: int
    fresh_titles: int
    pages_planned: int
    pages_landed: int
    late_titles: int
    minutes_late: float | None
    throttled: int
    throttled_hour: int
    requests: int
    feed_at: datetime | None
    reasons: dict[str, int]
    missing: dict[str, int]
    run_id: str
    computed_at: datetime


def clock() -> datetime:
    """Return the time; tests replace it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Levels:
    """An objective over one window: the 28 days up to today.

    Attributes:
        objective: the objective.
        now: the time of the figures.
        today: the last day of the window, in America/Chicago.
        rows: the stored days of the window, oldest first.
        is_installed: some day was ever measured.
    """

    objective: Objective
    now: datetime
    today: Day
    rows: Sequence[DayRow]
    is_installed: bool

    @property
    def first(self) -> Day:
        """The first day of the window."""
        return self.today - (WINDOW_DAYS - 1)

    @property
    def last_due(self) -> Day:
        """The last day whose deadline has passed."""
        return self.today if self.now >= self.today.deadline else self.today - 1

    @property
    def days(self) -> list[tuple[Day, State, DayRow | None]]:
        """All days of the window, oldest first."""
        stored = {row.day: row for row in self.rows}
        found = []
        for index in range(WINDOW_DAYS):
            day = self.first + index
            row = stored.get(day.date)
            found.append((day, state_of(self.objective, day.date, row, self.now), row))
        return found

    @property
    def states(self) -> dict[State, int]:
        """State -> days of the window in it."""
        found: dict[State, int] = {"good": 0, "breach": 0, "no data": 0, "not due": 0}
        for _, of_day, _ in self.days:
            found[of_day] += 1
        return found

    @property
    def final(self) -> list[DayRow]:
        """The days that count: measured after their deadline, with something to count."""
        return [row for row in self.rows if row.is_final and getattr(row, self.objective.whole)]

    @property
    def window(self) -> Window:
        """The sums over the days that count."""
        return window([(getattr(row, self.objective.whole), getattr(row, self.objective.part)) for row in self.final])

    @property
    def missed(self) -> int:
        """Title-days or pages that were missed."""
        return self.window.title_days - self.window.fresh

    @property
    def silent_days(self) -> int:
        """The number of latest consecutive days without data whose deadline has passed."""
        number = 0
        for day, of_day, _ in reversed(self.days):
            if day > self.last_due:
                continue
            if of_day != "no data":
                break
            number += 1
        return number

    @property
    def state(self) -> State:
        """The state of the objective now.

        A missed objective stays missed without new data. A met one is not known to be met without data of the last day.
        """
        total = self.window
        if not total.days:
            return "no data"
        if not (total.is_met if self.objective.has_budget else is_good(self.objective, self.final[-1])):
            return "breach"
        return "no data" if self.silent_days else "good"

    @property
    def burns(self) -> list[Burn]:
        """The budget spent in the last 1, 7 and 28 days; empty without a budget."""
        if not self.objective.has_budget:
            return []
        whole, part = self.objective.whole, self.objective.part
        days = [(row.day, getattr(row, whole), getattr(row, part)) for row in self.final]
        return burns(days, self.last_due, self.window.budget)

    @property
    def spent_by_day(self) -> dict[date, float]:
        """Day -> share of the budget spent up to it."""
        return {row.day: share for row, share in burn(self.final)} if self.objective.has_budget else {}

    @property
    def sentence(self) -> str:
        """The objective in a sentence."""
        total, units = self.window, self.objective.unit[1]
        if not total.days:
            return f"No data: none of the 28 days up to {self.today} was measured after its deadline."
        whole = f"{self.missed:,} of {counted(total.title_days, *self.objective.unit)} missed"
        if self.objective.has_budget:
            return f"{whole}: {share_of_budget(total.spent)} of the budget is spent."
        bad = self.states["breach"]
        measured = counted(total.days, "measured day", "measured days")
        if not bad:
            return f"{whole}: each of {measured} had at least 99 % of its {units}."
        return f"{whole}: {bad} of {measured} had fewer than 99 % of {'its' if bad == 1 else 'their'} {units}."

    @property
    def remark(self) -> str:
        """A second sentence about days that the first one leaves out; empty if there are none."""
        found = []
        if self.silent_days:
            found.append(f"{self.last_due}, the last day that is due, has no data")
        elif (missing := self.states["no data"]) and self.window.days:
            found.append(
                f"{counted(missing, 'day has', 'days have')} no data and {'does' if missing == 1 else 'do'} not count"
            )
        return f"{'; '.join(found)}." if found else ""

    @property
    def advice(self) -> str:
        """The change policy that the budget calls for; empty without a budget or data."""
        return advice(self.window) if self.objective.has_budget and self.window.days else ""

    @property
    def left(self) -> str:
        """The budget that is left, in words; empty without a budget or data."""
        total = self.window
        if not self.objective.has_budget or not total.days:
            return ""
        rest = total.budget - self.missed
        of = f"of {total.budget:,.1f} title-days"
        return f"{rest:,.1f} {of}" if rest >= 0 else f"none {of}; {-rest:,.1f} too many were missed"

    @property
    def share(self) -> str:
        """The good share of the window, in percent."""
        return percent(self.window.fresh, self.window.title_days)


def levels(database: DatabaseSession, objectives: Sequence[Objective], now: datetime) -> list[Levels]:
    """Return objectives over the 28 days up to now.

    Args:
        database: an open transaction.
        objectives: the objectives.
        now: the time.
    """
    today = day_of(now)
    rows = database.rows(
        f"SELECT {', '.join(DayRow._fields)} FROM gold.trakt_slo_days"  # noqa: S608 - names of ours
        " WHERE day BETWEEN :first AND :today ORDER BY day",
        first=(today - (WINDOW_DAYS - 1)).date,
        today=today.date,
    )
    found = [DayRow(*row) for row in rows]
    is_installed = bool(found) or bool(database.rows("SELECT FROM gold.trakt_slo_days LIMIT 1"))
    return [Levels(objective, now, today, found, is_installed) for objective in objectives]


def breaches(database: DatabaseSession) -> int:
    """Return the number of objectives that are missed or without data; 0 if nothing was ever measured."""
    found = levels(database, list(OBJECTIVES.values()), clock())
    return sum(each.is_installed and each.state != "good" for each in found)


def alerts(database: DatabaseSession, first: Day) -> list[Any]:
    """Return the alerts that were open on a day or later, newest first; at most 50.

    Args:
        database: an open transaction.
        first: the day.
    """
    return database.rows(
        "SELECT alert, opened_on, ended_on, message, sent, run_id FROM trakt.slo_alerts"
        " WHERE ended_on IS NULL OR ended_on >= :first ORDER BY opened_on DESC, alert LIMIT :most",
        first=first.date,
        most=_MOST_ALERTS,
    )

"""The objective, the window and its error budget, in exact arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OBJECTIVE", "Levels", "Window", "burn", "is_met", "percent", "window"]

OBJECTIVE: Final = Fraction(99, 100)
"""Lowest sufficient share of fresh title-days, of fresh titles on a good day, and of a title's landed pages."""


class Levels(Protocol):
    """The title-days of a measured day."""

    @property
    def is_final(self) -> bool:
        """True if the deadline has passed."""

    @property
    def titles(self) -> int:
        """Titles that count on the day."""

    @property
    def fresh_titles(self) -> int:
        """Titles that were fresh by the deadline."""


_D = TypeVar("_D", bound=Levels)


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


def burn(days: Sequence[_D]) -> list[tuple[_D, float]]:
    """Return the share of the window's budget spent after each final day.

    The budget is that of the whole window, so the line ends at the window's own figure.

    Args:
        days: the days of one window, oldest first.
    """
    final = [each for each in days if each.is_final and each.titles]
    budget = (1 - OBJECTIVE) * sum(each.titles for each in final)
    found, missed = [], 0
    for each in final:
        missed += each.titles - each.fresh_titles
        found.append((each, float(missed / budget)))
    return found


def percent(part: float, whole: float) -> str:
    """Return a share as text; only an exact 100 % is shown as 100.

    Example:
        >>> percent(1999, 2000), percent(99_999, 100_000)
        ('99.95 %', '> 99.99 %')
    """
    if not whole:
        return "\N{EN DASH}"
    share = 100 * part / whole
    text = f"{share:.2f}"
    return "> 99.99 %" if text == "100.00" and part < whole else f"{text} %"

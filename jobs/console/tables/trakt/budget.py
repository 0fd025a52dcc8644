"""The error budget of an objective: how much of it the last days spent, and the change policy that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from shared.slo.days import WINDOW_DAYS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from shared.slo.days import Day
    from shared.slo.window import Window

__all__ = ["SPANS", "Burn", "advice", "burns", "share_of_budget"]

SPANS: Final = (1, 7, 28)
"""Days over which the spent budget is shown; the budget is always that of the window."""

# From here on, docs/trakt-slo.md asks for a change freeze; from the next, the alert `burn` opens.
_FREEZE: Final = 0.5
_ALERT: Final = 0.75


class Burn(NamedTuple):
    """The budget spent in the last days.

    Attributes:
        days: number of days up to the last one that is due.
        measured: those with data.
        missed: missed title-days; None without data.
        spent: ``missed`` as a share of the window's budget; None without data.
        even: the share that these days would spend if the window spent its whole budget evenly.
    """

    days: int
    measured: int
    missed: int | None
    spent: float | None
    even: float


def burns(days: Sequence[tuple[date, int, int]], last_due: Day, budget: float) -> list[Burn]:
    """Return the budget spent in the last 1, 7 and 28 days.

    Args:
        days: the days that count: title-days, and those that were fresh.
        last_due: the last day whose deadline has passed.
        budget: title-days that the window may miss.
    """
    found = []
    for span in SPANS:
        first, even = (last_due - (span - 1)).date, span / WINDOW_DAYS
        missed = [whole - part for day, whole, part in days if first <= day <= last_due.date]
        spent = sum(missed) / budget if missed else None
        found.append(Burn(span, len(missed), sum(missed) if missed else None, spent, even))
    return found


def advice(window: Window) -> str:
    """Return the change policy that a budget calls for.

    Args:
        window: the sums over the days that count.
    """
    if not window.is_met:
        return "The objective is missed. Freeze changes until it is met again, except those that fix it."
    if window.spent >= _ALERT:
        return "The change freeze continues: find the cause before the rest is spent."
    if window.spent >= _FREEZE:
        return "Change freeze: only changes that make the pipeline more reliable."
    return "Change the pipeline as usual."


def share_of_budget(share: float) -> str:
    """Return a share of the budget in percent; a part is never shown as nothing, and less than all never as all.

    Example:
        >>> share_of_budget(0.5571), share_of_budget(0.001), share_of_budget(0.9999), share_of_budget(1.0)
        ('56 %', 'less than 1 %', 'more than 99 %', '100 %')
    """
    text = f"{100 * share:,.0f}"
    if text == "0" and share > 0:
        return "less than 1 %"
    if text == "100" and share < 1:
        return "more than 99 %"
    return f"{text} %"

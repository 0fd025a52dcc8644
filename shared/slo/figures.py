"""Figures of service levels, for reports and for the console: days as squares, and the error budget over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from shared.report.sections import Square, Squares, Trend
from shared.slo.window import Levels, burn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from shared.slo.days import Day
    from shared.slo.states import State

__all__ = ["DayLevels", "budget", "labels", "squares"]


class DayLevels(Levels, Protocol):
    """The title-days of a measured day, with its date."""

    @property
    def day(self) -> date:
        """The date in America/Chicago."""


_D = TypeVar("_D", bound=DayLevels)


def labels(days: Sequence[_D]) -> list[str]:
    """Return the labels of days on an axis, such as ``11-29``."""
    return [f"{each.day:%m-%d}" for each in days]


def budget(days: Sequence[_D]) -> Trend:
    """Return the share of the error budget spent after each day.

    Args:
        days: the measured days of one window, oldest first.
    """
    spent = {each.day: 100 * share for each, share in burn(days)}
    return Trend(
        "Error budget",
        "% spent",
        labels(days),
        [spent.get(each.day) for each in days],
        limit=100.0,
        note="Missed title-days so far, as a share of 1 % of the window's title-days. Above 100 %, the objective is"
        " missed.",
    )


def squares(
    title: str,
    days: Sequence[tuple[Day, State, str]],
    *,
    href: Callable[[Day], str] | None = None,
    note: str = "",
) -> Squares:
    """Return days as squares.

    Args:
        title: heading.
        days: oldest first, each with its state and its figures in words, which may be empty.
        href: returns the link of a day.
        note: a sentence below them.
    """
    return Squares(
        title,
        [
            Square(
                str(day.date.day),
                state,
                f"{day}: {state}{'; ' if words else ''}{words}",
                None if href is None else href(day),
            )
            for day, state, words in days
        ],
        note,
    )

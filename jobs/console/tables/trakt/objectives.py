"""Objectives, and what a day is by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.slo.days import Day
from shared.slo.states import State, state
from shared.slo.window import is_met

if TYPE_CHECKING:
    from datetime import date, datetime

__all__ = ["OBJECTIVES", "Objective", "is_good", "state_of", "words"]


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective.

    Attributes:
        name: in URLs and metrics.
        title: on pages.
        unit: what counts, as singular and plural.
        done: what a thing that counts is if it is good.
        definition: when it is good.
        whole: column with the number of things that count on a day.
        part: column with the number of good ones.
        has_budget: it has an error budget over the window; otherwise each day has to meet it.
        guide: page and section of the docs on what to do.
    """

    name: str
    title: str
    unit: tuple[str, str]
    done: str
    definition: str
    whole: str
    part: str
    has_budget: bool
    guide: str


OBJECTIVES: Final[dict[str, Objective]] = {
    each.name: each
    for each in (
        Objective(
            "trakt-freshness",
            "Trakt: fresh titles",
            ("title-day", "title-days"),
            "fresh",
            "99 % of the title-days of 28 days are fresh. A title-day is fresh if, by 09:00 America/Chicago, the feed"
            " was read without a gap, the title and its ratings were read if the feed named it, and the last complete"
            " sweep of the title is at most 7 days old.",
            "titles",
            "fresh_titles",
            has_budget=True,
            guide="trakt-slo.md#breach",
        ),
        Objective(
            "trakt-pages",
            "Trakt: complete pages",
            ("page", "pages"),
            "landed",
            "99 % of the pages that were planned on a day were read on that day. There is no budget: each day has to"
            " meet it.",
            "pages_planned",
            "pages_landed",
            has_budget=False,
            guide="trakt-slo.md#breach",
        ),
    )
}
"""Name -> objective."""


def is_good(objective: Objective, row: Any) -> bool | None:
    """Return whether a stored day meets an objective; None if nothing counted on it."""
    whole = getattr(row, objective.whole)
    return is_met(getattr(row, objective.part), whole) if whole else None


def state_of(objective: Objective, day: date, row: Any | None, now: datetime) -> State:
    """Return the state of a day.

    Args:
        objective: the objective.
        day: the day.
        row: its stored row, or None.
        now: the time.
    """
    return state(
        is_due=now >= Day(day).deadline,
        is_final=bool(row is not None and row.is_final),
        is_good=None if row is None else is_good(objective, row),
    )


def words(objective: Objective, row: Any | None) -> str:
    """Return the figures of a day in words; of a day without data, why it has none."""
    if row is None:
        return "not measured"
    whole = getattr(row, objective.whole)
    if not whole:
        return f"no {objective.unit[0].replace('title-day', 'title')} counted"
    found = f"{getattr(row, objective.part):,} of {whole:,} {objective.unit[1].replace('title-days', 'titles')}"
    return f"{found} {objective.done}{'' if row.is_final else ' when measured before 09:00'}"

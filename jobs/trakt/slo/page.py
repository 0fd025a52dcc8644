"""Sections of the report: the objective, budget burn, missing pages and why, late arrivals, 429 answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.report import Squares, Table, Text, Trend
from shared.slo.days import WINDOW_DAYS, ZONE
from shared.slo.figures import budget, labels, squares
from shared.slo.meanings import REASONS
from shared.slo.states import state
from shared.slo.window import is_met, percent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.trakt.slo.alerts import Alert
    from jobs.trakt.slo.ledger import MissingPage
    from jobs.trakt.slo.levels import DayLevels
    from jobs.trakt.slo.store import StoredDay
    from shared.report.sections import Section
    from shared.slo.days import Day
    from shared.slo.states import State
    from shared.slo.window import Window

__all__ = ["ALERTS", "DAYS", "LEVELS", "NOT_FRESH", "View", "sections"]

LEVELS: Final = "Service levels"
ALERTS: Final = "Open alerts"
NOT_FRESH: Final = "Titles that are not fresh"
DAYS: Final = "The last 28 days"
_MISSING: Final = "Missing pages, and why"
_DEFINITION: Final = (
    "A title-day is fresh if, by 09:00 America/Chicago, the feed was read without a gap, the title and its ratings were"
    " read if the feed named it, and the last complete sweep of the title is at most 7 days old."
)


class View(NamedTuple):
    """The figures of the report.

    Attributes:
        measured: the day.
        window: sums over the final days of the window.
        days: the days of the window, oldest first.
        missing: missing pages of the window, newest first.
        alerts: open alerts.
        shown: the most titles to list as not fresh.
    """

    measured: DayLevels
    window: Window
    days: Sequence[StoredDay]
    missing: Sequence[MissingPage]
    alerts: Sequence[Alert]
    shown: int


def sections(view: View) -> list[Section]:
    """Return the sections in the order of the report."""
    found: list[Section] = []
    if view.alerts:
        rows = [[each.alert, str(each.opened_on), each.message] for each in view.alerts]
        found.append(Table(ALERTS, ["alert", "since", "message"], rows))
    found += [_levels(view.measured, view.window), _squares(view.measured, view.days), *_trends(view.days)]
    found += [_not_fresh(view.measured, view.shown), _missing(view.missing, view.days)]
    if view.measured.missing:
        reasons = [[reason, count] for reason, count in view.measured.missing.items()]
        found.append(Table(f"Missing pages of {view.measured.day} by reason", ["reason", "pages"], reasons))
    found += [_days(view.days), Text("", _DEFINITION)]
    return found


def _levels(measured: DayLevels, window: Window) -> Table:
    planned, landed = measured.pages
    complete = [each.is_complete for each in measured.titles if each.is_complete is not None]
    state = "" if measured.is_final else ", so far"
    return Table(
        LEVELS,
        ["level", "value", "of", "share", "objective", "state"],
        [
            [
                "fresh title-days, 28 days (the objective)",
                window.fresh,
                window.title_days,
                percent(window.fresh, window.title_days),
                "99 %",
                _met(window.is_met if window.days else None),
            ],
            ["good days, 28 days", window.good_days, window.days, percent(window.good_days, window.days), None, None],
            [
                f"fresh titles of {measured.day}{state}",
                measured.fresh_titles,
                len(measured.titles),
                percent(measured.fresh_titles, len(measured.titles)),
                "99 % for a good day",
                _met(measured.is_good),
            ],
            [
                f"pages of {measured.day}{state}",
                landed,
                planned,
                percent(landed, planned),
                "99 %",
                _met(is_met(landed, planned) if planned else None),
            ],
            [
                f"titles with their pages on {measured.day}{state}",
                sum(complete),
                len(complete),
                percent(sum(complete), len(complete)),
                "99 % of the pages of each",
                _met(all(complete) if complete else None),
            ],
        ],
        note="One missed day of 28 leaves 96.43 % good days, so 99 % of days would allow none; the objective counts"
        " title-days instead.",
    )


def _met(met: bool | None) -> Any:
    """Return the cell of an objective; a missed one is a label, so that it is noticed."""
    return None if met is None else "met" if met else ("missed",)


def _squares(measured: DayLevels, days: Sequence[StoredDay]) -> Squares:
    stored = {each.day: each for each in days}
    shown: list[tuple[Day, State, str]] = []
    for back in range(WINDOW_DAYS - 1, -1, -1):
        day = measured.day - back
        row = stored.get(day.date)
        counted = row is not None and row.titles > 0
        found = state(
            is_due=back > 0 or measured.is_final,
            is_final=row is not None and row.is_final,
            is_good=is_met(row.fresh_titles, row.titles) if row is not None and counted else None,
        )
        words = f"{row.fresh_titles:,} of {row.titles:,} titles fresh" if row is not None and counted else ""
        shown.append((day, found, words))
    return squares(DAYS, shown, note="Each day by the share of titles that were fresh at 09:00. No data is not good.")


def _trends(days: Sequence[StoredDay]) -> list[Section]:
    on_axis = labels(days)
    return [
        budget(days),
        Trend(
            "Titles late",
            "titles not fresh at 09:00",
            on_axis,
            [each.titles - each.fresh_titles if each.is_final else None for each in days],
        ),
        Trend("429 answers", "answers in the worst hour", on_axis, [each.throttled_hour for each in days]),
        Trend(
            "Late arrivals",
            "comments seen more than 7 days late",
            on_axis,
            [each.late_arrivals for each in days],
            note="Comments first stored more than 7 days after they were written, except by backfills.",
        ),
    ]


def _not_fresh(measured: DayLevels, shown: int) -> Table:
    late = [each for each in measured.titles if not each.is_fresh]
    rows: list[list[Any]] = [
        [
            each.title.name,
            str(each.title.ref),
            each.fresh.reason,
            _local(each.fresh.fresh_at),
            None if each.minutes_late is None else round(each.minutes_late, 1),
            _local(each.fresh.sweep_at),
        ]
        for each in late[:shown]
    ]
    reasons = " ".join(f"{reason}: {REASONS[reason]}." for reason in measured.reasons)
    return Table(
        NOT_FRESH,
        ["title", "id", "reason", "fresh at", "minutes late", "last sweep"],
        rows,
        note=f"{reasons} Times are in America/Chicago.".strip(),
        total=len(late),
        where="gold.trakt_slo_titles",
    )


def _missing(missing: Sequence[MissingPage], days: Sequence[StoredDay]) -> Table:
    return Table(
        _MISSING,
        ["day", "title", "resource", "page", "reason", "requests", "status"],
        [
            [str(each.day), each.name, each.resource, each.page, each.reason, each.attempts, each.http_status]
            for each in missing
        ],
        note="Planned pages that no run of the day read. PLANNED: never requested, for example by a killed run.",
        total=max(len(missing), sum(each.pages_planned - each.pages_landed for each in days)),
        where="trakt.pages",
    )


def _days(days: Sequence[StoredDay]) -> Table:
    return Table(
        "Days",
        [
            "day",
            "titles",
            "fresh",
            "share",
            "late later",
            "most min late",
            "pages",
            "429",
            "late arrivals",
            "duplicates",
        ],
        [
            [
                f"{each.day}{'' if each.is_final else ' so far'}",
                each.titles,
                each.fresh_titles,
                percent(each.fresh_titles, each.titles),
                each.late_titles,
                None if each.minutes_late is None else round(each.minutes_late, 1),
                percent(each.pages_landed, each.pages_planned),
                each.throttled,
                each.late_arrivals,
                None if not each.items or each.duplicates is None else percent(each.duplicates, each.items),
            ]
            for each in reversed(days)
        ],
        note="Late later: titles that were fresh only after 09:00 on the same day. Minutes late are not an objective.",
    )


def _local(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant.astimezone(ZONE):%m-%d %H:%M}"

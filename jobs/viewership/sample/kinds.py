"""The kinds of reports in the sample set: one or two per platform, and files that must be refused or asked about."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.sample.draft import Draft, Truth
from jobs.viewership.sample.reports import PLATFORMS, ROKU_DAYS, ROKU_METRICS, ROKU_NAMES, roku_rows
from jobs.viewership.sample.workbook import build_workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.viewership.sample.episodes import SampleEpisode
    from jobs.viewership.sample.reports import Built

__all__ = ["REPORTS", "SampleReport", "build"]

_FOLDER: Final = "uploads"


@dataclass(frozen=True, slots=True)
class SampleReport:
    """A kind of report.

    Attributes:
        key: of the file in the set.
        about: description in a few words.
        write: returns the file and its expected result.
    """

    key: str
    about: str
    write: Callable[[Draft], Built]


def build(name: str, catalogue: Sequence[SampleEpisode], seed: int) -> Built:
    """Return a report and its expected result; equal arguments produce equal bytes.

    Args:
        name: a kind, one of the keys of :data:`REPORTS`.
        catalogue: the episodes.
        seed: of hours and amounts.
    """
    return REPORTS[name].write(Draft(catalogue, random.Random(f"{seed}:{name}")))  # noqa: S311 - not a secret


def _roku(draft: Draft) -> Built:
    """Write a workbook with dates in merged cells above their metrics, and a hidden sheet."""

    def fill(book: Any, sheet: Any) -> None:
        day_format = book.add_format({"num_format": "dd-mm-yyyy"})
        width = len(ROKU_METRICS)
        sheet.merge_range(0, 0, 0, len(ROKU_NAMES) - 1, "Date Dim")
        for day in range(ROKU_DAYS):
            left = len(ROKU_NAMES) + day * width
            sheet.merge_range(0, left, 0, left + width - 1, None)
            sheet.write_datetime(0, left, draft.day(day), day_format)
        sheet.write_row(1, 0, [*ROKU_NAMES, *ROKU_METRICS * ROKU_DAYS])
        for row, (names, pairs) in enumerate(roku_rows(draft, 3), 2):
            sheet.write_row(row, 0, names)
            for day, pair in enumerate(pairs):
                if pair:
                    sheet.write_row(row, len(ROKU_NAMES) + day * width, [pair[0], 0.41, 0.62, float(pair[1])])
        hidden = book.add_worksheet("Definitions")
        hidden.write_row(0, 0, ["Stream Starts", "A play of at least one second"])
        hidden.hide()

    return build_workbook(fill), draft.truth(format="roku-1", encoding=None, header_line=2)


def _header_only(draft: Draft) -> Built:
    draft.other("Date", "Title", "Hours")
    return draft.text().encode(), Truth(outcome="refused", code="EMPTY", encoding=None, header_line=None)


def _two_hours(draft: Draft) -> Built:
    draft.other("Date", "Title", "Hours", "Hours")
    for number, episode in enumerate(draft.catalogue[:10]):
        draft.row(draft.day(number), episode.title, draft.hours(), draft.hours(), ref=episode)
    return draft.text().encode(), draft.truth(outcome="choice", format="canonical-1")


def _day_or_month(draft: Draft) -> Built:
    draft.other("Date", "Title", "Hours")
    for number, episode in enumerate(draft.catalogue[:10]):
        hours = draft.hours()
        draft.row(f"0{number % 9 + 1}/07/2025", episode.title, hours, ref=episode, hours=hours)
    return draft.text().encode(), draft.truth(outcome="choice", format="canonical-1")


def _web_page(draft: Draft) -> Built:
    cells = "".join(f"<tr><td>{episode.title}</td><td>{draft.hours()}</td></tr>" for episode in draft.catalogue[:10])
    page = f"<html><body><table><tr><th>Title</th><th>Hours</th></tr>{cells}</table></body></html>"
    return page.encode(), Truth(outcome="refused", code="FORMAT", encoding=None, header_line=None)


def _latin(draft: Draft) -> Built:
    draft.other("Date", "Territory", "Series", "Title", "Hours")
    for number, episode in enumerate(draft.catalogue):
        hours = draft.hours()
        spanish = (episode.series.spanish, episode.spanish)
        draft.row(draft.day(number % 31), "MX", *spanish, hours, ref=episode, hours=hours)
    return draft.text(";").encode("cp1252"), draft.truth(format="canonical-1", encoding="cp1252")


def _unknown(draft: Draft) -> Built:
    draft.other("Lantern", "", "", "", "", "", "")
    draft.other("", "", "", "", "", "", "")
    draft.other("View Date", "Show", "Season #", "Ep #", "Episode Title", "Hours Watched", "Avg. Minutes")
    for number, episode in enumerate(draft.catalogue):
        hours = draft.hours()
        day = draft.day(number % 31)
        about = (f"{day:%m/%d/%Y}", episode.series.name, episode.season, episode.number, episode.title)
        draft.row(*about, hours, draft.hours(40), ref=episode, hours=hours)
    return draft.text().encode(), draft.truth(header_line=3)


REPORTS: Final[dict[str, SampleReport]] = {
    **{name: SampleReport(f"{_FOLDER}/{file}", about, write) for name, (file, about, write) in PLATFORMS.items()},
    "roku": SampleReport(f"{_FOLDER}/roku-2025-q3.xlsx", "Roku: a workbook with merged dates", _roku),
    "latin": SampleReport(f"{_FOLDER}/mexico-2025-07.csv", "cp1252 with semicolons, Spanish titles", _latin),
    "unknown": SampleReport(f"{_FOLDER}/lantern-2025-07.csv", "no format fits; the columns are proposed", _unknown),
    "two-hours": SampleReport(f"{_FOLDER}/two-hours.csv", "two columns named Hours: asked", _two_hours),
    "day-or-month": SampleReport(f"{_FOLDER}/day-or-month.csv", "ambiguous dates: asked", _day_or_month),
    "header-only": SampleReport(f"{_FOLDER}/header-only.csv", "a header without rows: refused", _header_only),
    "web-page": SampleReport(f"{_FOLDER}/web-page.xls", "HTML named .xls: refused", _web_page),
}
"""Kind -> file, description and writer."""

"""Objectives over a window: sentences, states and spans, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.console.tables.trakt.budget import share_of_budget
from jobs.console.tables.trakt.levels import DayRow, Levels
from jobs.console.tables.trakt.objectives import OBJECTIVES
from shared.slo.days import Day, day_of

NOW = datetime(2026, 11, 29, 18, tzinfo=UTC)
TODAY = day_of(NOW)
FRESHNESS, PAGES = OBJECTIVES["trakt-freshness"], OBJECTIVES["trakt-pages"]


def row(day: Day, titles: int = 2000, missed: int = 0, *, pages: int = 0, is_final: bool = True) -> DayRow:
    return DayRow(
        *(day.date, is_final, titles, titles - missed, 100, 100 - pages, 0, None, 0, 0, 0, None, {}, {}, "r", NOW)
    )


def found(rows: list[DayRow], objective=FRESHNESS, now: datetime = NOW) -> Levels:
    return Levels(objective, now, day_of(now), rows, is_installed=True)


def window(missed: int = 0, **values: int) -> list[DayRow]:
    return [row(TODAY - back, missed=missed if back == 9 else 0, **values) for back in range(27, -1, -1)]


def test_the_sentence_comes_first():
    levels = found(window(missed=312))
    assert levels.sentence == "312 of 56,000 title-days missed: 56 % of the budget is spent."
    assert (levels.left, levels.remark, levels.state) == ("248.0 of 560.0 title-days", "", "good")
    assert levels.advice.startswith("Change freeze")


@pytest.mark.parametrize(
    ("missed", "state", "advice"),
    [
        (0, "good", "Change the"),
        (279, "good", "Change the"),
        (420, "good", "The change"),
        (561, "breach", "The objective"),
    ],
)
def test_the_budget_decides_what_may_change(missed, state, advice):
    levels = found(window(missed=missed))
    assert levels.state == state
    assert levels.advice.startswith(advice)


def test_without_data_nothing_is_good():
    levels = found([])
    assert levels.sentence.startswith("No data: none of the 28 days up to 2026-11-29 was measured")
    assert (levels.state, levels.left, levels.silent_days) == ("no data", "", 28)
    assert [(each.missed, each.spent) for each in levels.burns] == [(None, None)] * 3


def test_a_last_day_without_data_hides_that_an_objective_is_met_but_not_that_it_is_missed():
    assert found(window()[:-2]).state == "no data"
    assert found(window()[:-2]).silent_days == 2
    assert found(window(missed=900)[:-2]).state == "breach"
    assert found(window()[:-2]).burns[0].spent is None
    assert found(window()[:-2]).burns[1].measured == 5


def test_a_day_that_is_not_due_is_not_missing():
    now = TODAY.deadline.replace(hour=14)
    levels = found(window()[:-1], now=now)
    assert (levels.last_due, levels.silent_days, levels.states["not due"]) == (TODAY - 1, 0, 1)
    assert levels.burns[0].missed == 0


def test_pages_have_no_budget_and_meet_the_objective_each_day():
    levels = found([*window()[:-1], row(TODAY, pages=2)], PAGES)
    assert levels.sentence == "2 of 2,800 pages missed: 1 of 28 measured days had fewer than 99 % of its pages."
    assert (levels.state, levels.burns, levels.left, levels.spent_by_day) == ("breach", [], "", {})
    levels = found([*window()[:-1], row(TODAY, pages=1)], PAGES)
    assert levels.sentence == "1 of 2,800 pages missed: each of 28 measured days had at least 99 % of its pages."
    assert levels.state == "good"


def test_a_budget_is_never_rounded_to_nothing_or_all():
    assert [share_of_budget(share) for share in (0, 0.004, 0.995, 1, 3.571)] == [
        *("0 %", "less than 1 %", "more than 99 %", "100 %", "357 %"),
    ]


def test_the_template_of_postmortems_has_the_sections_of_the_docs():
    root = Path(__file__).parents[3]
    docs = (root / "docs" / "trakt-slo.md").read_text(encoding="utf-8").partition("## Postmortem")[2]
    code = (root / "jobs" / "console" / "pages" / "trakt" / "postmortem.py").read_text(encoding="utf-8")
    for section in ("Impact", "Summary", "Timeline (CT)", "Cause", "Fixed by", "Not enough", "Actions", "Lessons"):
        assert section in docs
        assert f"## {section}\\n" in code

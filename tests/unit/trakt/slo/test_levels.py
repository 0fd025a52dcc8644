"""Objective, budget and good days: exact arithmetic."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from jobs.trakt.slo.store import StoredDay
from shared.slo.days import WINDOW_DAYS, Day
from shared.slo.window import burn, is_met, percent, window

CASE = json.loads((Path(__file__).parents[3] / "trakt_cases" / "slo-one-day.json").read_text(encoding="utf-8"))


def stored(day: date, titles: int, fresh: int, *, is_final: bool = True) -> StoredDay:
    return StoredDay(day, is_final, titles, fresh, 10, 10, 0, 0, 0, None, None, None, None)


def test_one_missed_day_of_28_misses_99_percent_of_days_but_meets_it_for_title_days():
    days, fresh, right = CASE["input"]["days"], CASE["input"]["fresh"], CASE["right"]
    assert days == WINDOW_DAYS
    found = window([(100, 100)] * fresh + [(100, 95)] * (days - fresh))
    assert round(found.day_share or 0, 4) == right["share"]
    assert is_met(found.good_days, found.days) is right["slo_99_met"]
    assert round(found.share or 0, 4) == right["title_days_if_5_percent_late_on_one_day"]
    assert found.is_met


def test_the_budget_is_one_percent_of_the_title_days():
    found = window([(100, 100)] * 27 + [(100, 72)])
    assert (found.title_days, found.budget, found.spent, found.is_met) == (2800, 28.0, 1.0, True)
    assert window([(100, 100)] * 27 + [(100, 71)]).is_met is False


@pytest.mark.parametrize(
    ("part", "whole", "met"), [(99, 100, True), (98, 100, False), (990, 1000, True), (989, 1000, False), (0, 0, True)]
)
def test_99_percent_is_exact(part, whole, met):
    assert is_met(part, whole) is met


def test_days_without_titles_do_not_count():
    found = window([(0, 0), (10, 10)])
    assert (found.days, found.good_days, found.share) == (1, 1, 1.0)
    empty = window([])
    assert (empty.share, empty.day_share, empty.spent, empty.is_met) == (None, None, 0.0, True)


def test_the_burn_ends_at_the_figure_of_the_window():
    first = Day(date(2026, 5, 1))
    days = [stored((first + index).date, 100, 90 if index == 3 else 100) for index in range(10)]
    days.append(stored((first + 10).date, 100, 0, is_final=False))
    found = burn(days)
    assert [round(share, 6) for _, share in found] == [0, 0, 0, *[1.0] * 7]
    assert found[-1][1] == window([(each.titles, each.fresh_titles) for each in days if each.is_final]).spent


def test_only_an_exact_whole_is_100_percent():
    assert percent(1, 3) == "33.33 %"
    assert percent(99_999, 100_000) == "> 99.99 %"
    assert percent(5, 5) == "100.00 %"
    assert percent(0, 0) == "\N{EN DASH}"

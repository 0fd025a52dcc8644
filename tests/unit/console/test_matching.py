"""Sums and charts of matching, without a database."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from jobs.console.pages.viewership.match_grids import MatchingQuery
from jobs.console.pages.viewership.matching import _charts
from jobs.console.tables.viewership.match_rates import Found, Scope, _part
from jobs.console.tables.viewership.match_sums import Sums

MONDAY = date(2025, 1, 6)


def sums(key: object, **units: int) -> Sums:
    made = Sums(key)
    for name, number in units.items():
        made.add(name, number, Decimal(number) / 2)
    return made


def found(*weeks: date) -> Found:
    return Found([sums(week, final=1) for week in weeks], [], [], [], sums(None))


def labels(*weeks: date) -> list[str]:
    charts = _charts(found(*weeks))
    assert charts["rates"].labels == charts["rows"].labels == charts["hours"].labels
    return list(charts["rates"].labels)


def test_weeks_without_rows_have_their_place_on_the_chart():
    assert labels(MONDAY, MONDAY + timedelta(weeks=2)) == ["6 Jan 25", "13 Jan 25", "20 Jan 25"]
    assert labels() == []


def test_the_chart_shows_the_newest_53_weeks():
    shown = labels(*(MONDAY + timedelta(weeks=index) for index in range(60)))
    assert len(shown) == 53
    assert shown[0] == "24 Feb 25"


@pytest.mark.parametrize("typo", [date(9999, 12, 27), date(1, 1, 1)])
def test_a_mistyped_year_does_not_empty_the_chart(typo):
    assert len(labels(MONDAY, MONDAY + timedelta(weeks=1), typo)) == 3


def test_the_match_rate_leaves_out_held_and_set_aside_rows():
    made = sums("tubi", final=3, review=1, unmatched=2, held=50, rejected=50, topline=50)
    assert (made.of_units, made.of_hours) == (Decimal("0.5"), Decimal("0.5"))
    assert (made.open_units, made.open_hours) == (3, Decimal("1.5"))
    assert (made.all_units, made.all_hours) == (156, 78)
    assert (sums("tubi", held=1).of_units, sums("tubi").of_hours) == (None, None)


def test_a_bucket_of_a_later_version_is_counted():
    assert (_part("final", "EMBEDDING"), _part("final", "ALIAS"), _part("held", None)) == ("DECISION", "ALIAS", "held")


def test_days_select_whole_weeks():
    scope = MatchingQuery(from_=date(2025, 1, 8), to=date(2025, 1, 8)).scope()
    assert (scope.values()["first"], scope.values()["last"]) == (MONDAY, date(2025, 1, 8))
    assert Scope(first=date(1, 1, 2)).values()["first"] == date(1, 1, 1)

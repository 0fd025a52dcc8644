"""Totals and covering dates are found without work for each row or pair in Python."""

from __future__ import annotations

import time
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.viewership.errors import FILTERS
from jobs.viewership.uploads.transform import controls, gathered
from jobs.viewership.uploads.values.date_text import Reading
from jobs.viewership.uploads.values.fold import fold, is_blank
from tests.unit.viewership.uploads.transform.test_transform import units

_TEXTS = (
    *(
        None,
        "",
        " ",
        "-",
        "--",
        "N/A",
        "n.a.",
        "(None)",
        "nan",
        "Null ",
        "not available",
        "nullable",
        "Total",
        "a",
        "ab",
    ),
    *(
        "12",
        "#",
        "a1b",
        "#REF!",
        "\u2013",
        "\xa0",
        "\u200b",
        "\xe9t\xe9",
        "\xe9",
        "\u66b4\u98a8",
        "\u0661\u0662",
        "A\0",
    ),
)


@pytest.mark.parametrize("any_value", [True, False])
def test_a_column_has_the_names_that_each_of_its_texts_is(any_value):
    found = controls._is_name(pl.Series(_TEXTS, dtype=pl.String), any_value=any_value)
    folded = [fold(text or "") for text in _TEXTS]
    one_by_one = [not is_blank(text) and (any_value or controls._LETTERS.search(text) is not None) for text in folded]
    assert found.to_list() == one_by_one


def test_many_totals_are_found_without_folding_each_cell(monkeypatch):
    folded = []
    monkeypatch.setattr(controls, "fold", lambda text: folded.append(text) or fold(text))
    rows = 20_000
    found = units("Title,Channel,Hours\nA,\xc9t\xe9,1\n" + "Total,\u2013,1\nSubtotal,,1\nTotal,News,1\n" * rows)
    assert found.frame["reason"].value_counts().filter(reason=FILTERS["TOTAL"])["count"].to_list() == [2 * rows]
    assert found.frame["fate"].null_count() == rows + 1
    assert folded == ["\u2013"]
    # The first subtotal that is not the sum of the rows above it, and the total.
    assert [note.line for note in found.notes if note.code == "TOTAL_MISMATCH"] == [7, 3 * rows]


_DATES = st.dates(date(2025, 1, 1), date(2025, 4, 1))
_MONTHS = _DATES.map(lambda day: Reading(day.replace(day=1), "month"))
_READINGS = st.builds(Reading, _DATES, st.sampled_from(["day", "week"])) | _MONTHS


@given(st.sets(_READINGS, max_size=12))
def test_covering_dates_are_those_that_hold_another(readings):
    expected = {
        wide
        for wide in readings
        if any(one != wide and wide.first <= one.first and one.last <= wide.last for one in readings)
    }
    assert gathered._covering(readings) == expected


def test_thousands_of_dates_are_not_compared_with_each_other():
    readings = {Reading(date(2000, 1, 1) + timedelta(days=day)) for day in range(10_000)}
    week = Reading(date(2000, 1, 3), "week")
    began = time.process_time()
    assert gathered._covering(readings | {week}) == {week}
    assert time.process_time() - began < 3

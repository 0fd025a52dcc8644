"""States of days, and their squares."""

from __future__ import annotations

from datetime import date

import pytest

from shared.report import Report, Squares
from shared.report.page import render
from shared.report.sections import MARKS
from shared.slo.days import Day
from shared.slo.figures import squares
from shared.slo.states import MEANINGS, state


@pytest.mark.parametrize(
    ("is_due", "is_final", "is_good", "expected"),
    [
        (True, True, True, "good"),
        (True, True, False, "breach"),
        # Nothing counted, not measured after the deadline, or not at all.
        (True, True, None, "no data"),
        (True, False, True, "no data"),
        (True, False, False, "no data"),
        (True, False, None, "no data"),
        (False, False, True, "not due"),
        (False, False, None, "not due"),
    ],
)
def test_a_day_is_good_only_with_data(is_due, is_final, is_good, expected):
    assert state(is_due=is_due, is_final=is_final, is_good=is_good) == expected


def test_each_state_has_a_mark_of_its_own():
    assert set(MARKS) == set(MEANINGS)
    assert len(set(MARKS.values())) == len(MARKS)


def test_squares_of_a_report_have_words_and_no_links():
    day = Day(date(2026, 11, 1))
    made = squares("Days", [(day, "good", "5 of 5 titles fresh"), (day + 1, "breach", "<b>"), (day + 2, "no data", "")])
    assert isinstance(made, Squares)
    text = render(Report(sections=[made]))
    assert 'aria-label="2026-11-01: good; 5 of 5 titles fresh"' in text
    assert 'aria-label="2026-11-03: no data"' in text
    assert "&lt;b&gt;" in text
    assert 'class="square breach" role="img"' in text
    assert 'class="square breach" href' not in text

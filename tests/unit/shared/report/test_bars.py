"""The layout of horizontal bars of time."""

from __future__ import annotations

import pytest

from shared.report.bars import bars
from shared.report.timeline import WIDTH


def test_bars_share_one_axis_whose_lines_are_round_times():
    drawn = bars([[600.0, 150.0], [300.0, None]])
    assert drawn.rows == [[1000.0, 250.0], [500.0, None]]
    assert drawn.labels == ["0:00", "5:00"]
    assert drawn.grid == [500.0]


def test_a_second_in_days_stays_visible_and_zero_has_no_bar():
    (wide, narrow, none) = bars([[1e6, 1.0, 0.0]]).rows[0]
    assert (wide, narrow, none) == (pytest.approx(964.5), 2.0, 0.0)


@pytest.mark.parametrize("seconds", [0.2, 1, 61, 3_599, 90_000, 1e9, 1e15])
def test_every_bar_ends_inside_and_the_axis_has_at_most_four_parts(seconds):
    drawn = bars([[seconds, seconds / 3]])
    assert all(width is not None and 0 < width <= WIDTH for width in drawn.rows[0])
    assert 1 <= len(drawn.labels) <= 4
    assert len(drawn.grid) == len(drawn.labels) - 1


def test_values_that_are_not_times_draw_nothing():
    assert bars([[float("nan"), float("inf"), -5.0, None]]).rows == [[None, None, 0.0, None]]
    assert bars([]).labels == ["0:00"]

from __future__ import annotations

import math
import re

import pytest

from shared.report.series import WIDTH, borders, clock, line, ribbon, times

NAN = math.nan


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (7.5, "0:07.5"),
        (59.98, "1:00"),
        (60, "1:00"),
        (723.4, "12:03"),
        (3723, "1:02:03"),
        (-2, "-0:02"),
        (NAN, "\N{EN DASH}"),
        (math.inf, "\N{EN DASH}"),
    ],
)
def test_times_of_recordings_read_like_a_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize("end_s", [0.4, 1.0, 45, 312, 1804, 5400.5, 90_000, 9e9])
def test_the_time_axis_begins_at_zero_and_has_two_to_nine_labels(end_s):
    ticks = times(end_s)
    assert ticks[0].label == "0:00"
    assert 2 <= len(ticks) <= 9
    assert [tick.at for tick in ticks] == sorted(tick.at for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)
    assert ticks[-1].at <= WIDTH


@pytest.mark.parametrize("end_s", [0.0, -3.0, NAN, math.inf])
def test_an_axis_without_an_end_is_drawn(end_s):
    assert times(end_s)[0].label == "0:00"


def test_a_missing_value_interrupts_the_line_and_the_band():
    values = [10.0, 20.0, None, 30.0, 40.0, NAN, 50.0]
    time_s = [float(index) for index in range(7)]
    found = line(time_s, values, end_s=6, top=100, band=(values, values), limit=15, unit=" x")
    assert [len(points.split()) for points in found.lines] == [2, 2]
    assert [len(points.split()) for points in found.bands] == [4, 4]
    assert [dot.title for dot in found.dots] == ["0:00: 10 x", "0:01: 20 x", "0:03: 30 x", "0:04: 40 x", "0:06: 50 x"]
    assert found.limit is not None
    assert found.dots[0].y > found.limit.at > found.dots[1].y


def test_values_outside_the_axis_are_drawn_at_its_edge():
    found = line([0.0, 1.0], [-5.0, 1e300], end_s=1, top=255)
    assert (found.dots[0].y, found.dots[1].y) == (found.bottom, found.top)


def test_times_after_the_end_widen_the_axis():
    found = line([0.0, 20.0], [1.0, 1.0], end_s=10, top=1)
    assert found.dots[1].x == found.right
    assert found.x_ticks[-1].label == "0:20"


def test_a_state_holds_until_halfway_to_the_next_and_equal_ones_are_joined():
    found = ribbon([0.0, 2.0, 4.0, 8.0], ["a", "a", "b", "a"], end_s=10)
    assert [segment.title for segment in found.segments] == [
        "0:00 to 0:03: a",
        "0:03 to 0:06: b",
        "0:06 to 0:10: a",
    ]
    first, second, third = found.segments
    assert first.x == found.left
    assert first.x + first.width == pytest.approx(second.x)
    assert third.x + third.width == pytest.approx(found.right)


def test_a_single_state_fills_the_ribbon_and_none_draws_nothing():
    (only,) = ribbon([3.0], ["a"], end_s=0.0).segments
    assert only.width == pytest.approx(WIDTH - 44 - 12)
    assert ribbon([], [], end_s=5).segments == []


def test_black_bars_lie_at_the_edges_and_never_outside():
    found = borders(160, 90, top=0.1, bottom=2.0, left=None, right=NAN)
    assert found.bars["top"] == (0.0, 0.0, 160.0, 9.0)
    assert found.bars["bottom"] == (0.0, 0.0, 160.0, 90.0)
    assert found.bars["left"][2] == 0
    assert found.bars["right"][:3] == (160.0, 0.0, 0.0)


def test_coordinates_have_two_decimals_at_most():
    found = line([index / 3 for index in range(50)], [index / 7 for index in range(50)], end_s=17, top=9)
    assert not re.search(r"\.\d{3}", found.lines[0])

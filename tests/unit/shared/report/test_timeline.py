"""The layout of Gantt charts and of strips of days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.report.days import HEIGHT, strip
from shared.report.timeline import WIDTH, Bar, timeline

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_bars_share_one_axis_that_begins_with_the_first_row():
    drawn = timeline([(at(0), at(30)), (at(30), at(40)), (None, None)])
    assert drawn.bars == [Bar(0.0, 750.0), Bar(750.0, 250.0), None]
    assert drawn.labels == ["0", "10 s", "20 s", "30 s"]
    assert drawn.grid == [250.0, 500.0, 750.0]


def test_a_short_stage_of_a_long_run_stays_visible_and_inside():
    drawn = timeline([(at(0), at(86_400)), (at(86_399.9), at(86_400))])
    last = drawn.bars[1]
    assert last is not None
    assert last.width == 4.0
    assert last.x + last.width == WIDTH


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0.02, ["0", "5 ms", "10 ms", "15 ms"]),
        (100, ["0", "25 s", "50 s", "1 min 15 s"]),
        (130, ["0", "1 min", "2 min"]),
        (7_000, ["0", "30 min", "1 h", "1 h 30 min"]),
        (86_400 * 9, ["0", "72 h", "144 h"]),
    ],
)
def test_the_axis_has_at_most_four_parts_of_round_times(seconds: float, labels: list[str]):
    assert timeline([(at(0), at(seconds))]).labels == labels


def test_a_clock_that_was_set_back_gives_a_short_bar_not_a_negative_one():
    (bar,) = timeline([(at(10), at(0))]).bars
    assert bar == Bar(0.0, 4.0)


def test_nothing_has_started_yet():
    assert timeline([(None, None)]).bars == [None]
    assert timeline([]).bars == []


def test_a_day_is_stacked_in_order_and_the_highest_fills_the_strip():
    drawn = strip(
        [(date(2026, 1, 1), {"failed": 5, "success": 15}), (date(2026, 1, 2), {"success": 10}), (date(2026, 1, 3), {})],
        ("success", "failed"),
    )
    assert drawn.peak == 20
    first, second, third = drawn.columns
    assert [(part.status, part.y, part.height) for part in first.segments] == [
        ("success", 25.0, 75.0),
        ("failed", 0.0, 25.0),
    ]
    assert [(part.y, part.height) for part in second.segments] == [(50.0, 50.0)]
    assert (third.total, third.segments, third.x) == (0, [], 40)


def test_one_failure_among_thousands_of_runs_is_visible_within_the_strip():
    (column,) = strip([(date(2026, 1, 1), {"success": 9_999, "failed": 1})], ("success", "failed")).columns
    assert column.segments[1].height > 3
    assert sum(part.height for part in column.segments) == pytest.approx(HEIGHT)
    assert column.segments[1].y == pytest.approx(0, abs=0.01)


def test_a_status_without_a_place_in_the_order_is_drawn_too():
    (column,) = strip([(date(2026, 1, 1), {"new": 1, "success": 1})], ("success",)).columns
    assert [part.status for part in column.segments] == ["success", "new"]

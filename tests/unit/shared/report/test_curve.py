from __future__ import annotations

import math
from datetime import date, timedelta

import pytest

from shared.report.curve import Mark, Stroke, curve, day_ticks, interval, number_ticks, spells

DAY = date(2026, 1, 30)


@pytest.mark.parametrize("days", [1, 2, 9, 61, 62, 63, 200, 365, 1_100, 1_101, 4_000])
def test_an_axis_of_days_has_few_labels_inside_its_ends(days):
    last = DAY + timedelta(days=days - 1)
    found = day_ticks(DAY, last)
    assert len(found) <= 13
    assert len(found) >= (1 if days < 63 else 2)
    assert len({text for _, text in found}) == len(found)
    assert all(DAY.toordinal() <= at <= last.toordinal() + 1 for at, _ in found)


def test_the_last_of_few_days_is_always_labelled():
    assert day_ticks(DAY, DAY + timedelta(days=40))[-1][1] == "11 Mar"


def test_a_missing_value_interrupts_a_line_and_a_single_value_is_a_point():
    values = [1.0, 2.0, None, 3.0, math.nan, 4.0, 5.0]
    figure = curve(range(7), [Stroke("a", values)], ends=(0.0, 7.0), x_ticks=number_ticks(7.0), band=(values, values))
    (line,) = figure.lines
    assert [len(part.split()) for part in line.parts] == [2, 2]
    assert len(line.singles) == 1
    assert [len(points.split()) for points in figure.bands] == [4, 4]


def test_the_axis_contains_lines_references_and_the_band():
    figure = curve(
        [0.0, 1.0],
        [Stroke("a", [1.0, 2.0]), Stroke("median", [7.0, 7.0], is_reference=True)],
        ends=(0.0, 1.0),
        x_ticks=[],
        band=([0.0, 0.0], [90.0, 20.0]),
    )
    assert float(figure.y_ticks[-1].label) >= 80
    assert [line.is_reference for line in figure.lines] == [False, True]


def test_a_mark_is_shaded_to_the_edge_if_its_interval_has_no_end():
    x_ticks = number_ticks(100.0)
    marks = [Mark(20.0, "t50", 10.0, 40.0), Mark(80.0, "late", 60.0, math.inf), Mark(500.0, "outside")]
    figure = curve([0.0, 100.0], [Stroke("a", [0.0, 1.0])], ends=(0.0, 100.0), x_ticks=x_ticks, marks=marks)
    first, second = figure.marks
    assert first.shade is not None
    assert second.shade is not None
    assert first.shade[0] < first.at < first.shade[0] + first.shade[1]
    assert second.shade[0] + second.shade[1] == pytest.approx(figure.right)
    assert (first.anchor, second.anchor) == ("start", "end")


def test_days_of_one_state_are_joined_and_a_gap_is_empty():
    days = [DAY + timedelta(days=back) for back in (0, 1, 2, 5, 6)]
    ends = float(DAY.toordinal()), float(DAY.toordinal() + 7)
    figure = spells(days, ["cult", "cult", "broad_hit", "broad_hit", "broad_hit"], ends=ends, x_ticks=[])
    assert [spell.state for spell in figure.spells] == ["cult", "broad_hit", "broad_hit"]
    assert [spell.title for spell in figure.spells] == [
        "2026-01-30 to 2026-01-31: cult",
        "2026-02-01: broad hit",
        "2026-02-04 to 2026-02-05: broad hit",
    ]
    first, second, third = figure.spells
    assert first.x + first.width == pytest.approx(second.x, abs=0.2)
    assert second.x + second.width < third.x - 100
    assert third.x + third.width == pytest.approx(figure.right, abs=0.2)


def test_a_text_without_room_is_left_to_the_tooltip():
    days = [DAY + timedelta(days=back) for back in range(300)]
    states = ["insufficient"] * 299 + ["cult"]
    ends = float(DAY.toordinal()), float(DAY.toordinal() + 300)
    figure = spells(days, states, ends=ends, x_ticks=[])
    assert [spell.text for spell in figure.spells] == ["insufficient", ""]


@pytest.mark.parametrize("values", [(0.4, 0.1, 0.9), (-2.0, -3.5, 0.2), (0.0, None, None), (1e-7, -1e-7, 1e-6)])
def test_an_interval_contains_its_value_and_the_reference(values):
    value, low, high = values
    figure = interval(value, low, high, least=0.5)
    assert figure.at is not None
    assert figure.left <= figure.at <= figure.right
    assert figure.zero == pytest.approx((figure.left + figure.right) / 2)
    if low is not None and figure.low is not None and figure.high is not None:
        assert figure.left <= figure.low <= figure.at <= figure.high <= figure.right
    assert "0" in [tick.label for tick in figure.ticks]
    assert len(figure.ticks) <= 9


def test_an_interval_without_an_end_has_none():
    figure = interval(0.4, 0.1, math.inf)
    assert figure.high is None

"""The layout of stacked columns and of rates over time."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.report.chart import HEIGHT, WIDTH, short
from shared.report.columns import Columns, stacked
from shared.report.rates import Rates, percent, rate_lines
from shared.report.sections import Part

PARTS = (Part("final", "blue-2"), Part("review", "amber"), Part("held", "brown"))


def columns(*values: list[float]) -> Columns:
    return Columns("Rows", "rows", PARTS, [f"week {place}" for place in range(len(values))], values)


def test_pieces_of_a_column_stand_on_each_other_and_share_one_scale():
    drawn = stacked(columns([60, 30, 10], [50, 0, 0]))
    first, second = drawn.columns
    assert [piece.tone for piece in first.pieces] == ["blue-2", "amber", "brown"]
    for below, above in pairwise(first.pieces):
        assert above.y + above.height == pytest.approx(below.y)
    assert first.pieces[0].y + first.pieces[0].height == drawn.bottom
    assert sum(piece.height for piece in first.pieces) == pytest.approx(2 * second.pieces[0].height, abs=0.05)
    assert [part.name for part in drawn.parts] == ["final", "review", "held"]
    assert first.title == "week 0: 100 rows, final 60, review 30, held 10"
    assert [tick.label for tick in drawn.y_ticks] == ["25", "50", "75", "100"]


def test_a_part_without_values_is_not_in_the_legend_and_a_small_one_is_visible():
    drawn = stacked(columns([999_999, 1, 0], [0, 0, 0]))
    assert [part.name for part in drawn.parts] == ["final", "review"]
    assert drawn.columns[0].pieces[1].height >= 1
    assert drawn.columns[1].pieces == []
    assert drawn.y_ticks[-1].label == "1M"


# Rows, hours and money have at most 10 decimals.
_AMOUNT = st.floats(-1e12, 1e12).map(lambda value: round(value, 10))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(_AMOUNT, min_size=3, max_size=3), max_size=60))
def test_columns_stay_inside_and_apart(values):
    drawn = stacked(columns(*values))
    edges = [(column.x, column.x + column.width) for column in drawn.columns]
    for (_, end), (begin, _) in pairwise(edges):
        assert end <= begin + 0.02
    for begin, end in edges:
        assert drawn.left - 0.02 <= begin < end <= WIDTH
    for column in drawn.columns:
        assert all(0 <= piece.y <= piece.y + piece.height <= drawn.bottom + 0.02 for piece in column.pieces)
        assert all(piece.height >= 0 for piece in column.pieces)
    assert len(drawn.x_ticks) <= 6


def test_the_last_label_is_always_shown():
    drawn = stacked(columns(*([1.0, 0.0, 0.0] for _ in range(53))))
    assert drawn.x_ticks[-1].label == "week 52"
    assert len(drawn.x_ticks) == 6


def test_rates_share_an_axis_from_0_to_100_percent():
    half, full = Decimal("0.5"), Decimal(1)
    drawn = rate_lines(Rates("Rate", ["a", "b", "c", "d"], [("in rows", [half, full, None, half])]))
    (line,) = drawn.lines
    assert [dot.title for dot in line.dots] == ["a, in rows: 50.0 %", "b, in rows: 100 %", "d, in rows: 50.0 %"]
    assert len(line.paths) == 1, "a missing value interrupts the line"
    low, high, _ = line.dots
    assert drawn.bottom - low.y == pytest.approx((drawn.bottom - high.y) / 2)
    ticks = {tick.label: tick.at for tick in drawn.y_ticks}
    assert (ticks["100 %"], ticks["50 %"]) == (high.y, low.y)
    assert 0 < high.y < drawn.bottom < HEIGHT


@pytest.mark.parametrize(("rate", "at"), [(Decimal(-1), 0), (Decimal(7), 1)])
def test_a_rate_outside_is_drawn_at_the_border(rate, at):
    drawn = rate_lines(Rates("Rate", ["a"], [("r", [rate])]))
    top = next(tick.at for tick in drawn.y_ticks if tick.label == "100 %")
    assert drawn.lines[0].dots[0].y == (top if at else drawn.bottom)


def test_only_exact_rates_are_shown_as_0_or_100_percent():
    given = (Decimal(0), Decimal("0.00001"), Decimal("0.5"), Decimal("0.99999"), Decimal(1), None)
    assert [percent(rate) for rate in given] == ["0 %", "0.1 %", "50.0 %", "99.9 %", "100 %", None]


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "0"), (7.5, "7.5"), (2_500, "2,500"), (25_000, "25k"), (250_000, "250k"), (1_500_000, "1.5M"), (2e9, "2G")],
)
def test_labels_of_an_axis_are_short(value, label):
    assert short(value) == label


def test_values_and_labels_must_have_the_same_number():
    with pytest.raises(ValueError, match="got 1 values for 'a'; expected 3"):
        Columns("Rows", "rows", PARTS, ["a"], [[1.0]])
    with pytest.raises(ValueError, match="got 0 columns for 1 labels"):
        Columns("Rows", "rows", PARTS, ["a"], [])
    with pytest.raises(ValueError, match="got 2 values for 'r'; expected 1"):
        Rates("Rate", ["a"], [("r", [None, None])])

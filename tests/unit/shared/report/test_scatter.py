from __future__ import annotations

import math
import random

import pytest

from shared.report.scale import linear, logarithmic
from shared.report.scatter import MOST_DOTS, farthest, labels, scatter


def drawn(count: int, **values):
    draw = random.Random(3)
    x = [draw.lognormvariate(3, 1) for _ in range(count)]
    y = [draw.lognormvariate(-2, 0.7) for _ in range(count)]
    states = [draw.choice(["cult", "quiet"]) for _ in range(count)]
    return x, y, states, scatter(x, y, states, **values)


@pytest.mark.parametrize("log", [False, True])
def test_few_points_are_dots_and_many_are_cells_with_all_of_them(log):
    x, _, states, few = drawn(MOST_DOTS, log=log)
    assert ([dot.index for dot in few.dots], few.cells) == (list(range(len(x))), [])
    x, _, states, many = drawn(MOST_DOTS + 1, log=log)
    assert many.dots == []
    assert sum(cell.count for cell in many.cells) == len(x)
    assert sum(dict(cell.states).get("cult", 0) for cell in many.cells) == states.count("cult")
    assert len({(cell.x, cell.y) for cell in many.cells}) == len(many.cells)


@pytest.mark.parametrize("log", [False, True])
def test_a_cell_is_on_one_side_of_each_line_and_counts_the_points_there(log):
    x, y, _, figure = drawn(5_000, lines=(20.0, 0.13), log=log)
    assert figure.x_line is not None
    assert figure.y_line is not None
    right = sum(cell.count for cell in figure.cells if cell.x > figure.x_line.at)
    above = sum(cell.count for cell in figure.cells if cell.y < figure.y_line.at)
    assert right == sum(one > 20.0 for one in x)
    assert above == sum(one > 0.13 for one in y)


def test_the_area_of_a_cell_is_its_count_and_circles_do_not_overlap():
    _, _, _, figure = drawn(5_000, log=True)
    large = [cell for cell in figure.cells if cell.radius > 3]
    ratios = [cell.radius**2 / cell.count for cell in large]
    assert max(ratios) / min(ratios) < 1.1
    assert max(cell.radius for cell in figure.cells) <= 10


@pytest.mark.parametrize("count", [50, 1_000])
def test_zeros_have_a_lane_on_logarithmic_axes(count):
    x, y, states, _ = drawn(count)
    x[0] = y[1] = 0.0
    figure = scatter(x, y, states, lines=(20.0, 0.13), log=True)
    assert figure.x.zero == figure.left
    assert figure.y.zero == figure.bottom
    assert figure.x_ticks[0].label == figure.y_ticks[0].label == "0"
    assert figure.x.at(0.0) < min(figure.x.at(one) for one in x if one)
    assert figure.y.at(0.0) > max(figure.y.at(one) for one in y if one)
    if count == 50:
        assert (figure.dots[0].x, figure.dots[1].y) == (figure.left, figure.bottom)
    else:
        assert sum(cell.count for cell in figure.cells if cell.x <= figure.left + 11) >= 1


def test_a_linear_axis_leaves_out_a_far_value_and_a_logarithmic_one_does_not():
    x, y, states = [1.0 + index % 10 for index in range(99)] + [1e6], [1.0] * 100, ["cult"] * 100
    figure = scatter(x, y, states)
    assert (figure.x.high, figure.beyond) == (10.0, 1)
    assert [dot.index for dot in figure.dots if dot.is_beyond] == [99]
    assert figure.dots[99].x == figure.right
    assert scatter(x, y, states, log=True).beyond == 0


def test_a_line_is_on_its_axis_even_if_all_values_are_below():
    figure = scatter([1.0], [1.0], ["quiet"], lines=(40.0, 7.0))
    assert figure.x_line is not None
    assert figure.left < figure.dots[0].x < figure.x_line.at < figure.right


@pytest.mark.parametrize("log", [False, True])
def test_nothing_and_equal_values_are_drawn(log):
    assert scatter([], [], [], log=log).dots == []
    figure = scatter([0.0, 0.0], [5.0, 5.0], ["quiet", "quiet"], lines=(None, 5.0), log=log)
    assert len(figure.dots) == 2
    assert all(math.isfinite(dot.x + dot.y) for dot in figure.dots)


@pytest.mark.parametrize("values", [[0.02, 3.0], [1.0], [7.0, 7.0], [1e-9, 1e9], [0.0, 40.0], [0.0]])
def test_a_logarithmic_axis_contains_its_values_and_has_two_to_ten_labels(values):
    axis = logarithmic(values, 100.0, 500.0)
    assert 2 <= len(axis.ticks()) <= 10
    assert all(axis.low <= value * (1 + 1e-9) and value <= axis.high * (1 + 1e-9) for value in values if value)
    assert axis.many(values) == pytest.approx([axis.at(value) for value in values], abs=0.06)
    positions = [tick.at for tick in axis.ticks()]
    assert positions == sorted(positions)


@pytest.mark.parametrize("top", [0.0, 0.3, 1.0, 8.0, 9.7, 12_345.0])
def test_a_linear_axis_ends_at_a_round_number_above_its_values(top):
    axis = linear(top, 400.0, 20.0)
    assert top <= axis.high <= max(top * 1.5, 1.0)
    assert axis.at(0.0) == 400.0
    assert axis.ticks()[0].label == "0"
    assert axis.many([0.0, top, 2 * axis.high]) == pytest.approx([400.0, axis.at(top), 20.0], abs=0.06)


def test_the_farthest_points_are_far_on_either_axis():
    x = [1.0, 1.1, 0.9, 64.0, 1.0, 0.0]
    y = [1.0, 1.02, 0.98, 1.0, 2.0, 9.0]
    # The last one has no ratio.
    assert set(farthest(x, y, 2)) == {3, 4}
    assert farthest([], [], 3) == []
    assert farthest([1.0], [1.0], 3) == [0]


def test_labels_overlap_neither_each_other_nor_the_edges():
    x, y, _, figure = drawn(300, log=True)
    places = [(figure.x.at(x[index]), figure.y.at(y[index]), f"Title {index} of a long name") for index in range(12)]
    found = labels(places, figure, corners=(150.0, 22.0))
    boxes = []
    for each in found:
        wide = 5.9 * len(each.text)
        left = each.x - {"start": 0, "middle": wide / 2, "end": wide}[each.anchor]
        boxes.append((left, each.y - 10, left + wide, each.y + 3))
    assert len(found) > 6
    for index, one in enumerate(boxes):
        assert figure.left <= one[0]
        assert one[2] <= figure.right
        for other in boxes[:index]:
            assert one[2] <= other[0] or one[0] >= other[2] or one[3] <= other[1] or one[1] >= other[3]


def test_a_point_without_room_for_its_name_has_its_number():
    _, _, _, figure = drawn(10)
    middle = (figure.left + figure.right) / 2, (figure.top + figure.bottom) / 2
    crowd = [
        (middle[0] + 9 * index, middle[1] + dy, "a long name of a title") for index in range(12) for dy in (-9, 0, 9)
    ]
    texts = {label.text for label in labels(crowd, figure)}
    assert any(text.isdigit() for text in texts)
    assert labels([(middle[0], middle[1], "x" * 90)], figure)[0].text == "x" * 25 + "…"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.report import Histogram
from shared.report.chart import chart, number
from shared.report.format import duration, label, size


def test_a_histogram_needs_one_edge_more_than_counts():
    with pytest.raises(ValueError, match="got 2 edges for 2 counts; expected 3"):
        Histogram("t", "u", [0, 1], [1, 2])


def test_bars_are_to_scale():
    drawn = chart(Histogram("t", "u", [0, 1, 3], [4, 2], marker=3))
    first, second = drawn.bars
    assert first.height == pytest.approx(2 * second.height)
    assert second.width == pytest.approx(2 * first.width, rel=0.05)
    assert drawn.marker is not None
    assert drawn.marker_anchor == "end"
    assert chart(Histogram("t", "u", [0, 1], [1], marker=2)).marker is None


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40, unique=True).map(sorted),
    st.data(),
)
def test_no_bar_leaves_the_chart(edges, data):
    size = len(edges) - 1
    counts = data.draw(st.lists(st.integers(0, 10**7), min_size=size, max_size=size))
    drawn = chart(Histogram("t", "u", edges, counts))
    for bar in drawn.bars:
        assert drawn.left <= bar.x <= drawn.right
        assert drawn.top - 0.01 <= bar.y <= drawn.bottom
    assert all(drawn.left - 0.01 <= tick.at <= drawn.right + 0.01 for tick in drawn.x_ticks)
    assert 1 <= len(drawn.y_ticks) <= 5
    assert len(drawn.x_ticks) <= 8


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (0.5, "0.5"), (0.00123456, "0.00123"), (12.3456, "12.3"), (1234.56, "1,235"),
     (-0.25, "-0.25"), (float("nan"), "\N{EN DASH}"), (1e-30, "0")],
)  # fmt: skip
def test_numbers_have_the_digits_that_matter(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.00001, "0.1 ms"), (0.000364, "0.4 ms"), (0.0123, "12.3 ms"), (12.34, "12.3 s"),
     (83.4, "1 min 23 s"), (179.7, "3 min 0 s"), (3599.9, "1 h 0 min"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_times_are_written_in_their_own_unit(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("key", "text"),
    [("done_before", "done before"), ("video_s_per_s", "video-s/s"), ("mb_per_s", "MB/s"),
     ("cpu_s_per_item", "CPU s/item"), ("extract.start_workers", "extract: start workers")],
)  # fmt: skip
def test_keys_are_written_as_words(key, text):
    assert label(key) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (48_233_120, "48.2 MB"), (5e15, "5,000 TB")])
def test_sizes_have_a_unit(count, text):
    assert size(count) == text

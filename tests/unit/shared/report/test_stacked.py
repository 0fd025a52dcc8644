"""A bar that is divided into parts fills its width, and shows every part."""

from __future__ import annotations

import itertools
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.report.stacked import WIDTH, stacked

AMOUNTS = st.lists(st.integers(0, 10**12).map(Decimal), min_size=1, max_size=9)


@given(AMOUNTS)
def test_parts_follow_each_other_over_the_whole_width(amounts: list[Decimal]):
    pieces = stacked(amounts)
    shown = [piece for piece in pieces if piece is not None]
    assert [piece is None for piece in pieces] == [not amount for amount in amounts]
    if shown:
        assert shown[0].x == 0
        assert abs(shown[-1].x + shown[-1].width - WIDTH) < 0.2
        assert all(abs(a.x + a.width - b.x) < 0.2 for a, b in itertools.pairwise(shown))


@given(AMOUNTS)
def test_a_part_is_never_too_narrow_to_be_seen(amounts: list[Decimal]):
    assert all(piece.width >= 2.9 for piece in stacked(amounts) if piece is not None)


def test_a_bar_of_nothing_has_no_parts():
    assert stacked([0, Decimal(0), -1]) == [None, None, None]

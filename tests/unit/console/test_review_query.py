"""The URL of the review queue: filters stay, and what belongs to one card does not."""

from __future__ import annotations

import pytest

from jobs.console.errors import BadQuery
from jobs.console.pages.viewership.queue import LISTING, ReviewQuery
from jobs.console.web.query import parse

KEY = "0123456789abcdef" * 2


def test_a_change_keeps_the_filters_and_drops_the_card():
    query = parse(
        ReviewQuery,
        [("platform", "tubi"), ("key", KEY), ("find", "storm"), ("done", "3"), ("chosen", "4"), ("scores", "hide")],
    )
    assert query.url("/review") == "/review?platform=tubi&scores=hide"
    assert query.url("/review", key="f" * 32) == f"/review?platform=tubi&key={'f' * 32}&scores=hide"
    assert [chip.label for chip in query.chips("/review")] == ["platform"]


@pytest.mark.parametrize(
    "pair",
    [
        ("key", "0123"),
        ("key", KEY.upper()),
        ("min_hours", "-1"),
        ("min_hours", "nan"),
        ("min_hours", "1e300"),
        ("candidates", "4"),
        ("upload", "0"),
        ("sort", "title"),
        ("q", "ab"),
        ("digest", KEY),
    ],
)
def test_a_bad_value_is_refused(pair: tuple[str, str]):
    with pytest.raises(BadQuery):
        parse(ReviewQuery, [pair])


def test_every_order_ends_in_the_key():
    assert all(order.terms[-1].expression == "q.review_digest" for order in LISTING.orders)

"""Facts of an answer: counts that may be nonsense, and when it was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.trakt.api.answer import Answer, http_time, observed

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DATE = "Sat, 28 Nov 2026 11:00:00 GMT"
MADE = NOW - timedelta(hours=1)


def answer(**headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, sent, b"[]", NOW, NOW)


def test_counts_and_marks_are_read_from_headers():
    found = answer(
        x_pagination_page="3",
        x_pagination_limit=" 250 ",
        x_pagination_page_count="41",
        x_pagination_item_count="10013",
        x_trakt_server="rails",
        etag='W/"33a6"',
    )
    assert (found.page, found.page_limit, found.page_count, found.item_count) == (3, 250, 41, 10_013)
    assert (found.server, found.etag) == ("rails", 'W/"33a6"')


@pytest.mark.parametrize("text", ["", "-1", "1.5", "٣", "ten", "1e3", "10000000000", "3, 3"])
def test_a_count_that_is_not_a_number_is_none(text):
    assert answer(x_pagination_page_count=text).page_count is None
    assert answer().page_count is None
    assert (answer().server, answer().etag) == (None, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"date": DATE}, MADE),
        ({"date": DATE, "age": "60"}, MADE - timedelta(seconds=60)),
        ({"date": DATE, "age": "-60"}, MADE),
        ({"date": DATE, "age": "999999999"}, MADE),
        ({"date": DATE, "age": "99999999999999"}, MADE),
        ({"date": "yesterday", "age": "60"}, NOW),
        ({"age": "60"}, NOW),
        ({"date": "Fri, 01 Jan 0100 00:00:10 GMT", "age": "60"}, NOW - timedelta(seconds=60)),
        ({"date": "Fri, 01 Jan 2100 00:00:10 GMT"}, NOW),
    ],
)
def test_an_answer_was_made_at_its_date_minus_its_age(headers, expected):
    assert observed(headers, NOW) == expected


def test_a_replayers_clock_may_have_any_date():
    early = datetime(99, 12, 31, 23, 59, 10, tzinfo=UTC)
    assert observed({"date": "Fri, 01 Jan 0100 00:00:10 GMT", "age": "60"}, NOW, any_date=True) == early


@given(st.text(max_size=60))
def test_any_text_is_a_time_in_utc_or_none(text):
    found = http_time(text)
    assert found is None or found.utcoffset() == timedelta(0)

"""Cells of a CSV file: data for a person with a spreadsheet, and never a formula."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.console.web.twins import _csv, _json, _plain, cell


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "  -5", "\uff1d1", "\uff201"]
)
def test_text_that_a_spreadsheet_evaluates_gets_an_apostrophe(text):
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["", "a=b", "x-5", "'=1", '"=1"', "5", "\u2212", "a\tb", "a\nb"])
def test_other_text_stays(text):
    assert cell(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-5, -5),
        (-0.5, -0.5),
        (Decimal(-5), -5),
        (Decimal("-0.5"), "-0.5"),
        (Decimal("12345678901234567.8900000000"), "12345678901234567.89"),
        (Decimal("1E-9"), "0.000000001"),
        (Decimal(12345678901234567890), 12345678901234567890),
        (None, None),
        (float("nan"), None),
        (float("-inf"), None),
        (Decimal("NaN"), None),
        (True, "true"),
        (timedelta(seconds=-1.5), -1.5),
        (date(2026, 11, 30), "2026-11-30"),
        (datetime(2026, 11, 30, tzinfo=UTC), "2026-11-30T00:00:00+00:00"),
        (["=1", "b"], "'=1; b"),
        ([-1, None], "'-1; null"),
        ({"a": "=1"}, '{"a": "=1"}'),
        (b"\x01\xff", "01ff"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("a\x1b[31m\u202e", r"a\x1b[31m\u202e"),
        ("\ufeff=1", r"\ufeff=1"),
    ],
)
def test_numbers_stay_numbers_and_the_rest_is_readable(value, shown):
    assert cell(value) == shown


@settings(max_examples=60)
@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_row_is_read_back_cell_by_cell(texts):
    written = _csv([[cell(text) for text in texts], ["end"]])
    rows = list(csv.reader(io.StringIO(written.decode(), newline="")))
    # A row of one empty cell is an empty line.
    assert [rows[0], rows[1]] == [[cell(text) for text in texts], ["end"]]


def test_quotes_and_line_breaks_are_quoted():
    assert _csv([['a"b', "c,d", "e\r\nf", "g;h"]]) == b'"a""b","c,d","e\r\nf",g;h\r\n'


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.decimals() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_value_is_json(value):
    json.loads(_json(_plain(value)), parse_constant=pytest.fail)


@given(st.decimals("-1e27", "1e27", places=10))
def test_decimals_are_json_numbers_with_all_of_their_digits(value):
    written = _json(_plain({"hours": [value]}))
    assert json.loads(written, parse_float=Decimal) == {"hours": [value]}
    assert isinstance(json.loads(written)["hours"][0], int | float)
    assert Decimal(str(cell(value))) == value

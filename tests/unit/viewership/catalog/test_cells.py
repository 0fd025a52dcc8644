from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.viewership.catalog.cells import neutralised, restored

TEXTS = st.text(st.sampled_from("'=+-@\t\r\n\0 a1é;|\""), max_size=8) | st.text(max_size=20)


@given(TEXTS)
def test_every_text_comes_back(text):
    assert restored(neutralised(text)) == text


@given(TEXTS)
def test_no_cell_begins_like_a_formula(text):
    assert not neutralised(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\0"))


@pytest.mark.parametrize("text", ["12", "1.5", "0101", "'Til Death", "The Storm", "", "I = You", "One\r\nTwo\n\nThree"])
def test_plain_text_and_numbers_are_not_touched(text):
    assert neutralised(text) == text
    assert restored(text) == text


@given(st.text(st.sampled_from("'=+-@\t\r\n a1;|\""), max_size=8), st.sampled_from(";|\t"))
@example("Storm\r=1", ";")
@example("Storm\n=1;", ";")
@example("Storm\r\n=1", "\t")
def test_no_line_of_a_cell_begins_like_a_formula(text, delimiter):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow(["x", neutralised(text)])
    # Without quotes, every line break begins a row.
    for line in re.split(r"[\r\n]+", stream.getvalue()):
        for cell in line.split(delimiter):
            assert not cell.lstrip('"').startswith(("=", "+", "-", "@")), line


def test_a_formula_is_text_to_a_spreadsheet_also_when_it_is_quoted():
    stream = io.StringIO()
    csv.writer(stream).writerow([neutralised('=HYPERLINK("http://x","y")')])
    assert stream.getvalue().startswith("\"'=")


@given(st.text(st.sampled_from("'=+-@ a1;|\t\""), max_size=8), st.sampled_from(";|\t"))
@example("Storm;=1", ";")
@example('Storm;"=1;', ";")
def test_no_cell_begins_like_a_formula_at_another_delimiter(text, delimiter):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(["x", neutralised(text)])
    for cell in next(csv.reader([stream.getvalue()], delimiter=delimiter)):
        assert not cell.startswith(("=", "+", "-", "@", "\t"))

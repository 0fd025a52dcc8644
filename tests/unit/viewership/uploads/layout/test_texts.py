from __future__ import annotations

import pytest

from jobs.viewership.uploads.layout.names import clean_header, header_key
from jobs.viewership.uploads.layout.texts import is_blank, is_number, is_typed, split_date
from jobs.viewership.uploads.letters import column_letters


@pytest.mark.parametrize(
    "text",
    [
        "Watch Time",
        " Watch\xa0Time ",
        "\ufeffWatch Time",
        '"Watch  Time"',
        "WATCH_TIME",
        "Watch\u200b Time",
        "watch\ntime",
        "'Watch Time'",
    ],
)
def test_names_that_look_the_same_are_the_same(text):
    assert header_key(text) == "watch time"


@pytest.mark.parametrize(
    ("left", "right"), [("Hours", "Hours %"), ("Hours", "Hours (2)"), ("Título", "Titulo"), ("1", "2")]
)
def test_names_that_look_different_are_different(left, right):
    assert header_key(left) != header_key(right)


def test_quotes_of_every_form_are_one():
    assert header_key("Viewer\u2019s") == header_key("viewer's") == header_key("Viewer`s")


def test_a_clean_header_keeps_its_letters_and_case():
    assert clean_header(" \ufeffTítulo\xa0 del  Episodio\u200b") == "Título del Episodio"
    assert clean_header(None) == clean_header('""') == ""


def test_letters_of_columns():
    assert [column_letters(at) for at in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


@pytest.mark.parametrize(
    "text",
    ["1", "1,34,896", "-0.20", "$-0.20", "$ 712.04", "(1,234.50)", "1.2E-05", "12 %", "1 234,50 €", "$ -", "\u22125"],
)
def test_numbers(text):
    assert is_number(text)


@pytest.mark.parametrize("text", ["Hours", "2 Moms", "S11:E32", "", "-", "12h", "1-2-3"])
def test_texts_that_are_not_numbers(text):
    assert not is_number(text)


@pytest.mark.parametrize("text", ["1174:47:24", "37:44", "PT2H30M", "2025-07-01", "1/2/25"])
def test_values_of_other_types(text):
    assert is_typed(text)


@pytest.mark.parametrize("text", [None, "", " ", "-", "--", "\u2014", "N/A", "n/a", "NULL", "\xa0"])
def test_blank_texts(text):
    assert is_blank(text)


@pytest.mark.parametrize(
    "text",
    ["Hours", "Q3 2025", "July", "32/13/2025", "Season 2025-2026", "v2025-07-01", "x" * 200 + " 2025-07-01", None],
)
def test_names_without_a_date(text):
    assert split_date(text) is None

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import secrets
from shared.text import clean_text, cut, text_table


@given(st.integers(0, 230))
def test_half_a_secret_never_stays_where_a_text_is_cut(before):
    secret = "correct-horse-battery-staple"
    secrets.remember(secret)
    shown = cut("x" * before + secret + "y" * 500, 200)
    assert len(shown) == 200
    assert "correct" not in shown
    assert set(shown) <= set("xy*")


@pytest.mark.parametrize("shorten", [clean_text, cut])
@pytest.mark.parametrize("limit", [60, 500, 2000])
@pytest.mark.parametrize("length", [450, 1050, 9000])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_secret_longer_than_the_text_stays_hidden_however_often_it_occurs(shorten, limit, length, count):
    secret = ("Correct7Horse" * length)[:length]
    secrets.remember(secret)
    shown = shorten(",".join([secret] * count), limit)
    assert set(shown) <= set("*,…")
    assert len(shown) <= limit


def test_text_after_many_secrets_is_shown_as_far_as_it_was_searched():
    secrets.remember("correct-horse-battery-staple")
    text = "correct-horse-battery-staple " * 100 + "end of it"
    assert clean_text(text).endswith("*** end of it")


def test_half_of_a_password_in_a_url_never_stays_either():
    assert "hunter" not in cut("x" * 170 + " postgresql://user:hunter2hunter2hunter2@host/name", 200)


def test_other_text_is_only_cut():
    assert cut("a\x1b[31m\nb" * 50, 20) == ("a\x1b[31m\nb" * 50)[:20]
    assert cut("short", 200) == "short"


def test_a_table_is_aligned_and_safe_on_a_terminal():
    rows = [("a\nb", "1", "last "), ("long", "22", "\x1b[2J")]
    assert text_table(("name", "n", "note"), rows).splitlines() == [
        "name  n   note",
        "a b   1   last",
        r"long  22  \x1b[2J",
    ]

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared import secrets
from shared.text import cut, text_table


@given(st.integers(0, 230))
def test_half_a_secret_never_stays_where_a_text_is_cut(before):
    secret = "correct-horse-battery-staple"
    secrets.remember(secret)
    shown = cut("x" * before + secret + "y" * 500, 200)
    assert len(shown) == 200
    assert "correct" not in shown
    assert set(shown) <= set("xy*")


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

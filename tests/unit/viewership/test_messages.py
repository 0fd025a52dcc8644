"""Messages about uploads: their length, and that they never keep half a secret."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jobs.viewership.phases.keeping import _name
from jobs.viewership.phases.overlap import Other, told
from jobs.viewership.phases.store import _waiting
from jobs.viewership.steps._review_text import _brief

SECRET = "hunter2-hunter2-hunter2"


def other(number: int, filename: str = "july.csv", *, outside: int = 0) -> Other:
    sums = (10, Decimal("1.5"), Decimal(0), 12, Decimal(2), Decimal(0))
    return Other(number, filename, "overlap", *sums, "2025-07-01", "2025-07-01", outside)


def test_the_first_overlaps_are_told_and_the_others_summed():
    text = told([other(number) for number in range(1, 1001)])
    assert text.count("('july.csv')") == 5
    assert text.endswith("; and 995 more uploads (9,950 rows, 1,492.5 hours)")
    assert "more upload" not in told([other(number) for number in range(1, 6)])


@pytest.mark.parametrize(
    ("on_overlap", "outside", "begins"),
    [
        ("ask", 0, "rows for the same days are already stored; pass --on-overlap skip, replace or append: upload 1 "),
        (
            "replace",
            1,
            "the file lacks rows or amounts of the uploads that it would replace; expected all of them; retract those",
        ),
        ("skip", 0, "skipped: upload 1 "),
    ],
)
def test_a_message_about_overlaps_is_clean_and_short_and_begins_with_the_advice(on_overlap, outside, begins):
    others = [other(number, "a\0\x1b" + "x" * 1000, outside=outside) for number in range(1, 9)]
    waiting = _waiting(others, on_overlap)
    assert waiting is not None
    message = waiting[2]
    assert message.startswith(begins)
    assert len(message) <= 2000
    assert not {"\0", "\x1b"} & set(message)


@pytest.mark.parametrize("place", range(230, 260))
def test_a_long_name_keeps_no_half_of_a_secret(monkeypatch, place):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    name = _name(f"uploads/{'a' * 50}{SECRET}{'b' * (place - 4)}.csv")
    assert len(name) <= 255
    assert "hunter2" not in name
    assert name.endswith("b.csv")


@pytest.mark.parametrize("before", range(20, 62))
def test_a_title_that_is_cut_keeps_no_half_of_a_secret(monkeypatch, before):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert "hunt" not in _brief("a" * before + SECRET + "b" * 60)

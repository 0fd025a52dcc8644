"""The pages of service levels in a browser: squares that lead to a day, filters, downloads, without script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow


def test_a_square_leads_to_the_misses_of_its_day_and_back(visit: Start):
    seen = visit()
    page = seen.open("/slos")
    page.locator(".square.breach").first.click()
    page.wait_for_url("**/slos/trakt-freshness?day=*")
    assert page.locator("#list tbody tr").count() == 40
    assert page.locator("main img, main script").count() == 0
    page.locator("#kind-1").click()
    page.wait_for_url("**kind=*")
    page.wait_for_function("() => document.querySelectorAll('#list tbody tr').length === 20")
    assert page.locator(".active .chosen").count() == 2
    page.go_back()
    page.go_back()
    page.wait_for_url("**/slos")
    assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_squares_have_words_and_marks_that_differ_without_colour(visit: Start):
    page = visit().open("/slos/trakt-freshness")
    squares = page.locator("a.square")
    assert squares.count() == 28
    marks = {}
    for index in range(28):
        square = squares.nth(index)
        state = (square.get_attribute("aria-label") or "").split(": ")[1].split(";")[0]
        marks.setdefault(state, set()).add(square.locator("b").inner_text())
    assert {"good", "breach", "no data"} <= set(marks)
    assert sorted(map(len, marks.values())) == [1] * len(marks)
    assert len(set.union(*marks.values())) == len(marks)


def test_without_script_a_day_is_chosen_and_a_postmortem_is_saved(visit: Start, tmp_path: Path):
    seen = visit(java_script_enabled=False)
    page = seen.open("/slos/trakt-freshness")
    with page.expect_download() as download:
        page.locator(".downloads a").first.click()
    download.value.save_as(tmp_path / "postmortem.md")
    text = (tmp_path / "postmortem.md").read_text(encoding="utf-8")
    assert "40 of 200 titles not fresh" in text
    assert "<img" not in text
    page.locator("#filter-kind").select_option("show")
    page.get_by_role("button", name="Filter").click()
    assert "kind=show" in seen.path
    assert set(page.locator("#list tbody td[data-label='kind']").all_inner_texts()) == {"show"}

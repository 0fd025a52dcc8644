"""Titles in a browser: filters, axes and windows change the plot and the table together; points are links."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.seed_titles import HOSTILE_TITLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow


def points(page: Page) -> int:
    return page.locator("svg.scatter a").count()


def state(page: Page) -> tuple[str, str, int, list[str]]:
    return (
        page.locator("#list h1").inner_text(),
        page.locator("svg.scatter").first.get_attribute("aria-label") or "",
        points(page),
        page.locator("#list section:last-of-type tbody th").all_inner_texts(),
    )


def test_filters_change_the_plot_and_the_table_in_place_and_the_back_button_restores_both(visit: Start):
    seen = visit()
    page = seen.open("/titles")
    page.evaluate("window.stayed = true")
    before = state(page)
    assert page.locator("svg.scatter .cell").count() > 50
    page.get_by_role("complementary", name="Filters").get_by_role("link", name="90-365").click()
    page.wait_for_url("**/titles?age=90-365")
    page.get_by_role("link", name="Logarithmic").click()
    page.wait_for_url("**log=1")
    page.locator("#window-28d").click()
    page.wait_for_url("**window=28d**")
    page.locator("svg.scatter .cell").first.wait_for(state="detached")
    assert page.evaluate("window.stayed") is True
    after = state(page)
    assert after[0] == "Titles 40"
    assert points(page) == 40
    assert after != before
    # A shared URL shows the same.
    other = visit().open(seen.path)
    assert state(other) == after
    for path in ("**log=1", "**/titles?age=90-365", "**/titles"):
        page.go_back()
        page.wait_for_url(path)
    page.locator("svg.scatter .cell").nth(50).wait_for(state="attached")
    assert state(page) == before
    assert seen.said == []


def test_a_point_is_a_link_to_its_title_and_the_title_leads_back(visit: Start):
    seen = visit(java_script_enabled=False)
    page = seen.open("/titles?kind=movie&age=90-365&log=1")
    page.locator("svg.scatter a", has_text="Night Ferry").first.dispatch_event("click")
    page.wait_for_url("**/titles/movie/1?kind=movie&age=90-365&log=1")
    assert page.locator("h1").inner_text() == "Night Ferry (2001)"
    page.get_by_role("link", name="7 days").click()
    assert page.locator("h1").inner_text() == "Night Ferry (2001)"
    page.locator("nav.path").get_by_role("link", name="Titles").click()
    assert seen.path == "/titles?kind=movie&age=90-365&window=7d&log=1"


def test_without_script_the_form_filters_and_keeps_the_other_filters(visit: Start):
    page = (seen := visit(java_script_enabled=False)).open("/titles?kind=movie&window=90d&log=1")
    page.get_by_label("Name contains").fill("night")
    page.get_by_role("button", name="Filter").click()
    assert "kind=movie" in seen.path
    assert "window=90d" in seen.path
    assert "log=1" in seen.path
    assert page.locator("#list h1").inner_text() == "Titles 2"
    assert page.get_by_text(HOSTILE_TITLE.split(" Night")[0]).count() > 0


def test_the_keyboard_reaches_each_title_once_through_the_list_and_no_point(visit: Start):
    seen = visit()
    page = seen.open("/titles?kind=movie&age=90-365&limit=3")
    reached = []
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("[document.activeElement.tagName, document.activeElement.closest('svg') !== null]")
        )
    assert ["a", True] not in reached
    assert page.locator("svg.scatter a").count() == 40
    assert sum(1 for tag, _ in reached if tag == "A") > 30

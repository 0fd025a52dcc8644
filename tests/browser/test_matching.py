"""Matching in a browser: filters in the URL, charts with their tables, links, and no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.seed_matching import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow


def test_filters_are_in_the_url_and_the_back_button_restores_them(visit: Start):
    seen = visit()
    # Not all platforms: uploads for other pages do not add up.
    page = seen.open("/matching?platform=philo")
    before = page.locator("#reconciled").inner_text()
    page.locator("#filter-platform").select_option("tubi")
    page.wait_for_selector(".active .chosen:has-text('tubi')")
    assert "platform=tubi" in seen.path
    assert page.locator("#reconciled").inner_text() != before
    page.get_by_role("link", name="newest first").click()
    page.wait_for_selector("#sort-hours")
    assert {"platform=tubi", "sort=newest"} <= set(seen.path.partition("?")[2].split("&"))
    page.go_back()
    page.wait_for_selector("#sort-newest")
    page.go_back()
    page.wait_for_selector(".active .chosen:has-text('philo')")
    assert page.locator("#reconciled").inner_text() == before
    assert seen.said == []


def test_every_chart_is_next_to_a_table_and_a_week_leads_to_its_figures(visit: Start):
    seen = visit(java_script_enabled=False)
    page = seen.open("/matching?platform=philo")
    charts = page.get_by_role("img")
    names = [charts.nth(index).get_attribute("aria-label") for index in range(charts.count())]
    assert names[:3] == ["Match rate by week: 8 points", "Rows by week: 8 columns", "Hours by week: 8 columns"]
    assert {"Rows by bucket: philo", "Hours by bucket: philo"} <= set(names)
    page.get_by_text("Table of weeks").click()
    weeks = page.get_by_role("region", name="Weeks")
    assert weeks.get_by_role("row").count() == 10, "eight weeks, rows without a date, and the head"
    weeks.get_by_role("link").first.click()
    assert "from=2026-03-02&to=2026-03-02" in seen.path
    assert page.get_by_role("region", name="Weeks").get_by_role("row").count() == 2


def test_a_title_leads_to_its_card(visit: Start):
    seen = visit()
    page = seen.open("/matching?platform=tubi")
    title = page.get_by_role("region", name="Titles").get_by_role("link", name="<img src=x").first
    href = title.get_attribute("href")
    assert href is not None
    assert href.startswith("/review?platform=tubi&key=")
    # A name of a file, shown as it is; what would turn text around is visible.
    assert HOSTILE.replace("\u202e", "\\u202e") in page.locator("main").inner_text()


def test_the_queries_show_results_and_their_sql(visit: Start):
    seen = visit()
    page = seen.open("/matching?platform=philo")
    page.get_by_role("link", name="run the queries").click()
    page.wait_for_selector("#formula")
    assert seen.path == "/matching/checks?platform=philo"
    assert page.locator("h2 .pill").all_inner_texts() == ["pass"] * 4
    page.locator("#rates summary").click()
    sql = page.locator("#rates pre").inner_text()
    assert "FROM viewership_source.platform_viewership" in sql
    assert "''q''" in sql, "quotes in names are doubled"
    page.locator("#filter-upload").fill("2")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**upload=2**")
    assert page.get_by_role("region", name="Match rates").get_by_role("row").count() == 2

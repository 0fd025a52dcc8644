"""Every report in headless Chromium: accessible in both schemes, and readable on a phone and on paper."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from shared.report import Amounts, Report, Shares, Table
from shared.report.page import render
from tests.browser.console import browser  # noqa: F401
from tests.reports import REPORTS, build

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Rows per table, failures and bars; axe takes seconds for 200.
_ROWS = 4
# An A4 page with the margins of Chromium, in CSS pixels.
_PAPER = 718
# Reports of two commands that the same code makes.
_SAME = {"screenalytics replay", "trakt backfill"}
_OPEN = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
# Reports with all kinds of sections between them, for the colours of the dark scheme.
_DARK = {"gamedata extract", "media publish", "trakt slo", "viewership retract"}
# These join reports of other steps, which axe has seen.
_JOINED = {"gamedata run", "trakt run", "viewership run"}
# Parts that are wider than the room they have, with their names.
_CUT = """
[...document.querySelectorAll('.scroll, .card, .tile, dd')].filter((each) => each.scrollWidth > each.clientWidth + 1)
  .map((each) => `${each.className} ${each.ariaLabel ?? each.textContent.slice(0, 80)}`)
"""
_SIDEWAYS = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"


def short(report: Report) -> Report:
    """Return the report with the first rows of each table, bars of each chart, and failures."""
    report.sections = [
        replace(each, rows=each.rows[:_ROWS])
        if isinstance(each, Table)
        else replace(each, bars=each.bars[:_ROWS])
        if isinstance(each, Amounts | Shares)
        else each
        for each in report.sections
    ]
    report.failures = report.failures[:_ROWS]
    return report


def faults(page: Page) -> list[str]:
    """Return what axe finds: rule, element and the reason."""
    answer: dict[str, Any] = Axe().run(page, options={"runOnly": _RULES}).response
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in answer["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", [name for name in REPORTS if name not in _SAME])
def test_a_report_is_accessible_and_fits_a_phone_and_paper(browser: Browser, tmp_path: Path, name: str):  # noqa: F811
    (tmp_path / "input").mkdir()
    place = tmp_path / "report.html"
    place.write_text(render(short(build(name, tmp_path / "input"))), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="light")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    try:
        page.goto(place.as_uri())
        page.evaluate(_OPEN)
        assert page.evaluate(_SIDEWAYS) == 0
        assert page.evaluate(_CUT) == []
        assert name in _JOINED or faults(page) == []
        page.emulate_media(media="print")
        page.set_viewport_size({"width": _PAPER, "height": 1000})
        assert page.evaluate(_SIDEWAYS) == 0
        page.emulate_media(media="screen", color_scheme="dark")
        page.set_viewport_size({"width": 1280, "height": 900})
        assert page.evaluate(_SIDEWAYS) == 0
        assert name not in _DARK or faults(page) == []
        assert said == []
    finally:
        page.close()


def test_a_failure_is_a_card_on_a_phone(browser: Browser, tmp_path: Path):  # noqa: F811
    (tmp_path / "input").mkdir()
    place = tmp_path / "report.html"
    place.write_text(render(build("gamedata extract", tmp_path / "input")), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    try:
        page.goto(place.as_uri())
        cells = page.locator("section", has_text="What failed").locator("tbody tr").first.locator("td")
        item, code, message, _ = (cells.nth(number).bounding_box() for number in range(4))
        assert item is not None
        assert code is not None
        assert message is not None
        assert item["y"] + item["height"] <= code["y"] < code["y"] + code["height"] <= message["y"]
        assert item["width"] > 300
        assert message["width"] > 300
    finally:
        page.close()


def test_rows_beyond_the_first_are_on_paper_but_not_tables_that_repeat_a_chart(browser: Browser, tmp_path: Path):  # noqa: F811
    (tmp_path / "input").mkdir()
    place = tmp_path / "report.html"
    place.write_text(render(build("gamedata extract", tmp_path / "input")), encoding="utf-8")
    page = browser.new_page()
    try:
        page.goto(place.as_uri())
        assert not page.get_by_text("session-0008.tar").first.is_visible()
        page.emulate_media(media="print")
        assert page.locator("td", has_text="session-0008.tar").first.is_visible()
        assert not page.locator(".twin").first.is_visible()
    finally:
        page.close()

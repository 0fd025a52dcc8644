"""Every report in headless Chromium: accessible in both schemes, and readable on a phone and on paper."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.report import Amounts, Report, Shares, Table
from shared.report.page import render
from tests.browser.axe import faults, prepare
from tests.reports import REPORTS, build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

pytestmark = pytest.mark.slow

# Rows per table, failures and bars; axe takes seconds for 200.
_ROWS = 4
# An A4 page with the margins of Chromium, in CSS pixels.
_PAPER = 718
_PHONE: ViewportSize = {"width": 390, "height": 844}
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


@pytest.fixture(scope="module")
def opened(browser: Browser) -> Iterator[Page]:
    """A page for all reports, one after the other: a new one takes 0.4 s of processor time."""
    page = browser.new_page()
    prepare(page)
    yield page
    page.close()


@pytest.fixture
def page(opened: Page) -> Page:
    """A page of a phone, in light colours: not an empty one between two reports, which takes a process of its own."""
    opened.emulate_media(media="screen", color_scheme="light")
    opened.set_viewport_size(_PHONE)
    return opened


@pytest.mark.parametrize("name", [name for name in REPORTS if name not in _SAME])
def test_a_report_is_accessible_and_fits_a_phone_and_paper(page: Page, tmp_path: Path, name: str):
    (tmp_path / "input").mkdir()
    place = tmp_path / "report.html"
    place.write_text(render(short(build(name, tmp_path / "input"))), encoding="utf-8")
    said: list[str] = []

    def keep(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("console", keep)
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
        page.remove_listener("console", keep)


def test_a_failure_is_a_card_on_a_phone(page: Page, tmp_path: Path):
    (tmp_path / "input").mkdir()
    place = tmp_path / "report.html"
    place.write_text(render(build("gamedata extract", tmp_path / "input")), encoding="utf-8")
    page.goto(place.as_uri())
    cells = page.locator("section", has_text="What failed").locator("tbody tr").first.locator("td")
    item, code, message, _ = (cells.nth(number).bounding_box() for number in range(4))
    assert item is not None
    assert code is not None
    assert message is not None
    assert item["y"] + item["height"] <= code["y"] < code["y"] + code["height"] <= message["y"]
    assert item["width"] > 300
    assert message["width"] > 300


def test_rows_beyond_the_first_are_on_paper_but_not_tables_that_repeat_a_chart(page: Page, tmp_path: Path):
    (tmp_path / "input").mkdir()
    place = tmp_path / "report.html"
    place.write_text(render(build("gamedata extract", tmp_path / "input")), encoding="utf-8")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(place.as_uri())
    assert not page.get_by_text("session-0008.tar").first.is_visible()
    page.emulate_media(media="print")
    assert page.locator("td", has_text="session-0008.tar").first.is_visible()
    assert not page.locator(".twin").first.is_visible()

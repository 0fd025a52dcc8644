"""Every report of every pipeline: charts or pictures, what is left out in words, hostile names as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from jobs.gamedata.commands import STEPS as GAMEDATA
from jobs.media.commands import STEPS as MEDIA
from jobs.screenalytics.commands import STEPS as SCREENALYTICS
from jobs.trakt.commands import STEPS as TRAKT
from jobs.viewership.commands import STEPS as VIEWERSHIP
from shared.failure import Failure
from shared.report import Amounts, Figures, Histogram, Shares, Spans, Squares, Table, Trend
from shared.report.page import render
from shared.step.contract import Step
from tests.reports import REPORTS, build
from tests.unit.shared.report.test_page import Outline

if TYPE_CHECKING:
    from shared.report import Report

_ALL = (GAMEDATA, MEDIA, SCREENALYTICS, TRAKT, VIEWERSHIP)


@pytest.fixture(scope="module", params=REPORTS)
def made(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, str]:
    """Each report and its page, made once: they are read by all tests, and changed by none."""
    report = build(request.param, tmp_path_factory.mktemp("report"))
    return report, render(report)


def test_every_step_has_its_report_here():
    steps = [step for steps in _ALL for step in steps if isinstance(step, Step)]
    assert sorted(REPORTS) == sorted(f"{step.pipeline} {step.name}" for step in steps)


def test_a_report_has_charts_or_pictures_with_their_values_as_text(made: tuple[Report, str]):
    report, html = made
    charts = [each for each in report.sections if isinstance(each, Amounts | Histogram | Shares | Spans | Trend)]
    assert charts or any(isinstance(each, Figures | Squares) for each in report.sections)
    drawn = re.findall(r'<(?:svg|div)[^>]* role="img" aria-label="([^"]*)"', html)
    assert len(drawn) >= len(charts)
    assert all(drawn)
    for chart in charts:
        assert chart.title
        assert isinstance(chart, Spans) or chart.unit


def test_a_report_is_one_file_and_names_are_text(made: tuple[Report, str]):
    _, html = made
    page = Outline()
    page.feed(html)
    assert page.open == []
    assert "script" not in page.tags
    assert all(source.startswith(("data:image/", "../")) for source in page.sources)
    assert not re.search(r"(?i)@import|url\(", html)


def test_a_list_that_is_cut_says_how_much_of_it_is_shown(made: tuple[Report, str]):
    report, html = made
    for section in report.sections:
        if isinstance(section, Table) and section.total and section.total > len(section.rows):
            assert f"{len(section.rows):,} of {section.total:,} shown" in html
    tables = [each for each in report.sections if isinstance(each, Table)]
    listed = {(Failure(item, code, "").item, code) for each in tables for item, code in each.explains}
    if report.failures_truncated and any((each.item, each.code) not in listed for each in report.failures):
        total = len(report.failures) + report.failures_truncated
        assert re.search(rf"\d+ of {total:,} shown; to print all, run: <code>telecine runs show", html)


def test_percentages_have_one_style(made: tuple[Report, str]):
    visible = re.sub(r"<style>.*?</style>|<[^>]*>", " ", made[1], flags=re.DOTALL)
    assert not re.search(r"\d%", visible)

"""The notebook over published rows: from files and from PostgreSQL it shows the same figures, and service levels."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jobs.trakt.gold.build import TABLES
from jobs.trakt.modelling.environment import PROJECT
from jobs.trakt.settings import PublishSettings, SloSettings
from jobs.trakt.steps import publish, slo
from tests.cli import ROOT
from tests.docs.notebook import CellError, cells, run
from tests.fakes.ledger import MemoryStageRun
from tests.language.patterns import patterns
from tests.language.texts import of_file
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_gold import AS_OF, OBSERVED, Rows, build, rows
from tests.trakt_ledger import Ledger, at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database

NOTEBOOK = ROOT / "docs" / "notebooks" / "trakt.ipynb"
LEVELS = "of the error budget spent"


def content() -> Rows:
    """Return rows of three titles: a phenomenon with a half-life, one near a median, one with too few comments."""
    found = rows()
    for title, quadrant, reason, breadth in (
        (1, "phenomenon", None, 200.0),
        (2, "borderline", "NEAR_MEDIAN", 50.0),
        (3, "insufficient", "TOO_FEW", None),
    ):
        for row in found["trakt_quadrants_daily"]:
            if row["title_id_trakt"] == title:
                row.update(quadrant=quadrant, reason=reason, breadth=breadth, breadth_median=50.0)
    for row in found["trakt_titles"]:
        row.update(title=f"Title <{row['title_id_trakt']}>", first_comment_at=OBSERVED - timedelta(days=90))
    for row in found["trakt_metrics_daily"]:
        row.update(anchor="first_comment", age_days=90, comments=40 - row["title_id_trakt"])
        if row["title_id_trakt"] != 1:
            row.update(half_life_days=None, half_life_days_low=None, half_life_days_high=None)
            row["half_life_days_reason"] = "NO_DECAY"
    return found


def everything(path: Path = NOTEBOOK) -> str:
    return "\n".join(cell.shown for cell in run(path))


def check(shown: str) -> None:
    """Check each section: titles, quadrants, the picture, the curve, and what is NULL."""
    assert f"3 titles, as of {AS_OF}" in shown
    assert "Title &lt;1&gt;: phenomenon, 40 comments, 12 peers" in shown
    assert "Title &lt;2&gt;: borderline" in shown
    assert "Title &lt;3&gt;: insufficient" not in shown
    assert "half-life 1.5 days (1.4 to 1.7), n = 40" in shown
    assert f"days since first comment on {(OBSERVED - timedelta(days=90)).date()}" in shown
    (counted,) = re.findall(
        r"<tr>(?:(?!</tr>).)*half_life_days(?:(?!</tr>).)*NO_DECAY(?:(?!</tr>).)*</tr>", shown, re.DOTALL
    )
    assert "<td>2</td>" in counted


def test_no_output_is_stored_and_every_code_cell_is_explained() -> None:
    found = cells(NOTEBOOK)
    assert [cell.stored for cell in found if cell.stored] == []
    assert found[0].kind == "markdown"
    assert {cell.kind for cell in found} == {"code", "markdown"}


def test_its_text_has_links_that_lead_somewhere_and_plain_words() -> None:
    prose = "\n\n".join(cell.source for cell in cells(NOTEBOOK) if cell.kind == "markdown")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    assert len(targets) > 3
    assert [target for target in targets if not (NOTEBOOK.parent / target).exists()] == []
    code = "\n\n".join(cell.source for cell in cells(NOTEBOOK) if cell.kind == "code")
    found = [*of_file("docs/notebooks/trakt.md", prose), *of_file("docs/notebooks/trakt.py", code)]
    assert [match[0] for pattern in patterns() for text in found for match in pattern.find(text)] == []


def test_the_models_name_all_tables_that_it_reads_and_all_that_are_published() -> None:
    macro = (PROJECT / "macros" / "export.sql").read_text(encoding="utf-8")
    published = dict(re.findall(r"'(\w+)': \('(\w+)'", macro))
    exposures = yaml.safe_load((PROJECT / "models" / "gold" / "_exposures.yml").read_text(encoding="utf-8"))[
        "exposures"
    ]
    named = {each["name"]: {published[each[5:-2]] for each in each["depends_on"]} for each in exposures}
    code = "\n".join(cell.source for cell in cells(NOTEBOOK) if cell.kind == "code")
    assert named["trakt_notebook"] == set(re.findall(r'table\("(\w+)"', code))
    assert named["published_tables"] == set(TABLES)


def test_it_runs_over_the_files_of_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, content())
    monkeypatch.setenv("TELECINE_TRAKT_BUCKET", f"file://{tmp_path}")
    shown = everything()
    check(shown)
    assert "service levels are in PostgreSQL only" in shown


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_it_runs_over_postgresql_and_shows_service_levels(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, content())
    settings = PublishSettings(database_url=database.url, bucket=f"file://{tmp_path}")
    publish.run(settings, stage("publish"))
    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)
    shown = everything()
    check(shown)
    assert "no day is measured yet" in shown

    ledger, today = Ledger(database), date(2026, 5, 20)
    ledger.titles(4, today - timedelta(days=40))
    ledger.sweep_all(today - timedelta(days=2))
    ledger.feed(today)
    ledger.feed(today - timedelta(days=1), "10:00")
    slo.run(SloSettings(database_url=database.url, now=at(today, "09:30")), stage("slo"))
    shown = everything()
    check(shown)
    assert f"Title &lt;1&gt;, {today}: fresh" in shown
    assert f"Title &lt;1&gt;, {today - timedelta(days=1)}: FEED_LATE" in shown
    # Not in gold yet.
    assert f"movie 4, {today}: fresh" in shown
    assert LEVELS in shown


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_it_runs_over_postgresql_if_no_title_has_enough_comments(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = content()
    for row in found["trakt_quadrants_daily"]:
        row.update({name: None for name in row if name.startswith(("p_", "breadth", "intensity"))})
        row.update(quadrant="insufficient", reason="TOO_FEW")
    build(tmp_path, found)
    settings = PublishSettings(database_url=database.url, bucket=f"file://{tmp_path}")
    publish.run(settings, stage("publish"))
    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)
    shown = everything()
    assert "no title has enough comments and peers" in shown
    assert "half-life 1.5 days (1.4 to 1.7), n = 40" in shown


def test_without_rows_it_says_what_to_run(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)
    with pytest.raises(CellError, match=r"cell 4: .*run `telecine trakt run`"):
        run(NOTEBOOK)


def test_without_a_build_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELECINE_TRAKT_BUCKET", str(tmp_path))
    with pytest.raises(CellError, match=r"cell 4: .*has no build of gold; set TELECINE_DATABASE_URL or"):
        run(NOTEBOOK)


def test_an_error_names_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "broken.ipynb"
    sources: list[tuple[str, list[str]]] = [("markdown", ["# A"]), ("code", ["a = 1\n", "a"]), ("code", ["a + b"])]
    path.write_text(json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in sources]}))
    with pytest.raises(CellError, match=r"broken.ipynb, cell 3: NameError: name 'b'"):
        run(path)


def stage(name: str) -> Any:
    return MemoryStageRun(run_id="run-1", pipeline="trakt", stage=name)

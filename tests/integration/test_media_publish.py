"""The index page of a run, over a real ledger."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from shared.errors import DataError
from shared.failure import Failure
from shared.ledger import open_stage
from shared.report import Report
from shared.step.execute import execute
from tests.postgres_server import database, postgres  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


def publish(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, *flags: str) -> tuple[dict, str]:
    from jobs.media.commands import STEPS

    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)
    assert execute(STEPS[0], ["--run-id", "run-1", "--report-dir", str(folder), *flags]) == 0
    return json.loads((folder / "report.json").read_text()), (folder / "report.html").read_text()


def test_a_branch_that_failed_is_on_the_page_with_the_others(database, tmp_path, monkeypatch):
    settings = database.settings(run_id="run-1")
    failure = Failure("a/1.tar", "tar_corrupt", "it ends <too> early")
    with open_stage(settings, pipeline="gamedata", stage="extract", order=2) as stage:
        stage.record_errors([failure])
        report = Report(
            status="partial", counts={"extracted": 37, "failed": 3}, bytes={"read": 5000}, failures=[failure]
        )
        stage.finish(report)
    with suppress(DataError), open_stage(settings, pipeline="gamedata", stage="manifest", order=3):
        raise DataError("nothing is extracted")
    document, page = publish(database, tmp_path / "index", monkeypatch)
    assert document["status"] == "success"
    assert {name: stage["status"] for name, stage in document["stages"].items()} == {
        "extract": "partial",
        "manifest": "failed",
    }
    assert document["counts"] == {"stages": 2, "failed_stages": 1, "extract.extracted": 37, "extract.failed": 3}
    assert document["bytes"] == {"extract.read": 5000}
    assert document["headline"] == "2 stages: 1 failed, 1 partial"
    for words in (
        '<a href="../extract/report.html">extract</a>',
        '<a href="../manifest/report.html">manifest</a>',
        "nothing is extracted",
        "it ends &lt;too&gt; early",
    ):
        assert words in page
    assert "<script" not in page
    # The index itself is a stage of the run, and changes nothing about how the run ended.
    assert database.rows("SELECT status, error_stage FROM pipeline.runs") == [("failed", "manifest")]


def test_links_may_lead_elsewhere_but_only_to_pages(database, tmp_path, monkeypatch):
    with open_stage(database.settings(run_id="run-1"), pipeline="gamedata", stage="extract", order=2) as stage:
        stage.finish(Report())
    _, page = publish(database, tmp_path / "1", monkeypatch, "--report-link", "https://ui/{pipeline}/{step}?x=1&y")
    assert '<a href="https://ui/gamedata/extract?x=1&amp;y">extract</a>' in page
    _, page = publish(database, tmp_path / "2", monkeypatch, "--report-link", "javascript:alert('{step}')")
    assert "<a " not in page


def test_a_run_of_which_nothing_has_begun(database, tmp_path, monkeypatch):
    document, _ = publish(database, tmp_path / "index", monkeypatch)
    assert document["headline"] == "no stage of this run has started"

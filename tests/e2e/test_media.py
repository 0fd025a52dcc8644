"""The umbrella media end to end, with one step's pod deleted mid-run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.arrivals import milliseconds

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing, Opening, Sinks
    from tests.e2e.installation import Installation


def test_media_from_tars_to_the_table_and_the_index_page(installation: Installation, opening: Opening) -> None:
    opening.media.succeeded()
    sessions = installation.rows(
        "SELECT s3_key, error_code FROM gold.gamedata_sessions WHERE starts_with(s3_key, 'media/') ORDER BY s3_key"
    )
    assert sessions == sorted((f"media/{number}.tar", None) for number in range(opening.MEDIA))
    stages = installation.rows(
        "SELECT pipeline, stage, status FROM pipeline.run_stages WHERE run_id = %s ORDER BY stage_order, stage",
        opening.media.uid,
    )
    by_pipeline: dict[str, list[str]] = {}
    for pipeline, stage, _ in stages:
        by_pipeline.setdefault(pipeline, []).append(stage)
    assert by_pipeline == {
        "gamedata": ["plan", "extract", "manifest", "publish"],
        "screenalytics": ["sync_screenalytics"],
        "viewership": ["upload", "normalize", "match", "load"],
        "media": ["index"],
    }
    assert {status for *_, status in stages} == {"success"}
    code, page = opening.media.artifact(opening.media.index(), "report-html")
    assert code == 200
    for stage in (b"extract", b"sync_screenalytics"):
        assert stage in page


def test_media_ingests_screenalytics_runs(installation: Installation, opening: Opening) -> None:
    opening.media.succeeded()
    rows = installation.rows(
        "SELECT person_id, onscreen_ms FROM gold.screenalytics_persons"
        " WHERE run_id = 'by-media' AND pipeline_run_id = %s",
        opening.media.uid,
    )
    assert dict(rows) == milliseconds(opening.arrivals.files["by-media"])


def test_a_failure_followed_by_a_successful_retry_sends_no_message(opening: Opening, sinks: Sinks) -> None:
    opening.media.succeeded()
    ended = opening.media.pod_of(opening.media.nodes("extract-in-pod")[-1])
    assert ended.metadata.uid != opening.deleted_step.metadata.uid
    assert sinks.of(opening.media.uid) == ([], [])


def test_branches_that_fail_stop_neither_the_others_nor_the_index_page(closing: Closing) -> None:
    run = closing.bad_media
    run.failed()
    branches = {"gamedata": "Failed", "screenalytics": "Succeeded", "viewership": "Succeeded", "trakt": "Failed"}
    assert run.phases(*branches) == branches
    # A refused key is asked once, and not again by a retry; what was missed is measured.
    (attempt,) = run.branch("trakt", "ingest")
    assert attempt["outputs"]["exitCode"] == "78"
    assert [each["status"] for each in closing.site.requests()] == [403]
    assert run.phases("trakt.model", "trakt.publish", "trakt.slo") == {
        "trakt.model": "Skipped", "trakt.publish": "Omitted", "trakt.slo": "Succeeded",
    }  # fmt: skip
    index = run.index()
    assert index["phase"] == "Succeeded"
    code, page = run.artifact(index, "report-html")
    assert code == 200
    assert b"failed" in page

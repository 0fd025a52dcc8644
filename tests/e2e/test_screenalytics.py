"""Screenalytics runs in a cluster: announced by an event, found by a poll and by the cron, and one unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.arrivals import OUTBOX, milliseconds, put_files, suspend_poll
from tests.e2e.node import wait_for
from tests.screenalytics_runs import make_run

if TYPE_CHECKING:
    from tests.e2e.argo import Run
    from tests.e2e.arrivals import Arrivals
    from tests.e2e.conftest import Opening, Sinks
    from tests.e2e.installation import Installation


@pytest.fixture
def arrivals(opening: Opening) -> Arrivals:
    return opening.arrivals


def persons(installation: Installation, run_id: str) -> dict[str, int]:
    return dict(
        installation.rows("SELECT person_id, onscreen_ms FROM screenalytics.person_metrics WHERE run_id = %s", run_id)
    )


def figures(run: Run) -> dict[str, str]:
    """Return the output parameters of the ingestion."""
    return {each["name"]: each["value"] for each in run.nodes("ingest")[-1]["outputs"]["parameters"]}


def stage(installation: Installation, run: Run) -> tuple[Any, ...]:
    (found,) = installation.rows(
        "SELECT status, stage_order, exit_code, error_details FROM pipeline.run_stages"
        " WHERE run_id = %s AND stage = 'sync_screenalytics'",
        run.uid,
    )
    return found


def test_an_event_becomes_rows_and_is_acknowledged(installation: Installation, arrivals: Arrivals) -> None:
    arrivals.event.succeeded()
    assert persons(installation, "by-event") == milliseconds(arrivals.files["by-event"])
    assert installation.rows(f"SELECT delivered_at IS NOT NULL, delivery_attempts FROM {OUTBOX}") == [(True, 0)] * 2
    assert figures(arrivals.event)["events"] == "2"
    assert stage(installation, arrivals.event) == ("success", 6, 0, None)


def test_a_poll_becomes_rows_and_the_next_one_touches_none(installation: Installation, arrivals: Arrivals) -> None:
    arrivals.poll.succeeded()
    arrivals.again.succeeded()
    for run_id in ("by-poll-1", "by-poll-2"):
        assert persons(installation, run_id) == milliseconds(arrivals.files[run_id])
        assert installation.rows(
            "SELECT pipeline_run_id, updated_at = ingested_at FROM screenalytics.runs WHERE run_id = %s", run_id
        ) == [(arrivals.poll.uid, True)]
    assert (figures(arrivals.poll)["ingested"], figures(arrivals.poll)["known"]) == ("2", "0")
    assert (figures(arrivals.again)["ingested"], figures(arrivals.again)["known"]) == ("0", "2")


def test_a_bad_run_fails_where_people_look_and_costs_no_good_one(
    installation: Installation, arrivals: Arrivals, sinks: Sinks
) -> None:
    arrivals.bad.failed()
    (node,) = arrivals.bad.nodes("ingest")
    assert node["outputs"]["exitCode"] == "65"
    # The UI shows it at the node.
    for word in ("new-version", "UNSUPPORTED_VERSION"):
        assert word in node["message"]
    status, _, exit_code, details = stage(installation, arrivals.bad)
    assert (status, exit_code) == ("failed", 65)
    (error,) = details["errors"]
    assert (error["code"], error["item"]) == ("UNSUPPORTED_VERSION", "new-version")
    assert error["manifest_key"] == "mixed/runs/new-version/manifest.json"
    for run_id in ("good-1", "good-3"):
        assert persons(installation, run_id) == milliseconds(arrivals.files[run_id])
    assert persons(installation, "new-version") == {}
    code, page = arrivals.bad.artifact(node, "report-html")
    assert code == 200
    assert b"UNSUPPORTED_VERSION" in page
    documents, mails = sinks.of(arrivals.bad.uid)
    assert (len(documents), len(mails)) == (1, 1)
    document: dict[str, Any] = documents[0]
    assert (document["pipeline"], document["step"], document["exit_code"], document["code"]) == (
        "screenalytics", "sync_screenalytics", 65, "UNSUPPORTED_VERSION",
    )  # fmt: skip


def test_a_run_that_was_fixed_is_replayed_from_the_form(
    installation: Installation, opening: Opening, arrivals: Arrivals
) -> None:
    """`replay` is an entrypoint: the form sends its inputs as parameters of the Workflow."""
    arrivals.bad.ended()
    fixed = make_run("new-version", ep_id="rhoslc-s06e16", prefix="mixed")
    put_files(installation.node, fixed)
    form = {"prefix": "mixed", "run": "new-version"}
    replay = installation.argo.submit("screenalytics", form, entrypoint="replay")
    replay.succeeded()
    assert persons(installation, "new-version") == milliseconds(fixed)
    assert stage(installation, replay) == ("success", 6, 0, None)


def test_a_parameter_that_nothing_reads_is_named_with_the_near_one(arrivals: Arrivals) -> None:
    arrivals.misspelt.failed()
    (node,) = arrivals.misspelt.nodes("ingest")
    assert node["outputs"]["exitCode"] == "2"
    assert "prefx" in node["message"]
    assert "prefix" in node["message"]


def test_the_cron_finds_what_lies_under_the_prefix_of_the_installation(
    installation: Installation, arrivals: Arrivals
) -> None:
    by_cron = (
        "SELECT stage.host FROM screenalytics.runs JOIN pipeline.run_stages stage"
        " ON stage.run_id = runs.pipeline_run_id WHERE runs.run_id = 'by-cron'"
    )
    found = wait_for(lambda: installation.rows(by_cron), 180, "the cron has ingested a run", every=1)
    suspend_poll(installation, suspend=True)
    # The host name is the pod's name, which starts with the Workflow's, which starts with the cron's.
    assert found[0][0].startswith("screenalytics-poll-")
    assert persons(installation, "by-cron") == milliseconds(arrivals.files["by-cron"])

"""The run submitted as from the UI's form: 40 TARs, three of them bad, in a RayJob."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.places import BAD

if TYPE_CHECKING:
    from tests.e2e.conftest import Opening, Sinks
    from tests.e2e.installation import Installation


def test_bad_tars_become_typed_errors_and_block_no_good_one(installation: Installation, opening: Opening) -> None:
    opening.main.succeeded()
    expected = sorted((key, BAD[kind]) for key, kind in opening.kinds.items() if kind in BAD)
    assert len(expected) == 3
    good = [key for key, kind in opening.kinds.items() if kind not in BAD]
    stored = [key for key in installation.node.keys("game-data-manifest", "first/") if key.endswith(".pt")]
    assert len(stored) == len(good) == 37
    errors = installation.rows(
        "SELECT item, code FROM pipeline.item_errors WHERE run_id = %s AND stage = 'extract' ORDER BY item",
        opening.main.uid,
    )
    assert errors == expected
    sessions = installation.rows(
        "SELECT s3_key, error_code FROM gold.gamedata_sessions WHERE starts_with(s3_key, 'first/') ORDER BY s3_key"
    )
    assert sessions == sorted([*((key, None) for key in good), *expected])
    stages = dict(
        installation.rows("SELECT stage, status FROM pipeline.run_stages WHERE run_id = %s", opening.main.uid)
    )
    assert stages["extract"] == "partial"
    assert installation.rows("SELECT status FROM pipeline.runs WHERE run_id = %s", opening.main.uid) == [("partial",)]


def test_the_parameters_of_the_form_were_used(installation: Installation, opening: Opening) -> None:
    opening.main.succeeded()
    (parameters,) = installation.rows(
        "SELECT parameters FROM pipeline.run_stages WHERE run_id = %s AND stage = 'extract'", opening.main.uid
    )[0]
    assert (parameters["sampling"], parameters["prefix"], parameters["batch_mb"]) == ("exact", "first/", 1)


def test_the_work_was_done_by_ray_pods(installation: Installation, opening: Opening) -> None:
    opening.main.succeeded()
    hosts = {worker.split(":")[0] for worker in opening.workers()}
    assert len(hosts) >= 2
    # A launcher's pod is named after the Workflow, KubeRay's pods after the RayJob and their group.
    assert all(host.startswith("telecine-") and "cpu-worker" in host for host in hosts), hosts
    assert opening.deleted_worker in hosts, "it had committed parts before it was deleted"
    ((uid, attempt),) = installation.rows(
        "SELECT rayjob_uid, attempt FROM pipeline.run_stages WHERE run_id = %s AND stage = 'extract'", opening.main.uid
    )
    assert (str(uid), attempt) == (opening.rayjob, 1), "the work was done by the first driver"


def test_reports_are_at_their_keys_and_behind_the_endpoint(installation: Installation, opening: Opening) -> None:
    opening.main.succeeded()
    keys = installation.node.keys("telecine-artifacts", f"telecine/{opening.main.name}/")
    for stage in ("plan", "extract", "manifest", "publish"):
        for kind in ("html", "json"):
            assert f"telecine/{opening.main.name}/{stage}/report.{kind}" in keys
    extract = opening.main.nodes("extract-on-cluster")[-1]
    code, page = opening.main.artifact(extract, "report-html")
    assert code == 200
    assert b"<!doctype html>" in page[:200].lower()
    assert b"moov_missing" in page
    assert b"<script" not in page
    code, document = opening.main.artifact(extract, "report-json")
    assert code == 200
    counts = json.loads(document)["counts"]
    assert (counts["extracted"], counts["failed"]) == (37, 3)


def test_the_same_run_again_waits_and_repeats_no_work(installation: Installation, opening: Opening) -> None:
    opening.main.succeeded()
    before = opening.etags()
    status = opening.again.succeeded()
    assert not opening.again.rayjobs()
    assert opening.etags() == before
    outputs = {each["name"]: each["value"] for each in opening.again.nodes("plan")[-1]["outputs"]["parameters"]}
    assert outputs["to-read"] == "0"
    assert outputs["done"] == "37"
    assert status["startedAt"] >= opening.main.status()["finishedAt"]


def test_a_successful_run_with_bad_items_sends_no_message(sinks: Sinks, opening: Opening) -> None:
    opening.main.succeeded()
    assert sinks.of(opening.main.uid) == ([], [])

"""Runs that fail, are stopped or are terminated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.e2e.node import wait_for

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing, Sinks
    from tests.e2e.installation import Installation


def test_a_bad_parameter_fails_in_the_first_step_with_a_plain_message(closing: Closing) -> None:
    status = closing.bad.failed()
    (plan,) = closing.bad.nodes("plan")
    assert plan["outputs"]["exitCode"] == "2"
    said = closing.bad.log(plan)
    assert "TELECINE_GAMEDATA_STRIDES=every-second is not valid" in said
    assert "Traceback" not in said
    # The UI shows it at the node itself.
    assert "TELECINE_GAMEDATA_STRIDES=every-second is not valid" in plan["message"]
    assert not closing.bad.nodes("extract-on-cluster")
    assert not closing.bad.rayjobs()
    assert status["phase"] == "Failed"


def test_an_unknown_parameter_is_reported_with_a_suggestion(closing: Closing) -> None:
    """The Argo server accepts any name; without the check, the run would read the whole bucket."""
    closing.misspelt.failed()
    (plan,) = closing.misspelt.nodes("plan")
    assert plan["outputs"]["exitCode"] == "2"
    assert "prefx" in plan["message"]
    assert "prefix" in plan["message"]


def test_a_failed_run_sends_one_message_per_channel(closing: Closing, sinks: Sinks) -> None:
    closing.bad.failed()
    documents, mails = sinks.of(closing.bad.uid)
    assert len(documents) == 1
    assert len(mails) == 1
    told: dict[str, Any] = documents[0]
    assert (told["pipeline"], told["step"], told["exit_code"], told["workflow"]) == (
        "gamedata", "plan", 2, closing.bad.name,
    )  # fmt: skip
    assert told["code"] == "usage"
    assert "every-second" in told["message"]
    assert told["link"] == f"http://argo.example.org/workflows/telecine/{closing.bad.name}"
    for word in (closing.bad.uid, "plan", "usage"):
        assert word in mails[0]


def test_gpu_without_a_gpu_reports_within_a_minute_what_it_waits_for(closing: Closing) -> None:
    closing.pending.rayjob(seconds=180)
    pod = closing.pending.running_pod("extract-on-cluster").metadata.name
    node = closing.pending.nodes("extract-on-cluster")[-1]
    line = wait_for(
        lambda: [each for each in closing.pending.log(node).splitlines() if "Insufficient nvidia.com/gpu" in each],
        60,
        f"{pod} says that there is no GPU",
    )[0]
    assert "group gpu" in line
    assert "Pending" in line


def test_the_doctor_finds_nothing_wrong_in_a_pod(installation: Installation, closing: Closing) -> None:
    closing.pending.rayjob(seconds=180)
    pod = closing.pending.running_pod("extract-on-cluster").metadata.name
    said = installation.node.kubectl(
        "-n", installation.namespace, "exec", pod, "-c", "main", "--", "telecine", "doctor", "--format", "json"
    )
    lines = json.loads(said)["lines"]
    assert {line["area"] for line in lines} == {"python", "database", "store", "cluster", "console"}
    assert [line for line in lines if line["status"] == "fail"] == []


def test_argo_stop_deletes_the_rayjob(installation: Installation, closing: Closing, sinks: Sinks) -> None:
    closing.pending.rayjob(seconds=180)
    closing.pending.stop()
    closing.pending.failed()
    wait_for(lambda: not closing.pending.rayjobs(), 60, "the RayJob of the stopped run is gone")
    assert installation.rows("SELECT status FROM pipeline.runs WHERE run_id = %s", closing.pending.uid) == [
        ("cancelled",)
    ]
    assert sinks.of(closing.pending.uid) == ([], []), "it was stopped on purpose"


def test_argo_terminate_leaves_nothing_after_the_sweep_of_the_cron(closing: Closing) -> None:
    closing.terminated.rayjob(seconds=180)
    closing.terminated.terminate()
    closing.terminated.failed()
    wait_for(lambda: not closing.terminated.rayjobs(), 180, "the sweep has deleted the RayJob", every=2)
    argo = closing.terminated.argo
    wait_for(
        lambda: any(
            each.phase() == "Succeeded" for each in argo.runs("workflows.argoproj.io/cron-workflow=telecine-sweep")
        ),
        180,
        "a sweep of the cron has succeeded",
        every=2,
    )

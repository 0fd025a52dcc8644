from __future__ import annotations

import itertools

import pytest

from shared.rayjob.pods import head_is_up, waiting_for
from shared.rayjob.states import End, end_of, phase_of
from tests.fakes.kubernetes import status

JOB = ("", "PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED")
PHASES = {
    **dict.fromkeys(("", "Initializing", "Waiting", "Retrying", "Suspending", "Suspended"), "starting"),
    "Running": "running",
    "Complete": "ended",
    "Failed": "ended",
    "ValidationFailed": "ended",
    "SomethingNew": "running",
}


@pytest.mark.parametrize(("deployment", "job"), list(itertools.product(PHASES, JOB)))
def test_the_deployment_decides_and_not_the_job(deployment, job):
    found = status(deployment, job)
    succeeded = (deployment, job) == ("Complete", "SUCCEEDED")
    assert phase_of(found) == ("succeeded" if succeeded else PHASES[deployment])
    if phase_of(found) in ("succeeded", "ended"):
        expected = 0 if succeeded else 78 if deployment == "ValidationFailed" else 75
        assert end_of(found).exit_code == expected
        assert end_of(found).own is succeeded


def test_an_object_that_kuberay_has_not_seen_is_starting():
    assert phase_of({}) == "starting"


@pytest.mark.parametrize("code", [2, 65, 70, 75, 78, 143])
def test_the_drivers_exit_code_is_taken_over(code):
    message = f"Job entrypoint command failed with exit code {code}, last available logs:\nfailed with exit code 9"
    assert end_of(status("Failed", "FAILED", reason="AppFailed", message=message)) == End(
        code, f"the driver ended with exit code {code}", own=True
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"reason": "AppFailed", "message": "Job entrypoint command failed with exit code -9. No logs"}, "was killed"),
        ({"reason": "AppFailed", "message": "Job entrypoint command failed with exit code 137. No logs"}, "was killed"),
        ({"reason": "AppFailed", "message": "Job supervisor actor died: node died"}, "AppFailed: Job supervisor"),
        ({"reason": "PreRunningDeadlineExceeded"}, "TELECINE_RAY_START_DEADLINE_S"),
        ({"reason": "DeadlineExceeded", "message": "x"}, "TELECINE_RAY_DEADLINE_S"),
        ({"reason": "SubmissionFailed", "message": "no\nway"}, "SubmissionFailed: no"),
        ({}, "no reason"),
        ({"jobStatus": "STOPPED"}, "something else stopped the job"),
    ],
)
def test_what_the_driver_did_not_end_itself_is_tried_again(more, words):
    end = end_of(status("Failed", "FAILED") | more)
    assert (end.exit_code, end.own) == (75, False)
    assert words in end.reason
    assert "\n" not in end.reason


UNSCHEDULED = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        }
    ],
}


def pod(name, found, **labels):
    return {
        "metadata": {"name": name, "labels": {f"ray.io/{key}": value for key, value in labels.items()}},
        "status": found,
    }


def container(reason, message=None):
    return {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


def test_a_pod_that_waits_says_why_and_in_which_group():
    pods = [
        pod("w-gpu", UNSCHEDULED, group="gpu"),
        pod("w-image", container("ImagePullBackOff", "no such image"), group="cpu"),
        pod("w-soon", container("ContainerCreating"), group="cpu"),
        pod("w-up", {"phase": "Running"}, group="cpu"),
    ]
    assert waiting_for(status(), pods) == [
        "pod w-gpu (group gpu) is Pending: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        "pod w-image (group cpu) is Pending: ImagePullBackOff: no such image",
    ]


def test_a_pod_that_a_quota_refuses_is_named_by_kuberay_alone():
    condition = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: requests.nvidia.com/gpu=0"}
    gone = {**condition, "status": "False"}
    found = status("Initializing", rayClusterStatus={"conditions": [condition, gone]})
    assert waiting_for(found, []) == ["a pod cannot be created: exceeded quota: requests.nvidia.com/gpu=0"]


@pytest.mark.parametrize(
    ("pods", "up"),
    [
        ([], False),
        ([pod("h", {"phase": "Running"}, **{"node-type": "head"})], True),
        ([pod("h", {"phase": "Pending"}, **{"node-type": "head"})], False),
        ([pod("w", {"phase": "Running"}, **{"node-type": "worker"})], False),
    ],
)
def test_whether_the_head_is_up(pods, up):
    assert head_is_up(pods) is up

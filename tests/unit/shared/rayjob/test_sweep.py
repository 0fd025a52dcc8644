from __future__ import annotations

import copy

import pytest

from shared.errors import ConfigurationError
from shared.rayjob.manifest import Job, make_rayjob
from shared.rayjob.settings import RaySettings
from shared.rayjob.sweep import SweepSettings, sweep, sweep_command
from tests.fakes.kubernetes import FakeCluster, status

SETTINGS = RaySettings(image="x", workflow="w", namespace="telecine")
RAYJOB = make_rayjob(SETTINGS, Job("gamedata", "extract", "telecine", "cpu", "uid-of-w", {}))


def workflow(uid="uid-of-w", phase="Running", **spec):
    return {"metadata": {"uid": uid}, "spec": spec, "status": {"phase": phase}}


def cluster_of(found, rayjob=RAYJOB):
    cluster = FakeCluster([status("Running", "RUNNING")], workflows={"w": found})
    cluster.put(rayjob)
    return cluster


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "is gone"),
        (workflow(uid="of another w"), "is gone"),
        (workflow(phase="Succeeded"), "has ended (Succeeded)"),
        (workflow(phase="Failed"), "has ended (Failed)"),
        (workflow(phase="Error"), "has ended (Error)"),
        (workflow(shutdown="Terminate"), "is being stopped (Terminate)"),
    ],
)
def test_what_nobody_comes_back_for_is_deleted(found, words):
    cluster = cluster_of(found)
    (line,) = sweep(cluster)
    assert line == f"deleted RayJob {RAYJOB['metadata']['name']}: Workflow w {words}"
    assert cluster.rayjobs == {}


@pytest.mark.parametrize("found", [workflow(), workflow(phase="Pending"), workflow(phase="")])
def test_a_run_that_goes_on_keeps_its_rayjob(found):
    cluster = cluster_of(found)
    assert sweep(cluster) == []
    assert len(cluster.rayjobs) == 1


def without(key):
    rayjob = copy.deepcopy(RAYJOB)
    del rayjob["metadata"][key]
    return rayjob


def test_a_persons_own_and_other_peoples_rayjobs_are_left_alone():
    assert sweep(cluster_of(None, without("ownerReferences"))) == []
    other = copy.deepcopy(RAYJOB)
    other["metadata"]["labels"] = {"app.kubernetes.io/part-of": "somebody-else"}
    assert sweep(cluster_of(None, other)) == []


def test_one_that_is_being_deleted_is_not_deleted_again():
    rayjob = copy.deepcopy(RAYJOB)
    rayjob["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert sweep(cluster_of(None, rayjob)) == []


def test_without_a_cluster_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=r"cannot connect to a Kubernetes cluster.*kubeconfig"):
        sweep_command(SweepSettings())

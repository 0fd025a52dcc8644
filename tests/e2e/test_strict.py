"""Argo with `templateReferencing: Strict`: our templates run, and a Workflow with a spec of its own does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.argo import Run
from tests.e2e.node import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Closing
    from tests.e2e.installation import Installation

CONTROLLER = ("workflow-controller-configmap", "argo")
BUSY = {"name": "main", "container": {"image": "registry.invalid/x:1", "command": ["true"]}}
OWN = {
    "templates": {"entrypoint": "main", "templates": [BUSY]},
    "patch": {"workflowTemplateRef": {"name": "maintenance"}, "podSpecPatch": '{"hostNetwork": true}'},
    "container": {"workflowTemplateRef": {"name": "maintenance"}, "entrypoint": "main", "templates": [BUSY]},
    "account": {"workflowTemplateRef": {"name": "maintenance"}, "serviceAccountName": "telecine-launcher"},
    "hook": {"workflowTemplateRef": {"name": "maintenance"}, "onExit": "main"},
}


def create(installation: Installation, spec: dict[str, Any]) -> Run:
    """Create a Workflow with the right to do so and nothing between: the controller alone decides."""
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "strict-", "namespace": installation.namespace},
        "spec": spec,
    }
    made = installation.node.objects.create_namespaced_custom_object(
        "argoproj.io", "v1alpha1", installation.namespace, "workflows", body
    )
    return Run(installation.argo, made["metadata"]["name"], made["metadata"]["uid"])


@pytest.fixture(scope="module")
def strict(installation: Installation, closing: Closing) -> Iterator[None]:
    """Turn the setting on, wait until the controller has it, and put the earlier one back."""
    core = installation.node.core
    before = (core.read_namespaced_config_map(*CONTROLLER).data or {}).get("workflowRestrictions")

    def configure(value: str | None) -> None:
        core.patch_namespaced_config_map(*CONTROLLER, {"data": {"workflowRestrictions": value}})

    def refuses() -> bool:
        return create(installation, {**OWN["templates"], "suspend": True}).ended(5)["phase"] == "Error"

    try:
        configure("templateReferencing: Strict\n")
        ends = time.monotonic() + 60
        while True:
            try:
                if refuses():
                    break
            except AssertionError:
                assert time.monotonic() < ends, "the controller does not read its ConfigMap"
        yield
    finally:
        configure(before)
        for run in installation.argo.runs():
            if run.name.startswith("strict-"):
                run.argo.call("DELETE", run.path)


@pytest.mark.parametrize("own", OWN)
def test_a_workflow_with_a_spec_of_its_own_is_refused(installation: Installation, strict: None, own: str) -> None:
    run = create(installation, OWN[own])
    status = run.ended(60)
    assert status["phase"] == "Error"
    assert "workflowTemplateRef" in status["message"]
    assert not status.get("nodes")


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("gamedata", {"prefix": "nothing-here/", "compute": "local"}),
        ("media", {"gamedata-prefix": "nothing-here/", "gamedata-compute": "local"}),
    ],
)
def test_the_form_works(installation: Installation, strict: None, template: str, form: dict[str, object]) -> None:
    run = installation.argo.submit(template, form)
    try:
        found = wait_for(lambda: run.nodes("plan"), 240, f"plan of {run.name} starts")
        assert found
    finally:
        run.stop()
        run.ended(240)


def test_another_entrypoint_works_and_the_diagnosis_succeeds(installation: Installation, strict: None) -> None:
    run = installation.argo.submit("maintenance", entrypoint="doctor")
    run.succeeded(120)
    (node,) = run.nodes("doctor")
    assert "Argo version" in run.log(node)

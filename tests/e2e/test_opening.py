"""During the first runs: which of them wait, and which pods are killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.node import wait_for

if TYPE_CHECKING:
    from tests.e2e.conftest import Opening
    from tests.e2e.installation import Installation


def delete_pod(installation: Installation, name: str) -> None:
    installation.node.core.delete_namespaced_pod(name, installation.namespace, grace_period_seconds=0)


def test_a_second_run_waits_for_the_semaphore_with_a_message(opening: Opening) -> None:
    def waiting() -> str | None:
        status = opening.again.status()
        return status.get("message") if status.get("phase") == "Pending" else None

    said = wait_for(waiting, 30, "the second run is Pending with a message")
    assert said is not None
    assert "telecine-limits/gamedata" in said
    assert "Waiting for" in said


def test_pods_are_deleted_while_they_work(installation: Installation, opening: Opening) -> None:
    """Delete a step's pod, the launcher's and one of Ray's; the effects are checked below and after the runs."""
    # If a pod disappears within ten seconds of its start, Argo recreates it as if it had never existed.
    opening.deleted_step = opening.media.running_pod("extract-in-pod", older_s=11)
    delete_pod(installation, opening.deleted_step.metadata.name)

    opening.rayjob = opening.main.rayjob(status="Running", seconds=180)["metadata"]["uid"]
    opening.deleted_launcher = opening.main.running_pod("extract-on-cluster", older_s=11)
    delete_pod(installation, opening.deleted_launcher.metadata.name)

    wait_for(lambda: opening.parts() >= 2, 120, "the first parts are committed")
    workers = opening.main.ray_pods()
    assert len(workers) == 2
    opening.deleted_worker = workers[0].metadata.name
    delete_pod(installation, opening.deleted_worker)
    assert opening.parts() < opening.TARS, "the run is too fast for this test"


def test_the_next_launcher_resumes_the_same_rayjob(opening: Opening) -> None:
    launcher = opening.main.running_pod("extract-on-cluster", 90, but=opening.deleted_launcher)
    assert launcher.metadata.uid != opening.deleted_launcher.metadata.uid
    assert [each["metadata"]["uid"] for each in opening.main.rayjobs()] == [opening.rayjob]

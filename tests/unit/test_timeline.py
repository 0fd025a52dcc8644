"""The table of tests/e2e/price.py, from objects as Argo and Kubernetes return them."""

from __future__ import annotations

from tests.e2e.timeline import first_work_s, pod_times, ray_times, table


def at(seconds):
    return f"2026-11-30T10:00:{seconds:02}Z"


WORKFLOW = {
    "metadata": {"creationTimestamp": at(0)},
    "status": {
        "nodes": {
            "a": {"id": "n-1", "type": "Pod", "templateName": "plan", "finishedAt": at(9)},
            "b": {"id": "n-2", "type": "Pod", "templateRef": {"template": "extract-in-pod"}, "finishedAt": at(30)},
            "c": {"id": "n-3", "type": "DAG", "templateName": "stages", "finishedAt": at(30)},
        }
    },
}


def pod(name, created, *marks, node=None, labels=None, state="terminated"):
    scheduled, initialised, started, ready, finished = marks
    times = {"PodScheduled": scheduled, "Initialized": initialised, "Ready": ready}
    return {
        "metadata": {
            "creationTimestamp": at(created),
            "annotations": {"workflows.argoproj.io/node-id": node} if node else None,
            "labels": labels or {},
        },
        "status": {
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": at(seconds)}
                for kind, seconds in times.items()
                if seconds is not None
            ],
            "containerStatuses": [
                {"name": "wait", "state": {}},
                {
                    "name": name,
                    "state": {state: {"startedAt": at(started), **({"finishedAt": at(finished)} if finished else {})}},
                },
            ],
        },
    }


def test_the_times_of_a_steps_pod_add_up_to_its_end():
    pods = [
        pod("main", 10, 11, 12, 14, None, 29, node="n-2"),
        pod("main", 1, 1, 3, 4, None, 8, node="n-1"),
        pod("main", 1, 1, 3, 4, None, 8, node="of another run"),
    ]
    plan, extract = pod_times(WORKFLOW, pods)
    assert (plan.name, extract.name) == ("plan", "extract-in-pod")
    assert (plan.begins, plan.scheduled, plan.initialised, plan.started, plan.worked, plan.ended) == (1, 0, 2, 1, 4, 1)
    assert (
        extract.begins + extract.scheduled + extract.initialised + extract.started + extract.worked + extract.ended
        == 30
    )
    assert plan.ready is None


def test_a_pod_of_ray_shows_when_it_was_ready_and_may_still_run():
    running = pod("ray", 5, 5, 8, 9, 20, None, labels={"ray.io/group": "cpu"}, state="running")
    (row,) = ray_times(WORKFLOW, [running])
    assert (row.name, row.begins, row.initialised, row.started, row.ready) == ("ray cpu", 5, 3, 1, 11)
    assert row.worked is None
    assert table([row]).splitlines()[-1] == "| ray cpu | 5 | 0 | 3 | 1 | 11 | - | - |"


def test_the_first_work_counts_from_the_creation_of_the_run():
    assert first_work_s(WORKFLOW, "2026-11-30T10:00:21+00:00") == 21
    assert first_work_s(WORKFLOW, None) is None

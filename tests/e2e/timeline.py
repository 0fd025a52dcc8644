"""The seconds of a run by cause, from the times that Argo and Kubernetes record for its nodes and pods."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["PodTimes", "first_work_s", "pod_times", "ray_times", "table"]


@dataclass(frozen=True)
class PodTimes:
    """Seconds of one pod, each from the end of the one before; None if Kubernetes recorded no time.

    Attributes:
        name: step, or pod of the Ray cluster.
        begins: seconds from the creation of the Workflow to that of the pod.
        scheduled: until the pod had a node.
        initialised: until its init containers had ended; of a Ray worker, its wait for the head.
        started: until the main container ran: the image, if it was not there.
        ready: until the container was ready, for Ray's pods only.
        worked: until the main container ended.
        ended: until Argo knew: the wait container stores artifacts and outputs.
    """

    name: str
    begins: float | None = None
    scheduled: float | None = None
    initialised: float | None = None
    started: float | None = None
    ready: float | None = None
    worked: float | None = None
    ended: float | None = None


def pod_times(workflow: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> list[PodTimes]:
    """Return the times of the pods of a Workflow, in the order of their creation.

    Args:
        workflow: the Workflow, as the API server returns it.
        pods: its pods, likewise; those that are gone are left out.
    """
    created = workflow["metadata"]["creationTimestamp"]
    nodes = {each["id"]: each for each in workflow["status"]["nodes"].values() if each["type"] == "Pod"}
    found = []
    for pod in pods:
        node = nodes.get((pod["metadata"].get("annotations") or {}).get("workflows.argoproj.io/node-id", ""))
        if node is not None:
            name = node.get("templateName") or node["templateRef"]["template"]
            found.append(_times(created, name, pod, "main", node.get("finishedAt"), ray=False))
    return sorted(found, key=_begin)


def ray_times(workflow: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> list[PodTimes]:
    """Return the times of the pods of a run's Ray cluster, in the order of their creation."""
    created = workflow["metadata"]["creationTimestamp"]
    found = [
        _times(created, f"ray {pod['metadata']['labels']['ray.io/group']}", pod, "ray", None, ray=True) for pod in pods
    ]
    return sorted(found, key=_begin)


def first_work_s(workflow: Mapping[str, Any], work: str | None) -> float | None:
    """Return the seconds from the creation of a Workflow to the start of its first work.

    Args:
        workflow: the Workflow.
        work: time of the first result that was committed; None if there is none.
    """
    return _between(workflow["metadata"]["creationTimestamp"], work)


def table(rows: Sequence[PodTimes]) -> str:
    """Return the rows as a table of Markdown."""
    names = [each.name for each in fields(PodTimes)]
    lines = [f"| {' | '.join(names)} |", f"| --- |{' ---: |' * (len(names) - 1)}"]
    for row in rows:
        values = [getattr(row, name) for name in names[1:]]
        shown = ["-" if value is None else f"{value:.0f}" for value in values]
        lines.append(f"| {' | '.join([row.name, *shown])} |")
    return "\n".join(lines)


def _times(
    created: str, name: str, pod: Mapping[str, Any], container: str, finished: str | None, *, ray: bool
) -> PodTimes:
    status = pod.get("status") or {}
    conditions = {
        each["type"]: each.get("lastTransitionTime")
        for each in status.get("conditions") or ()
        if each["status"] == "True"
    }
    (main,) = [each for each in status.get("containerStatuses") or () if each["name"] == container] or [{}]
    state = main.get("state") or {}
    ran = state.get("terminated") or state.get("running") or {}
    begin, ready = pod["metadata"]["creationTimestamp"], conditions.get("Ready") if ray else None
    marks = [begin, conditions.get("PodScheduled"), conditions.get("Initialized"), ran.get("startedAt")]
    return PodTimes(
        name,
        begins=_between(created, begin),
        scheduled=_between(*marks[0:2]),
        initialised=_between(*marks[1:3]),
        started=_between(*marks[2:4]),
        ready=_between(marks[3], ready),
        worked=_between(ready or marks[3], ran.get("finishedAt")),
        ended=_between(ran.get("finishedAt"), finished),
    )


def _begin(times: PodTimes) -> float:
    return times.begins or 0.0


def _between(first: str | None, last: str | None) -> float | None:
    if first is None or last is None:
        return None
    return (dt.datetime.fromisoformat(last) - dt.datetime.fromisoformat(first)).total_seconds()

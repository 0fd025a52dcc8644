"""Explain why the pods of a Ray cluster are not running yet, in one line each, without side effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["head_is_up", "waiting_for"]

# States that every pod passes through.
_USUAL: Final = frozenset({"ContainerCreating", "PodInitializing"})


def waiting_for(status: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a cluster that does not start is waiting for.

    Args:
        status: status of the RayJob; the only place that reports a pod refused by a quota.
        pods: pods of the cluster.

    Returns:
        Lines such as ``pod x-worker (group gpu) is Pending: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.``
    """
    conditions = (status.get("rayClusterStatus") or {}).get("conditions") or ()
    lines = [
        f"a pod cannot be created: {condition.get('message') or condition.get('reason')}"
        for condition in conditions
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True"
    ]
    for pod in pods:
        if reason := _reason(pod.get("status") or {}):
            metadata = pod.get("metadata") or {}
            group = (metadata.get("labels") or {}).get("ray.io/group", "?")
            lines.append(f"pod {metadata.get('name')} (group {group}) is {reason}")
    return sorted(lines)


def head_is_up(pods: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the head's pod is running."""
    return any(
        (pod.get("status") or {}).get("phase") == "Running" and not (pod.get("metadata") or {}).get("deletionTimestamp")
        for pod in pods
        if ((pod.get("metadata") or {}).get("labels") or {}).get("ray.io/node-type") == "head"
    )


def _reason(status: Mapping[str, Any]) -> str | None:
    phase = status.get("phase")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{phase}: {condition.get('message') or condition.get('reason') or 'not scheduled'}"
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in _USUAL:
            detail = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
            return f"{phase}: {detail}"
    return None

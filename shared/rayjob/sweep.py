"""Delete RayJobs that no launcher will return to, because their Workflow has ended or is gone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from shared.rayjob.cluster import connect
from shared.rayjob.manifest import SELECTOR
from shared.settings import Settings, setting
from shared.settings.step import LogLevel

if TYPE_CHECKING:
    from shared.rayjob.cluster import Cluster

__all__ = ["SweepSettings", "sweep", "sweep_command"]

_LOG: Final = logging.getLogger(__name__)
_ENDED: Final = frozenset({"Succeeded", "Failed", "Error"})


class SweepSettings(Settings):
    """Settings of `telecine rayjob sweep`."""

    namespace: str | None = setting(
        None, default_text="the pod's, or the kubeconfig's", description="Sweep this namespace."
    )
    log_level: LogLevel = setting("INFO", description="Log messages of at least this level.")


def sweep_command(settings: SweepSettings) -> str:
    """Sweep and list what was deleted."""
    cluster = connect(settings.namespace)
    deleted = sweep(cluster)
    return "\n".join(deleted) or f"no RayJobs to delete in {cluster.namespace}"


def sweep(cluster: Cluster) -> list[str]:
    """Delete abandoned RayJobs.

    A RayJob without a Workflow was launched by a user and is left alone. One whose Workflow is being stopped is
    deleted as well, since its launcher may have been killed before it could do so.

    Args:
        cluster: the Kubernetes API.

    Returns:
        One line per deleted RayJob, with the reason.

    Raises:
        ConfigurationError: rights are missing.
        TransientError: the API does not answer.
    """
    lines = []
    for rayjob in cluster.list_rayjobs(SELECTOR):
        metadata = rayjob["metadata"]
        owners = [each for each in metadata.get("ownerReferences") or () if each.get("kind") == "Workflow"]
        if not owners or metadata.get("deletionTimestamp"):
            continue
        if reason := _abandoned(cluster.get_workflow(owners[0]["name"]), owners[0]):
            cluster.delete_rayjob(metadata["name"], metadata["uid"])
            lines.append(f"deleted RayJob {metadata['name']}: Workflow {owners[0]['name']} {reason}")
            _LOG.info("%s", lines[-1])
    return lines


def _abandoned(workflow: dict[str, Any] | None, owner: dict[str, Any]) -> str | None:
    if workflow is None or workflow["metadata"]["uid"] != owner["uid"]:
        return "is gone"
    if (phase := (workflow.get("status") or {}).get("phase")) in _ENDED:
        return f"has ended ({phase})"
    if shutdown := (workflow.get("spec") or {}).get("shutdown"):
        return f"is being stopped ({shutdown})"
    return None

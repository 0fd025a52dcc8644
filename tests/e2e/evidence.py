"""Collect evidence after a failure in one folder: objects, events, logs."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from kubernetes.client import ApiException

from tests.e2e.installation import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.node import Node

__all__ = ["collect"]

_KINDS = "pods,events,workflows,cronworkflows,rayjobs,rayclusters,jobs,configmaps"


def collect(node: Node, folder: Path) -> None:
    """Write everything that can be collected; skip what cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(node.settings["LOGS"], folder / "node", dirs_exist_ok=True)
    for name, arguments in {
        "pods.txt": ("get", "pods", "-A", "-o", "wide"),
        "events.txt": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
        "objects.yaml": ("-n", NAMESPACE, "get", _KINDS, "-o", "yaml"),
        "node.txt": ("describe", "nodes"),
    }.items():
        with suppress(AssertionError):
            (folder / name).write_text(node.kubectl(*arguments))
    with suppress(ApiException):
        for namespace in (NAMESPACE, "argo", "default"):
            for pod in node.core.list_namespaced_pod(namespace).items:
                _logs(node, folder / "pods", namespace, pod)


def _logs(node: Node, folder: Path, namespace: str, pod: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name: str = pod.metadata.name  # type: ignore[attr-defined]
    containers = [*(pod.spec.init_containers or []), *pod.spec.containers]  # type: ignore[attr-defined]
    for container in containers:
        with suppress(ApiException):
            text = node.core.read_namespaced_pod_log(name, namespace, container=container.name)
            (folder / f"{namespace}.{name}.{container.name}.log").write_text(text or "")
    (folder / f"{namespace}.{name}.status.json").write_text(
        json.dumps(node._api.sanitize_for_serialization(pod.status), indent=1)  # type: ignore[attr-defined]
    )

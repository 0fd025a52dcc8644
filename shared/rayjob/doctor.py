"""Cluster checks of `telecine doctor`: Argo's and KubeRay's kinds, this account's rights, the chart's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.cluster.client import connect
from shared.errors import ConfigurationError
from shared.finding import Finding
from shared.rayjob.cluster import RIGHTS, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.cluster.client import Client

__all__ = ["examine", "look"]

_AREA: Final = "cluster"
_KINDS: Final = {
    "argoproj.io/v1alpha1": ("Argo Workflows", ("workflows", "workflowtemplates", "cronworkflows")),
    "ray.io/v1": ("KubeRay", ("rayjobs", "rayclusters")),
}
_CHART_OBJECTS: Final = (
    *(("configmaps", f"telecine-{name}") for name in ("environment", "ray", "parameters", "limits")),
    ("configmaps", "artifact-repositories"),
    ("secrets", "telecine-database"),
)


def look(namespace: str | None) -> Iterator[Finding]:
    """Connect and check; a pod without a token is normal for all steps except the launcher.

    Raises:
        TelecineError: the API does not answer.
    """
    try:
        cluster = connect(namespace, **options())
    except ConfigurationError as error:
        yield Finding(
            _AREA, "connection", "warn", error.message, "Only the launcher's pod has a token; run doctor there."
        )
        return
    yield from examine(cluster)


def examine(cluster: Client) -> Iterator[Finding]:
    """Check a cluster with the rights of this account."""
    version = cluster.ask("/version", "get the version") or {}
    yield Finding(_AREA, "connection", "ok", f"Kubernetes {version.get('gitVersion', '?')}, {cluster.namespace}")
    for group, (product, plurals) in _KINDS.items():
        yield _kinds(cluster, group, product, plurals)
    yield _verbs(cluster)
    for plural, name in _CHART_OBJECTS:
        yield _chart_object(cluster, plural, name)


def _kinds(cluster: Client, group: str, product: str, plurals: tuple[str, ...]) -> Finding:
    found = cluster.ask(f"/apis/{group}", f"list the kinds of {group}")
    served = {each["name"] for each in found["resources"]} if found else set()
    missing = [plural for plural in plurals if plural not in served]
    if missing:
        fix = f"Install {product} with its CRDs; it is a prerequisite of the chart (docs/helm.md)."
        return Finding(_AREA, product, "fail", f"the cluster has no {', '.join(missing)} ({group})", fix)
    return Finding(_AREA, product, "ok", f"{group} has {', '.join(plurals)}")


def _verbs(cluster: Client) -> Finding:
    allowed: list[str] = []
    refused: list[str] = []
    for right in RIGHTS:
        (allowed if cluster.may(right) else refused).append(str(right))
    name = "own rights"
    if not refused:
        return Finding(_AREA, name, "ok", "has all rights of the launcher")
    if not any(right.endswith("rayjobs") for right in allowed):
        return Finding(
            _AREA, name, "ok", "has no rights to RayJobs, as intended for a step; only the launcher needs them"
        )
    fix = "Run helm upgrade, or grant them: docs/helm.md lists the launcher's rights."
    return Finding(_AREA, name, "fail", f"cannot {', '.join(refused)}", fix)


def _chart_object(cluster: Client, plural: str, name: str) -> Finding:
    place = f"/api/v1/namespaces/{cluster.namespace}/{plural}/{name}"
    label = f"{plural.removesuffix('s')} {name}"
    try:
        found = cluster.ask(place, f"get {plural}")
    except ConfigurationError:
        return Finding(_AREA, label, "ok", "not visible to this account, which does not need it")
    if found is None:
        return Finding(
            _AREA,
            label,
            "fail",
            f"does not exist in namespace {cluster.namespace}",
            "helm upgrade --install telecine …",
        )
    keys = ", ".join(sorted(found.get("data") or {})) or "nothing"
    return Finding(_AREA, label, "ok", f"has {keys}")

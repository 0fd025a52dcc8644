"""The rights that code uses: calls of the Kubernetes API, recorded from our client and read from Argo's executor."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import yaml

from shared.cluster.client import Client
from shared.cluster.workflows import create_workflow
from shared.rayjob.cluster import KubernetesCluster
from tests.crds import module_dir_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Rights", "console_rights", "executor_rights", "launcher_rights", "role_rights"]

Rights = dict[tuple[str, str], set[str]]

_NAMESPACE = "telecine"
_PATH = re.compile(
    rf"/(?:api|apis/(?P<group>[^/]+))/[^/]+/namespaces/{_NAMESPACE}/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?"
)
# HTTP method, with and without a name -> verb of RBAC.
_VERBS = {
    ("GET", True): "get",
    ("GET", False): "list",
    ("POST", False): "create",
    ("PUT", True): "update",
    ("PATCH", True): "patch",
    ("DELETE", True): "delete",
    ("DELETE", False): "deletecollection",
}


class _Api:
    """Records calls and answers each with an object that is also an empty list."""

    def __init__(self) -> None:
        self.rights: Rights = defaultdict(set)

    def call_api(self, path: str, method: str, *, query_params: list[tuple[str, str]], **_: Any) -> Any:
        found = _PATH.fullmatch(path)
        assert found, path
        verb = _VERBS[method, found["name"] is not None]
        if dict(query_params).get("watch"):
            verb = "watch"
        self.rights[found["group"] or "", found["resource"]].add(verb)
        return {"items": [], "metadata": {"name": "a", "uid": "u"}}


def launcher_rights() -> Rights:
    """Return the rights that the launcher's and the sweep's calls use, each called once.

    ``Client.ask`` is left out: only `telecine doctor` calls it, for what every account may ask (the API's kinds, its
    own rights), and takes a refusal of anything else as an answer.
    """
    api = _Api()
    cluster = KubernetesCluster(Client(api, _NAMESPACE))
    values = {"name": "a", "uid": "u", "selector": "a=b", "manifest": {"metadata": {"name": "a"}}}
    for name, method in inspect.getmembers(cluster, inspect.ismethod):
        if not name.startswith("_"):
            method(**{each: values[each] for each in inspect.signature(method).parameters})
    return dict(api.rights)


def console_rights() -> Rights:
    """Return the rights that the console uses to start a run."""
    api = _Api()
    create_workflow(Client(api, _NAMESPACE), "a", "viewership", {}, {})
    return dict(api.rights)


def executor_rights() -> Rights:
    """Return the rights that Argo's executor uses: the calls in its source, which are those of its recommended role."""
    module = module_dir_of("github.com/argoproj/argo-workflows/v4")
    source = (module / "workflow" / "executor" / "taskresult.go").read_text(encoding="utf-8")
    called = {verb.lower() for verb in re.findall(r"\.taskResultClient\.(\w+)\(", source)}
    found = {("argoproj.io", "workflowtaskresults"): called}
    assert found == role_rights(_role(module))
    return found


def _role(module: Path) -> dict[str, Any]:
    path = module / "manifests" / "quick-start" / "base" / "executor" / "emissary" / "executor-role.yaml"
    role: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return role


def role_rights(role: dict[str, Any]) -> Rights:
    """Return what a Role grants; a verb that is granted twice is an error."""
    found: Rights = defaultdict(set)
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                assert not found[group, resource] & set(rule["verbs"])
                found[group, resource] |= set(rule["verbs"])
    return dict(found)

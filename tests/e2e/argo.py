"""The Argo server as the UI uses it: the same calls over plain HTTP."""

from __future__ import annotations

import datetime as dt
import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.e2e.node import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.node import Node

__all__ = ["ENDED", "Argo", "Run"]

ENDED = ("Succeeded", "Failed", "Error")
_AWAY_S = 60.0


class Argo:
    """A client for one namespace."""

    def __init__(self, node: Node, namespace: str) -> None:
        service = node.core.read_namespaced_service("argo-server", "argo")
        self.url = f"http://{service.spec.cluster_ip}:2746"
        self.node = node
        self.namespace = namespace
        self._submitted: dict[str, float] = {}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.raw(method, path, body)
        if status >= 500:
            # The API server behind it is down; the caller keeps waiting.
            raise ConnectionError(f"{method} {path}: {status} {answer[:500]!r}")
        assert status == 200, f"{method} {path}: {status} {answer[:500]!r}"
        return json.loads(answer)

    def raw(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send a request; wait for a server that refuses connections, as one does whose probe has just timed out."""
        deadline = time.monotonic() + _AWAY_S
        while True:
            try:
                return self._raw(method, path, body)
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError) or time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def _raw(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def submit(self, template: str, parameters: Mapping[str, object] | None = None, entrypoint: str = "main") -> Run:
        """Submit as the form does: with the label, the entrypoint, and the parameters that are not empty.

        Runs of one template start in the order in which they were submitted: Argo's queue sorts them by their times of
        creation, which are whole seconds.
        """
        time.sleep(max(0.0, self._submitted.get(template, 0.0) + 1.1 - time.monotonic()))
        given = [f"{name}={value}" for name, value in (parameters or {}).items()]
        body = {
            "resourceKind": "WorkflowTemplate",
            "resourceName": template,
            "submitOptions": {"entryPoint": entrypoint, "parameters": given, "labels": "submit-from-ui=true"},
        }
        made = self.call("POST", f"/api/v1/workflows/{self.namespace}/submit", body)
        self._submitted[template] = time.monotonic()
        return Run(self, made["metadata"]["name"], made["metadata"]["uid"])

    def runs(self, selector: str = "") -> list[Run]:
        path = f"/api/v1/workflows/{self.namespace}?listOptions.labelSelector={selector}"
        found = self.call("GET", path).get("items") or []
        return [Run(self, each["metadata"]["name"], each["metadata"]["uid"]) for each in found]


class Run:
    """One Workflow."""

    def __init__(self, argo: Argo, name: str, uid: str) -> None:
        self.argo = argo
        self.name = name
        self.uid = uid
        self.submitted = time.monotonic()

    def __repr__(self) -> str:
        return f"Run({self.name})"

    @property
    def path(self) -> str:
        return f"/api/v1/workflows/{self.argo.namespace}/{self.name}"

    def get(self) -> dict[str, Any]:
        found: dict[str, Any] = self.argo.call("GET", self.path)
        return found

    def status(self) -> dict[str, Any]:
        return self.get().get("status") or {}

    def phase(self) -> str:
        phase: str = self.status().get("phase") or "Pending"
        return phase

    def ended(self, seconds: float = 420) -> dict[str, Any]:
        """Wait for the end and return the status."""

        def over() -> dict[str, Any] | None:
            status = self.status()
            return status if status.get("phase") in ENDED else None

        found: dict[str, Any] | None = wait_for(over, seconds, f"{self.name} ends", every=1)
        assert found is not None
        return found

    def succeeded(self, seconds: float = 420) -> dict[str, Any]:
        status = self.ended(seconds)
        assert status["phase"] == "Succeeded", self.told(status)
        return status

    def failed(self, seconds: float = 420) -> dict[str, Any]:
        status = self.ended(seconds)
        assert status["phase"] == "Failed", self.told(status)
        return status

    def told(self, status: dict[str, Any]) -> str:
        """Describe the failure for a failing test: messages and the last log lines of the pods."""
        lines = [f"{self.name} is {status.get('phase')}: {status.get('message')}"]
        for node in status.get("nodes", {}).values():
            if node["phase"] not in ("Succeeded", "Skipped", "Omitted"):
                lines.append(f"  {node['displayName']} ({node['type']}) {node['phase']}: {node.get('message')}")
                if node["type"] == "Pod":
                    lines.append(self.log(node)[-1500:])
        return "\n".join(lines)

    def nodes(self, name: str, kind: str = "Pod") -> list[dict[str, Any]]:
        """Return the nodes of a template in the order of their start."""
        found = [
            each
            for each in (self.status().get("nodes") or {}).values()
            if each.get("templateName", (each.get("templateRef") or {}).get("template")) == name
            and each["type"] == kind
        ]
        return sorted(found, key=lambda each: each["startedAt"] or "")

    def index(self) -> dict[str, Any]:
        """Return the pod of media's index page; a pipeline's own `publish` is nested deeper."""
        (found,) = [each for each in self.nodes("publish") if each["name"].startswith(f"{self.name}.publish")]
        return found

    def branch(self, name: str, step: str) -> list[dict[str, Any]]:
        """Return the pods of a step in a task of the entrypoint; in media, several pipelines have a step of one name.

        Args:
            name: the task: a pipeline in media, `stages` in its own template.
            step: the step.
        """
        return [each for each in self.nodes(step) if each["name"].startswith(f"{self.name}.{name}.{step}")]

    def phases(self, *names: str) -> dict[str, str]:
        """Return how nodes below the entrypoint ended; a step with retries counts by the node that stands for it."""
        wanted = {f"{self.name}.{name}": name for name in names}
        nodes = (self.status().get("nodes") or {}).values()
        return {wanted[each["name"]]: each["phase"] for each in nodes if each["name"] in wanted}

    def running_pod(self, name: str, seconds: float = 120, *, older_s: float = 0, but: Any = None) -> Any:
        """Wait until a template's newest pod has run for some seconds and differs from an earlier one."""

        def running() -> Any:
            found = self.nodes(name)
            if not found or found[-1]["phase"] != "Running":
                return None
            age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(found[-1]["startedAt"])
            if age.total_seconds() < older_s:
                return None
            pod = self.pod_of(found[-1])
            return None if but is not None and pod.metadata.uid == but.metadata.uid else pod

        return wait_for(running, seconds, f"{name} of {self.name} runs")

    def pod_of(self, node: dict[str, Any]) -> Any:
        """Return the pod of a node. Argo may recreate a deleted one under the same name."""
        return self.argo.node.core.read_namespaced_pod(pod_name(self.name, node), self.argo.namespace)

    def log(self, node: dict[str, Any], container: str = "main") -> str:
        """Return a pod's log; empty if the pod is gone."""
        from kubernetes.client import ApiException

        core = self.argo.node.core
        try:
            text: str = core.read_namespaced_pod_log(
                pod_name(self.name, node), self.argo.namespace, container=container
            )
        except ApiException as error:
            return f"({error.status}: no log of {pod_name(self.name, node)})"
        return text

    def stop(self) -> None:
        self.argo.call("PUT", f"{self.path}/stop", {})

    def terminate(self) -> None:
        self.argo.call("PUT", f"{self.path}/terminate", {})

    def rayjobs(self) -> list[dict[str, Any]]:
        """Return the RayJobs that have the run as their owner."""
        found = self.argo.node.objects.list_namespaced_custom_object("ray.io", "v1", self.argo.namespace, "rayjobs")
        return [
            each
            for each in found["items"]
            if any(owner["uid"] == self.uid for owner in each["metadata"].get("ownerReferences", ()))
        ]

    def rayjob(self, seconds: float = 120, status: str | None = None) -> dict[str, Any]:
        """Wait for the run's RayJob and its status."""

        def there() -> dict[str, Any] | None:
            found = self.rayjobs()
            if found and (status is None or (found[0].get("status") or {}).get("jobDeploymentStatus") == status):
                return found[0]
            return None

        found = wait_for(there, seconds, f"{self.name} has a RayJob ({status or 'any'})")
        assert found is not None
        return found

    def ray_pods(self, kind: str = "worker") -> list[Any]:
        """Return the pods of the run's Ray cluster."""
        cluster = self.rayjob()["status"]["rayClusterName"]
        found = self.argo.node.core.list_namespaced_pod(
            self.argo.namespace, label_selector=f"ray.io/cluster={cluster},ray.io/node-type={kind}"
        )
        return list(found.items)

    def artifact(self, node: dict[str, Any], name: str) -> tuple[int, bytes]:
        """Fetch an output through the server's artifact endpoint, as the UI's panel does."""
        return self.argo.raw(
            "GET", f"/artifact-files/{self.argo.namespace}/workflows/{self.name}/{node['id']}/outputs/{name}"
        )


def pod_name(workflow: str, node: dict[str, Any]) -> str:
    """Return the name of a node's pod (pod names v2): workflow-template-hash."""
    template = node.get("templateName") or node["templateRef"]["template"]
    return f"{workflow}-{template}-{node['id'].rsplit('-', 1)[1]}"

"""The Kubernetes API calls of the launcher and the sweep."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from shared.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cluster", "KubernetesCluster", "RayJobExists", "connect"]

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S: Final = (5, 20)
_RAY: Final = ("ray.io", "v1")
_ARGO: Final = ("argoproj.io", "v1alpha1")

_MISSING: Final = 404
_CONFLICT: Final = 409
_THROTTLED: Final = 429
_SERVER: Final = 500


class RayJobExists(TransientError):
    """Another launcher created the RayJob first."""

    default_code = "rayjob_exists"


class Cluster(Protocol):
    """The launcher's view of a cluster. Every call may raise ``TransientError`` or ``ConfigurationError``."""

    namespace: str

    def get_rayjob(self, name: str) -> dict[str, Any] | None:
        """Return a RayJob, or None if it does not exist."""

    def create_rayjob(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create a RayJob; raises ``RayJobExists``."""

    def delete_rayjob(self, name: str, uid: str) -> None:
        """Delete the RayJob with this uid and everything it owns; does nothing if it is gone or was replaced."""

    def list_rayjobs(self, selector: str) -> list[dict[str, Any]]:
        """Return the RayJobs with these labels."""

    def get_workflow(self, name: str) -> dict[str, Any] | None:
        """Return an Argo Workflow, or None if it does not exist."""

    def list_pods(self, selector: str) -> list[dict[str, Any]]:
        """Return the pods with these labels."""


class KubernetesCluster:
    """A real cluster.

    Args:
        api: a client of the Kubernetes API.
        namespace: namespace of all objects.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        self.namespace = namespace
        self._api = api

    def get_rayjob(self, name: str) -> dict[str, Any] | None:
        """See :class:`Cluster`."""
        return self._get(self._path(_RAY, "rayjobs", name), "get rayjobs")

    def create_rayjob(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """See :class:`Cluster`."""
        try:
            made: dict[str, Any] = self._call("POST", self._path(_RAY, "rayjobs"), "create rayjobs", body=manifest)
        except _Missing as error:
            raise ConfigurationError(f"the cluster cannot create rayjobs ({error}); is KubeRay installed?") from error
        return made

    def delete_rayjob(self, name: str, uid: str) -> None:
        """See :class:`Cluster`."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self._call("DELETE", self._path(_RAY, "rayjobs", name), "delete rayjobs", body=body)
        except (_Missing, RayJobExists):
            return

    def list_rayjobs(self, selector: str) -> list[dict[str, Any]]:
        """See :class:`Cluster`."""
        return self._list(self._path(_RAY, "rayjobs"), selector, "list rayjobs")

    def get_workflow(self, name: str) -> dict[str, Any] | None:
        """See :class:`Cluster`."""
        return self._get(self._path(_ARGO, "workflows", name), "get workflows")

    def list_pods(self, selector: str) -> list[dict[str, Any]]:
        """See :class:`Cluster`."""
        return self._list(f"/api/v1/namespaces/{self.namespace}/pods", selector, "list pods")

    def ask(self, path: str, action: str, *, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """GET a path, or POST a body to it, for `telecine doctor`; None if it does not exist."""
        if body is None:
            return self._get(path, action)
        answer: dict[str, Any] = self._call("POST", path, action, body=body)
        return answer

    def _path(self, kind: tuple[str, str], plural: str, name: str | None = None) -> str:
        path = f"/apis/{kind[0]}/{kind[1]}/namespaces/{self.namespace}/{plural}"
        return f"{path}/{name}" if name else path

    def _get(self, path: str, action: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._call("GET", path, action)
        except _Missing:
            return None
        return found

    def _list(self, path: str, selector: str, action: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._call("GET", path, action, query=[("labelSelector", selector)])["items"]
        except _Missing as error:
            raise ConfigurationError(f"the cluster has no such kind ({action}); is KubeRay installed?") from error
        return found

    def _call(self, method: str, path: str, action: str, *, body: Any = None, query: Any = ()) -> Any:
        with _translated(action, self.namespace):
            return self._api.call_api(
                path,
                method,
                query_params=list(query),
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                response_type="object",
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _request_timeout=_TIMEOUT_S,
            )


class _Missing(Exception):
    pass


@contextmanager
def _translated(action: str, namespace: str) -> Iterator[None]:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        status, reason = error.status or 0, _reason(error)
        if status == _MISSING:
            raise _Missing(reason) from error
        if status == _CONFLICT:
            raise RayJobExists(f"{action}: {reason}") from error
        if status == _THROTTLED or status >= _SERVER or not status:
            raise TransientError(f"the Kubernetes API cannot {action} right now ({status}): {reason}") from error
        raise ConfigurationError(
            f"the Kubernetes API refuses to {action} in namespace {namespace} ({status}): {reason}; the launcher needs "
            "get workflows; create, get, list, watch, patch and delete rayjobs; get and list pods",
            action=action,
            status=status,
        ) from error
    except (HTTPError, OSError) as error:
        raise TransientError(f"the Kubernetes API does not answer ({action}): {error}") from error


def _reason(error: Any) -> str:
    import json

    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def connect(namespace: str | None = None) -> KubernetesCluster:
    """Connect with the pod's service account, or with the kubeconfig outside a pod.

    Args:
        namespace: the pod's or the kubeconfig's by default.

    Raises:
        ConfigurationError: there is neither a token nor a kubeconfig.
        ExtraMissing: the client is not installed.
    """
    from kubernetes import config
    from kubernetes.client.api_client import ApiClient

    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config()
            own = (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
        else:
            config.load_kube_config()
            _, context = config.list_kube_config_contexts()
            own = context["context"].get("namespace", "default")
    except (config.ConfigException, OSError) as error:
        raise ConfigurationError(
            f"cannot connect to a Kubernetes cluster: {error}. In a pod, the launcher needs a service account with a"
            " token; elsewhere, a kubeconfig (KUBECONFIG). --compute local needs no cluster"
        ) from error
    return KubernetesCluster(ApiClient(), namespace or own)

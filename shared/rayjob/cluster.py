"""The Kubernetes API calls of the launcher and the sweep."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from shared.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RIGHTS", "Cluster", "KubernetesCluster", "RayJobExists", "Right", "connect", "list_rights"]

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S: Final = (5, 20)
# Verb of RBAC -> HTTP method.
_METHODS: Final = {"get": "GET", "list": "GET", "create": "POST", "delete": "DELETE"}

# Names of objects (RFC 1123).
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")

_MISSING: Final = 404
_CONFLICT: Final = 409
_THROTTLED: Final = 429
_SERVER: Final = 500


@dataclass(frozen=True, slots=True)
class Right:
    """A right of the launcher and the sweep. Every call takes one, so an account with these rights can do all calls.

    Attributes:
        group: API group.
        version: version of the group.
        resource: plural of the resource.
        verb: verb of RBAC.
    """

    group: str
    version: str
    resource: str
    verb: Literal["get", "list", "create", "delete"]

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"

    def path(self, namespace: str, name: str | None = None) -> str:
        """Return the path of the collection, or of one object."""
        root = f"/apis/{self.group}" if self.group else "/api"
        path = f"{root}/{self.version}/namespaces/{namespace}/{self.resource}"
        return f"{path}/{name}" if name else path


_GET_WORKFLOWS: Final = Right("argoproj.io", "v1alpha1", "workflows", "get")
_CREATE_RAYJOBS: Final = Right("ray.io", "v1", "rayjobs", "create")
_GET_RAYJOBS: Final = Right("ray.io", "v1", "rayjobs", "get")
_LIST_RAYJOBS: Final = Right("ray.io", "v1", "rayjobs", "list")
_DELETE_RAYJOBS: Final = Right("ray.io", "v1", "rayjobs", "delete")
_LIST_PODS: Final = Right("", "v1", "pods", "list")

# Sorted by resource, for messages. `telecine doctor` checks them, and the chart's role grants them.
RIGHTS: Final = (_GET_WORKFLOWS, _CREATE_RAYJOBS, _GET_RAYJOBS, _LIST_RAYJOBS, _DELETE_RAYJOBS, _LIST_PODS)


def list_rights() -> str:
    """Return all rights as text: ``get workflows; create, get, … rayjobs; …``."""
    grouped = groupby(RIGHTS, key=lambda right: right.resource)
    return "; ".join(f"{', '.join(right.verb for right in rights)} {resource}" for resource, rights in grouped)


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
        return self._get(_GET_RAYJOBS, name)

    def create_rayjob(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """See :class:`Cluster`."""
        try:
            made: dict[str, Any] = self._use(_CREATE_RAYJOBS, body=manifest)
        except _Missing as error:
            raise ConfigurationError(f"the cluster cannot create rayjobs ({error}); is KubeRay installed?") from error
        return made

    def delete_rayjob(self, name: str, uid: str) -> None:
        """See :class:`Cluster`."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self._use(_DELETE_RAYJOBS, name, body=body)
        except (_Missing, RayJobExists):
            return

    def list_rayjobs(self, selector: str) -> list[dict[str, Any]]:
        """See :class:`Cluster`."""
        return self._list(_LIST_RAYJOBS, selector)

    def get_workflow(self, name: str) -> dict[str, Any] | None:
        """See :class:`Cluster`."""
        # Kubernetes does not check the names of owners, and a client resolves the dots of a path.
        return self._get(_GET_WORKFLOWS, name) if _NAME.fullmatch(name) else None

    def list_pods(self, selector: str) -> list[dict[str, Any]]:
        """See :class:`Cluster`."""
        return self._list(_LIST_PODS, selector)

    def ask(self, path: str, action: str, *, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """GET a path, or POST a body to it, for `telecine doctor`; None if it does not exist."""
        try:
            answer: dict[str, Any] = self._call("GET" if body is None else "POST", path, action, body=body)
        except _Missing:
            if body is not None:
                raise
            return None
        return answer

    def _get(self, right: Right, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._use(right, name)
        except _Missing:
            return None
        return found

    def _list(self, right: Right, selector: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._use(right, query=[("labelSelector", selector)])["items"]
        except _Missing as error:
            raise ConfigurationError(f"the cluster has no such kind ({right}); is KubeRay installed?") from error
        return found

    def _use(self, right: Right, name: str | None = None, *, body: Any = None, query: Any = ()) -> Any:
        path = right.path(self.namespace, name)
        return self._call(_METHODS[right.verb], path, str(right), body=body, query=query)

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
            f"these rights: {list_rights()}",
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

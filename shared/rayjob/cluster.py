"""The calls of the launcher and the sweep: RayJobs, their Workflows and pods."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from shared.cluster.client import Client, ObjectExists
from shared.cluster.client import connect as connect_client
from shared.cluster.rights import Right, listed
from shared.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RIGHTS", "Cluster", "KubernetesCluster", "RayJobExists", "connect", "list_rights", "options"]

# Names of objects (RFC 1123).
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_OPERATOR: Final = "KubeRay"

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
    return listed(RIGHTS)


def options() -> Mapping[str, Any]:
    """Return what messages of the client say about the launcher; see :func:`shared.cluster.client.connect`."""
    return {"user": "the launcher", "rights": RIGHTS}


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
        client: a client for the namespace of all objects.
    """

    def __init__(self, client: Client) -> None:
        self.namespace = client.namespace
        self._client = client

    def get_rayjob(self, name: str) -> dict[str, Any] | None:
        """See :class:`Cluster`."""
        return self._client.get(_GET_RAYJOBS, name)

    def create_rayjob(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """See :class:`Cluster`."""
        try:
            return self._client.create(_CREATE_RAYJOBS, manifest, operator=_OPERATOR)
        except ObjectExists as error:
            raise RayJobExists(error.message) from error

    def delete_rayjob(self, name: str, uid: str) -> None:
        """See :class:`Cluster`."""
        self._client.delete(_DELETE_RAYJOBS, name, uid)

    def list_rayjobs(self, selector: str) -> list[dict[str, Any]]:
        """See :class:`Cluster`."""
        return self._client.list(_LIST_RAYJOBS, selector, operator=_OPERATOR)

    def get_workflow(self, name: str) -> dict[str, Any] | None:
        """See :class:`Cluster`."""
        # Kubernetes does not check the names of owners, and a client resolves the dots of a path.
        return self._client.get(_GET_WORKFLOWS, name) if _NAME.fullmatch(name) else None

    def list_pods(self, selector: str) -> list[dict[str, Any]]:
        """See :class:`Cluster`."""
        return self._client.list(_LIST_PODS, selector, operator="Kubernetes")


def connect(namespace: str | None = None) -> KubernetesCluster:
    """Connect with the pod's service account, or with the kubeconfig outside a pod.

    Args:
        namespace: the pod's or the kubeconfig's by default.

    Raises:
        ConfigurationError: there is neither a token nor a kubeconfig.
        ExtraMissing: the client is not installed.
    """
    otherwise = "--compute local needs no cluster"
    return KubernetesCluster(connect_client(namespace, otherwise=otherwise, **options()))

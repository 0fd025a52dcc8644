"""Calls of the Kubernetes API with the pod's service account, or with the kubeconfig outside a pod."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.cluster.rights import listed
from shared.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.cluster.rights import Right

__all__ = ["Client", "ObjectExists", "connect"]

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S: Final = (5, 20)
# Verb of RBAC -> HTTP method.
_METHODS: Final = {"get": "GET", "list": "GET", "create": "POST", "delete": "DELETE"}

_MISSING: Final = 404
_CONFLICT: Final = 409
_THROTTLED: Final = 429
_SERVER: Final = 500


class ObjectExists(TransientError):
    """An object of this name exists, or it has changed since it was read."""

    default_code = "object_exists"


class Client:
    """A client for the objects of one namespace. Every call may raise ``TransientError`` or ``ConfigurationError``.

    Args:
        api: the API client of the library.
        namespace: namespace of all objects.
        user: subject of messages about missing rights, such as ``the launcher``.
        rights: all rights that this user needs, for the same messages.
    """

    def __init__(self, api: Any, namespace: str, *, user: str = "it", rights: Sequence[Right] = ()) -> None:
        self.namespace = namespace
        self._api = api
        self._needs = f"; {user} needs these rights: {listed(rights)}" if rights else ""

    def get(self, right: Right, name: str) -> dict[str, Any] | None:
        """Return an object, or None if it does not exist."""
        try:
            found: dict[str, Any] = self._use(right, name)
        except _Missing:
            return None
        return found

    def list(self, right: Right, selector: str, *, operator: str) -> list[dict[str, Any]]:
        """Return the objects with these labels.

        Args:
            right: the right to list them.
            selector: label selector.
            operator: product that installs the kind, for the message if the cluster lacks it.
        """
        try:
            found: list[dict[str, Any]] = self._use(right, query=[("labelSelector", selector)])["items"]
        except _Missing as error:
            raise ConfigurationError(f"the cluster has no such kind ({right}); is {operator} installed?") from error
        return found

    def create(self, right: Right, manifest: dict[str, Any], *, operator: str) -> dict[str, Any]:
        """Create an object, and return it as stored.

        Args:
            right: the right to create it.
            manifest: the object.
            operator: product that installs the kind, for the message if the cluster lacks it.

        Raises:
            ObjectExists: an object of this name exists.
        """
        try:
            made: dict[str, Any] = self._use(right, body=manifest)
        except _Missing as error:
            raise ConfigurationError(
                f"the cluster cannot create {right.resource} ({error}); is {operator} installed?"
            ) from error
        return made

    def delete(self, right: Right, name: str, uid: str) -> None:
        """Delete the object with this uid and everything it owns; do nothing if it is gone or was replaced."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self._use(right, name, body=body)
        except (_Missing, ObjectExists):
            return

    def may(self, right: Right) -> bool:
        """Return whether RBAC allows this account a call."""
        attributes = {
            "namespace": self.namespace,
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
        }
        body: dict[str, Any] = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self.ask(path, "check its own rights", body=body) or {}
        return bool(answer.get("status", {}).get("allowed"))

    def ask(self, path: str, action: str, *, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """GET a path, or POST a body to it, for `telecine doctor`; None if it does not exist."""
        try:
            answer: dict[str, Any] = self._call("GET" if body is None else "POST", path, action, body=body)
        except _Missing:
            if body is not None:
                raise
            return None
        return answer

    def _use(self, right: Right, name: str | None = None, *, body: Any = None, query: Any = ()) -> Any:
        path = right.path(self.namespace, name)
        return self._call(_METHODS[right.verb], path, str(right), body=body, query=query)

    def _call(self, method: str, path: str, action: str, *, body: Any = None, query: Any = ()) -> Any:
        with self._translated(action):
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

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            status, reason = error.status or 0, _reason(error)
            if status == _MISSING:
                raise _Missing(reason) from error
            if status == _CONFLICT:
                raise ObjectExists(f"{action}: {reason}") from error
            if status == _THROTTLED or status >= _SERVER or not status:
                raise TransientError(f"the Kubernetes API cannot {action} right now ({status}): {reason}") from error
            raise ConfigurationError(
                f"the Kubernetes API refuses to {action} in namespace {self.namespace} ({status}): {reason}"
                f"{self._needs}",
                action=action,
                status=status,
            ) from error
        except (HTTPError, OSError) as error:
            raise TransientError(f"the Kubernetes API does not answer ({action}): {error}") from error


class _Missing(Exception):
    pass


def _reason(error: Any) -> str:
    import json

    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def connect(
    namespace: str | None = None, *, user: str = "it", rights: Sequence[Right] = (), otherwise: str = ""
) -> Client:
    """Connect with the pod's service account, or with the kubeconfig outside a pod.

    Args:
        namespace: the pod's or the kubeconfig's by default.
        user: see :class:`Client`.
        rights: see :class:`Client`.
        otherwise: sentence about how to do without a cluster, for the message.

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
            f"cannot connect to a Kubernetes cluster: {error}. In a pod, {user} needs a service account with a"
            f" token; elsewhere, a kubeconfig (KUBECONFIG){'. ' if otherwise else ''}{otherwise}"
        ) from error
    return Client(ApiClient(), namespace or own, user=user, rights=rights)

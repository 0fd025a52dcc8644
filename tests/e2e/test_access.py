"""Permissions: the service accounts of the steps, and what user code can reach."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes import client

from tests.e2e.node import wait_for
from tests.rights import console_rights, executor_rights, launcher_rights

if TYPE_CHECKING:
    from tests.e2e.conftest import Opening
    from tests.e2e.installation import Installation
    from tests.rights import Rights

ACCOUNTS = (
    "telecine-step",
    "telecine-upload",
    "telecine-trakt",
    "telecine-launcher",
    "telecine-ray",
    "telecine-console",
)
VERBS = ("create", "get", "list", "watch", "patch", "update", "delete", "deletecollection")
RESOURCES = (
    *(("argoproj.io", each) for each in ("workflows", "workflowtaskresults", "workflowtemplates", "cronworkflows")),
    *(("ray.io", each) for each in ("rayjobs", "rayclusters", "rayservices")),
    *(("", each) for each in ("pods", "pods/log", "pods/exec", "secrets", "configmaps", "serviceaccounts/token")),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("batch", "jobs"),
)


def used_by(account: str) -> Rights:
    """Return the rights that the account's code uses."""
    if account in ("telecine-upload", "telecine-trakt", "telecine-ray"):
        return {}
    if account == "telecine-console":
        return console_rights()
    return executor_rights() | (launcher_rights() if account == "telecine-launcher" else {})


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_its_verbs_and_no_other(installation: Installation, account: str) -> None:
    api = client.AuthorizationV1Api(installation.node._api)
    allowed: dict[tuple[str, str], set[str]] = {}
    for group, resource in RESOURCES:
        name, _, sub = resource.partition("/")
        for verb in VERBS:
            answer = api.create_subject_access_review(
                client.V1SubjectAccessReview(
                    spec=client.V1SubjectAccessReviewSpec(
                        user=f"system:serviceaccount:{installation.namespace}:{account}",
                        resource_attributes=client.V1ResourceAttributes(
                            namespace=installation.namespace, group=group, resource=name, subresource=sub or None,
                            verb=verb,
                        ),
                    )
                )
            )  # fmt: skip
            if answer.status.allowed:
                allowed.setdefault((group, resource), set()).add(verb)
    assert allowed == used_by(account)


def test_user_code_has_no_token_but_the_launchers(installation: Installation, opening: Opening) -> None:
    pods = installation.node.core.list_namespaced_pod(installation.namespace).items
    seen = set()
    for pod in pods:
        component = (pod.metadata.labels or {}).get("app.kubernetes.io/component")
        is_ray = "ray.io/cluster" in (pod.metadata.labels or {})
        if component != "step" and not is_ray:
            continue
        for container in pod.spec.containers:
            if container.name == "wait":
                continue
            tokens = [
                mount
                for mount in container.volume_mounts or ()
                if mount.mount_path.startswith("/var/run/secrets/kubernetes.io")
            ]
            launcher = pod.spec.service_account_name == "telecine-launcher" and container.name == "main"
            assert bool(tokens) == launcher, f"{pod.metadata.name}/{container.name}"
            seen.add("ray" if is_ray else pod.spec.service_account_name)
    # The branches of `media` may have started or not.
    assert seen - {"telecine-upload", "telecine-trakt"} == {"telecine-step", "telecine-launcher", "ray"}


def test_pods_are_locked_down(installation: Installation, opening: Opening) -> None:
    for pod in installation.node.core.list_namespaced_pod(installation.namespace).items:
        if (pod.metadata.labels or {}).get("app.kubernetes.io/component") != "step":
            continue
        assert pod.spec.security_context.run_as_non_root
        (main,) = [each for each in pod.spec.containers if each.name == "main"]
        assert main.security_context.read_only_root_filesystem
        assert main.security_context.capabilities.drop == ["ALL"]
        assert main.resources.limits


def test_no_pod_has_a_secret_in_its_environment_but_the_token_of_ray(
    installation: Installation, opening: Opening
) -> None:
    """Kubernetes expands $(NAME) in arguments and variables; the token is set by KubeRay."""
    from_secrets = set()
    for pod in installation.node.core.list_namespaced_pod(installation.namespace).items:
        for container in [*(pod.spec.init_containers or ()), *pod.spec.containers]:
            assert not [each for each in container.env_from or () if each.secret_ref], pod.metadata.name
            from_secrets |= {
                each.name for each in container.env or () if each.value_from and each.value_from.secret_key_ref
            }
    assert from_secrets == {"RAY_AUTH_TOKEN"}


def test_workers_of_ray_have_no_database(opening: Opening) -> None:
    def secrets(pod: Any) -> set[str]:
        volumes = [each.projected for each in pod.spec.volumes if each.projected]
        return {source.secret.name for volume in volumes for source in volume.sources if source.secret}

    opening.main.rayjob()
    pods = wait_for(lambda: opening.main.ray_pods("worker"), 120, "a worker of the run is there")
    assert {name for pod in pods for name in secrets(pod)} == {"telecine-s3"}
    (head,) = opening.main.ray_pods("head")
    assert secrets(head) == {"telecine-database", "telecine-s3"}


def test_a_ray_cluster_refuses_requests_without_its_token(opening: Opening) -> None:
    """Its job API runs commands, and any pod can reach it where no policy is enforced."""
    opening.main.rayjob()
    (head,) = wait_for(lambda: opening.main.ray_pods("head"), 120, "the head of the run is there")
    body = b'{"entrypoint": "true"}'

    def status(token: str | None) -> int:
        request = urllib.request.Request(f"http://{head.status.pod_ip}:8265/api/jobs/", data=body)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                code: int = answer.status
        except urllib.error.HTTPError as error:
            with error:
                code = error.code
        return code

    assert wait_for(lambda: status(None), 120, "the head answers") == 401
    assert status("another") == 403

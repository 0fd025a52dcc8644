"""Security settings of pods: a non-root user, no privilege escalation, a read-only root file system, and no token."""

from __future__ import annotations

from typing import Final

from hera.workflows.models import (
    Capabilities,
    EmptyDirVolumeSource,
    ExecutorConfig,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
    Volume,
    VolumeMount,
)

from workflows._lib.names import STEP_ACCOUNT

__all__ = ["EXECUTOR", "SHARED_MEMORY", "container_security", "pod_security", "volumes"]

_UID: Final = 1000

# Argo's own containers write the task result to the API server. They get this account's token, even if the step's
# container has none.
EXECUTOR: Final = ExecutorConfig(service_account_name=STEP_ACCOUNT)

# For Ray's object store. With the 64 MB that containers have by default, Ray warns and falls back to disk.
SHARED_MEMORY: Final = "256Mi"


def pod_security() -> PodSecurityContext:
    """Return the security context of all containers in a pod, including Argo's."""
    return PodSecurityContext(
        run_as_non_root=True,
        run_as_user=_UID,
        run_as_group=_UID,
        fs_group=_UID,
        seccomp_profile=SeccompProfile(type="RuntimeDefault"),
    )


def container_security() -> SecurityContext:
    """Return the security context of a step's container."""
    return SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=Capabilities(drop=["ALL"]),
    )


def volumes(tmp_size: str, *, ray: bool) -> tuple[list[Volume], list[VolumeMount]]:
    """Return the volumes and mounts of the only folders that a step can write to.

    Args:
        tmp_size: size limit of ``/tmp``.
        ray: True to add shared memory.
    """
    added = [Volume(name="tmp", empty_dir=EmptyDirVolumeSource(size_limit=tmp_size))]
    mounts = [VolumeMount(name="tmp", mount_path="/tmp")]  # noqa: S108 - private to the pod
    if ray:
        added.append(
            Volume(name="shared-memory", empty_dir=EmptyDirVolumeSource(medium="Memory", size_limit=SHARED_MEMORY))
        )
        mounts.append(VolumeMount(name="shared-memory", mount_path="/dev/shm"))  # noqa: S108
    return added, mounts

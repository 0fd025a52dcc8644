"""Settings of the RayJobs that the launcher creates: variables that the chart sets in the launcher's container.

Each is ``TELECINE_RAY_<FIELD>``, without a flag; fields that are objects or lists are JSON.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr

from shared.settings import Settings, setting
from shared.settings.base import Group

__all__ = ["RaySettings", "WorkerGroup"]

WorkerGroup = Literal["cpu", "gpu"]

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
_QUANTITY: Final = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_NAME: Final = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\??"
_SOURCE: Final = re.compile(f"configmap/{_NAME}")
_SECRET: Final = re.compile(_NAME)


def _quantity(value: str) -> str:
    if not _QUANTITY.fullmatch(value):
        raise ValueError(f"'{value}' is not a quantity; expected one like 500m, 2, 512Mi or 4Gi")
    return value


def _source(value: str) -> str:
    if value.startswith("secret/"):
        raise ValueError(
            f"'{value}' is a Secret; expected configmap/NAME; list Secrets in TELECINE_RAY_HEAD_SECRETS and "
            "TELECINE_RAY_WORKER_SECRETS, which mount them as files"
        )
    if not _SOURCE.fullmatch(value):
        raise ValueError(f"'{value}' is not a source of variables; expected configmap/NAME, with '?' if optional")
    return value


def _secret(value: str) -> str:
    if not _SECRET.fullmatch(value):
        raise ValueError(f"'{value}' is not the name of a Secret; expected NAME, with '?' if optional")
    return value


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is not JSON: {error}") from error


Quantity = Annotated[str, AfterValidator(_quantity)]
SecretName = Annotated[str, AfterValidator(_secret)]
Labels = Annotated[dict[str, str], BeforeValidator(_json)]
Object = Annotated[dict[str, Any], BeforeValidator(_json)]
Objects = Annotated[list[dict[str, Any]], BeforeValidator(_json)]
Tolerations = Objects


_IMAGES: Final = Group("Images", 10)
_PODS: Final = Group("All pods", 20)
_HEAD: Final = Group("Head", 30)
_CPU_GROUP: Final = Group("CPU group", 40)
_GPU_GROUP: Final = Group("GPU group", 50)
_DEADLINES: Final = Group("Deadlines", 60)
_OWNER: Final = Group("Owner", 70)


class RaySettings(Settings, pipeline="ray"):
    """Images, sizes, placement and deadlines of a RayJob."""

    image: str | None = setting(
        None,
        default_text="required",
        detail="The image must contain telecine and Ray.",
        description="Use this image for the head and the CPU group.",
        group=_IMAGES,
    )
    gpu_image: str | None = setting(
        None, default_text="the image", description="Use this image for the GPU group.", group=_IMAGES
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = setting(
        "IfNotPresent", description="Set the pull policy of the images.", group=_IMAGES
    )
    image_pull_secrets: tuple[str, ...] = setting(
        (), description="Pull the images with these secrets, by name.", group=_IMAGES
    )
    service_account: str = setting(
        "telecine-ray", description="Run the Ray pods under this account; it needs no rights.", group=_PODS
    )
    env_from: tuple[Annotated[str, AfterValidator(_source)], ...] = setting(
        ("configmap/telecine-environment",),
        description="Read the Ray pods' variables from these ConfigMaps; a trailing ? is optional.",
        group=_PODS,
    )
    head_secrets: tuple[SecretName, ...] = setting(
        ("telecine-database", "telecine-s3?"),
        detail="Mounted as files below TELECINE_SECRETS_DIR. The driver records items in the database.",
        description="Mount these Secrets in the head; a trailing ? is optional.",
        group=_PODS,
    )
    worker_secrets: tuple[SecretName, ...] = setting(
        ("telecine-s3?",),
        detail="Mounted as files below TELECINE_SECRETS_DIR. Workers do not use the database.",
        description="Mount these Secrets in the workers; a trailing ? is optional.",
        group=_PODS,
    )
    auth_secret: str = setting(
        "telecine-ray-auth",
        detail="KubeRay passes its key auth_token to all Ray pods and uses it to submit the job.",
        description="Authenticate the Ray cluster with the token in this Secret.",
        group=_PODS,
    )
    auth_token: SecretStr | None = setting(
        None,
        detail="The token in TELECINE_RAY_AUTH_SECRET. Without it, the run works but the driver's log is not shown.",
        description="Read the driver's log with this token.",
        secret=True,
        group=_PODS,
    )
    report_root: str = setting(
        "s3://telecine-artifacts",
        detail="The path below it is NAMESPACE/WORKFLOW/STEP-driver.",
        description="Write the driver's report below this folder.",
        group=_PODS,
    )
    tmp_size: Quantity = setting(
        "4Gi", detail="Ray keeps sockets and logs there.", description="Limit /tmp in each Ray pod.", group=_PODS
    )
    shm_size: Quantity = setting(
        "256Mi", detail="Ray's object store takes 80 MB.", description="Limit /dev/shm in each Ray pod.", group=_PODS
    )
    storage_request: Quantity = setting("256Mi", description="Request this much disk for each Ray pod.", group=_PODS)
    storage_limit: Quantity = setting(
        "6Gi",
        detail="It covers /tmp and logs; a pod above it is evicted.",
        description="Limit the disk of each Ray pod.",
        group=_PODS,
    )
    extra_env: Objects = setting(
        [],
        default_text="[]",
        detail="They have the form of a container's env.",
        description="Add these variables to the Ray pods; those of telecine take precedence.",
        group=_PODS,
    )
    extra_env_from: Objects = setting(
        [],
        default_text="[]",
        detail="They have the form of a container's envFrom.",
        description="Add these sources of variables to the Ray pods.",
        group=_PODS,
    )
    pod_labels: Labels = setting({}, default_text="{}", description="Add these labels to the Ray pods.", group=_PODS)
    pod_annotations: Labels = setting(
        {}, default_text="{}", description="Add these annotations to the Ray pods.", group=_PODS
    )
    ca_source: Object | None = setting(
        None,
        detail="Its file ca.crt is mounted in /etc/telecine/ca; extra_env points the libraries to it.",
        description="Mount this volume source with a CA bundle into the Ray pods.",
        group=_PODS,
    )
    head_cpu: Quantity = setting(
        "1", detail="The head also runs the driver.", description="Request and limit the head's CPU.", group=_HEAD
    )
    head_memory: Quantity = setting("3Gi", description="Request and limit the head's memory.", group=_HEAD)
    head_node_selector: Labels = setting(
        {}, default_text="{}", description="Schedule the head on nodes with these labels.", group=_HEAD
    )
    head_affinity: Object = setting({}, default_text="{}", description="Set the affinity of the head.", group=_HEAD)
    head_tolerations: Tolerations = setting(
        [], default_text="[]", description="Add these tolerations to the head.", group=_HEAD
    )
    cpu_workers: Annotated[int, Field(ge=0)] = setting(
        2,
        description="Start this many pods in the CPU group.",
        form="Number of CPU pods on the Ray cluster (compute cpu or mixed).",
        group=_CPU_GROUP,
    )
    cpu_max_workers: PositiveInt = setting(
        64,
        detail="Runs that ask for more are rejected.",
        description="Allow at most this many pods in the CPU group.",
        group=_CPU_GROUP,
    )
    cpu_slots: PositiveInt = setting(
        2, description="Run this many decoder processes in each pod of the CPU group.", group=_CPU_GROUP
    )
    cpu_cpu: Quantity = setting(
        "2", description="Request and limit the CPU of each pod of the CPU group.", group=_CPU_GROUP
    )
    cpu_memory: Quantity = setting(
        "5Gi", description="Request and limit the memory of each pod of the CPU group.", group=_CPU_GROUP
    )
    cpu_node_selector: Labels = setting(
        {}, default_text="{}", description="Schedule the CPU group on nodes with these labels.", group=_CPU_GROUP
    )
    cpu_affinity: Object = setting(
        {}, default_text="{}", description="Set the affinity of the CPU group.", group=_CPU_GROUP
    )
    cpu_topology_spread: Objects = setting(
        [], default_text="[]", description="Set the topology spread constraints of the CPU group.", group=_CPU_GROUP
    )
    cpu_tolerations: Tolerations = setting(
        [], default_text="[]", description="Add these tolerations to the CPU group.", group=_CPU_GROUP
    )
    gpu_workers: Annotated[int, Field(ge=0)] = setting(
        1,
        description="Start this many pods in the GPU group.",
        form="Number of GPU pods on the Ray cluster (compute gpu or mixed).",
        group=_GPU_GROUP,
    )
    gpu_max_workers: PositiveInt = setting(
        16,
        detail="Runs that ask for more are rejected.",
        description="Allow at most this many pods in the GPU group.",
        group=_GPU_GROUP,
    )
    gpu_slots: PositiveInt = setting(
        4,
        detail="They share its GPUs.",
        description="Run this many decoder processes in each pod of the GPU group.",
        group=_GPU_GROUP,
    )
    gpu_cpu: Quantity = setting(
        "4", description="Request and limit the CPU of each pod of the GPU group.", group=_GPU_GROUP
    )
    gpu_memory: Quantity = setting(
        "12Gi", description="Request and limit the memory of each pod of the GPU group.", group=_GPU_GROUP
    )
    gpu_count: PositiveInt = setting(
        1, description="Request this many GPUs for each pod of the GPU group.", group=_GPU_GROUP
    )
    gpu_resource: str = setting(
        "nvidia.com/gpu", description="Request GPUs under this resource name.", group=_GPU_GROUP
    )
    gpu_node_selector: Labels = setting(
        {}, default_text="{}", description="Schedule the GPU group on nodes with these labels.", group=_GPU_GROUP
    )
    gpu_affinity: Object = setting(
        {}, default_text="{}", description="Set the affinity of the GPU group.", group=_GPU_GROUP
    )
    gpu_topology_spread: Objects = setting(
        [], default_text="[]", description="Set the topology spread constraints of the GPU group.", group=_GPU_GROUP
    )
    gpu_tolerations: Tolerations = setting(
        [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        default_text="those of nvidia.com/gpu",
        description="Add these tolerations to the GPU group.",
        group=_GPU_GROUP,
    )
    deadline_s: PositiveInt = setting(
        86_400, unit="s", description="End a RayJob after this time; a retry resumes it.", group=_DEADLINES
    )
    start_deadline_s: PositiveInt = setting(
        1_800,
        unit="s",
        description="End a RayJob if not all of its pods are running after this time.",
        group=_DEADLINES,
    )
    ttl_s: Annotated[int, Field(ge=60)] = setting(
        120,
        unit="s",
        detail="Until then, the launcher can read its log.",
        description="Keep the Ray cluster for this time after its job.",
        group=_DEADLINES,
    )
    namespace: str | None = setting(
        None,
        default_text="the pod's, or the kubeconfig's",
        shared=True,
        description="Create the RayJob in this namespace.",
        group=_OWNER,
    )
    workflow: str | None = setting(
        None, shared=True, description="Make this Workflow the owner of the RayJob.", group=_OWNER
    )
    node: str | None = setting(
        None, shared=True, description="Record this node of the Workflow as the launching one.", group=_OWNER
    )

"""How the launcher makes a RayJob: variables that the chart sets for the launcher's container, no flags.

``TELECINE_RAY_<FIELD>`` each; a JSON object or list where a field is one.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from shared.settings import Settings, setting

__all__ = ["Group", "RaySettings"]

Group = Literal["cpu", "gpu"]

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
_QUANTITY: Final = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_SOURCE: Final = re.compile(r"(configmap|secret)/[a-z0-9]([a-z0-9.-]*[a-z0-9])?\??")


def _quantity(value: str) -> str:
    if not _QUANTITY.fullmatch(value):
        raise ValueError(f"'{value}' is no quantity; valid is 500m, 2, 512Mi or 4Gi")
    return value


def _source(value: str) -> str:
    if not _SOURCE.fullmatch(value):
        raise ValueError(
            f"'{value}' is no source of variables; valid is configmap/NAME or secret/NAME, '?' if optional"
        )
    return value


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is no JSON: {error}") from error


Quantity = Annotated[str, AfterValidator(_quantity)]
Labels = Annotated[dict[str, str], BeforeValidator(_json)]
Tolerations = Annotated[list[dict[str, Any]], BeforeValidator(_json)]


class RaySettings(Settings, pipeline="ray"):
    """Images, sizes and places of a RayJob's pods, and its deadlines."""

    image: str | None = setting(
        None, default_text="required", description="Image of the head and of the CPU group; it holds telecine and Ray."
    )
    gpu_image: str | None = setting(None, default_text="the image", description="Image of the GPU group.")
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = setting(
        "IfNotPresent", description="When the images are pulled."
    )
    image_pull_secrets: tuple[str, ...] = setting((), description="Names of pull secrets.")
    service_account: str = setting("telecine-ray", description="Account of the Ray pods; it needs no rights.")
    env_from: tuple[Annotated[str, AfterValidator(_source)], ...] = setting(
        ("configmap/telecine-environment", "secret/telecine-s3?", "secret/telecine-database"),
        description="Where the Ray pods' variables come from; a ? at the end makes one optional.",
    )
    report_root: str = setting(
        "s3://telecine-artifacts", description="The driver's report goes below NAMESPACE/WORKFLOW/STEP-driver of this."
    )
    head_cpu: Quantity = setting("1", description="CPU of the head, which also runs the driver: request and limit.")
    head_memory: Quantity = setting("3Gi", description="Memory of the head: request and limit.")
    head_node_selector: Labels = setting({}, default_text="{}", description="Node labels that the head asks for.")
    head_tolerations: Tolerations = setting([], default_text="[]", description="Taints that the head bears.")
    cpu_workers: Annotated[int, Field(ge=0)] = setting(2, description="Pods of the CPU group.")
    cpu_slots: PositiveInt = setting(2, description="Decoder processes in a pod of the CPU group.")
    cpu_cpu: Quantity = setting("2", description="CPU of a pod of the CPU group: request and limit.")
    cpu_memory: Quantity = setting("5Gi", description="Memory of a pod of the CPU group: request and limit.")
    cpu_node_selector: Labels = setting({}, default_text="{}", description="Node labels that the CPU group asks for.")
    cpu_tolerations: Tolerations = setting([], default_text="[]", description="Taints that the CPU group bears.")
    gpu_workers: Annotated[int, Field(ge=0)] = setting(1, description="Pods of the GPU group.")
    gpu_slots: PositiveInt = setting(4, description="Decoder processes in a pod of the GPU group; they share its GPUs.")
    gpu_cpu: Quantity = setting("4", description="CPU of a pod of the GPU group: request and limit.")
    gpu_memory: Quantity = setting("12Gi", description="Memory of a pod of the GPU group: request and limit.")
    gpu_count: PositiveInt = setting(1, description="GPUs of a pod of the GPU group.")
    gpu_resource: str = setting("nvidia.com/gpu", description="The resource's name that GPUs have in the cluster.")
    gpu_node_selector: Labels = setting({}, default_text="{}", description="Node labels that the GPU group asks for.")
    gpu_tolerations: Tolerations = setting(
        [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        default_text="those of nvidia.com/gpu",
        description="Taints that the GPU group bears.",
    )
    tmp_size: Quantity = setting("4Gi", description="Limit of /tmp in each Ray pod, where Ray keeps sockets and logs.")
    shm_size: Quantity = setting("256Mi", description="Limit of /dev/shm in each Ray pod; Ray's object store is 80 MB.")
    deadline_s: PositiveInt = setting(
        86_400, unit="s", description="A RayJob that is older than this is ended; a retry goes on where it was."
    )
    start_deadline_s: PositiveInt = setting(
        1_800, unit="s", description="A RayJob whose pods are not all running after this is ended."
    )
    ttl_s: Annotated[int, Field(ge=60)] = setting(
        120, unit="s", description="How long the Ray cluster outlives its job: the launcher reads its log until then."
    )
    namespace: str | None = setting(
        None, default_text="the pod's, or the kubeconfig's", description="Namespace of the RayJob.", shared=True
    )
    workflow: str | None = setting(None, description="Name of the Workflow that owns the RayJob.", shared=True)
    node: str | None = setting(None, description="Name of the Workflow's node that launches it.", shared=True)

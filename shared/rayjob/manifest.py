"""Build the RayJob object: worker groups for `--compute`, pods, Secrets, variables with doubled `$`."""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from shared.errors import ConfigurationError
from shared.rayjob.versions import VARIABLE, versions_here
from shared.secrets import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.rayjob.settings import RaySettings, WorkerGroup

__all__ = ["GROUP_VARIABLE", "RAYJOB_VARIABLE", "SELECTOR", "SLOTS_VARIABLE", "Job", "groups_of", "make_rayjob"]

# In every pod of the cluster: the RayJob's name. A process that has it is not the launcher.
RAYJOB_VARIABLE: Final = "TELECINE_RAYJOB"
# In the pods of a group: its name. In the head: the total number of slots.
GROUP_VARIABLE: Final = "TELECINE_GROUP"
SLOTS_VARIABLE: Final = "TELECINE_SLOTS"
# Labels by which the sweep recognises our RayJobs.
SELECTOR: Final = "app.kubernetes.io/part-of=telecine,app.kubernetes.io/component=ray"

_UID: Final = 1000
# Ray requires at least 75 MB; batches and results take a few kB.
_OBJECT_STORE: Final = str(80 << 20)
_ENVIRONMENT: Final = {
    "HOME": "/tmp/home",  # noqa: S108 - an emptyDir of the pod: the root is read-only
    "RAY_USAGE_STATS_ENABLED": "0",
    # Even with usage statistics off, Ray sends a report that they are off.
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",
    # Otherwise Ray hides the GPUs from actors that request none.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Decoder processes have their own limits.
    "RAY_memory_monitor_refresh_ms": "0",
}
# Where the Secrets of a pod are mounted; their keys are the names of the variables that they stand for.
_SECRETS_DIR: Final = "/run/secrets/telecine"
_SECRETS_MODE: Final = 0o440
_CA_FOLDER: Final = "/etc/telecine/ca"
# The job is submitted when every pod is ready. KubeRay's own probe asks the same address of the pod's agent, but only
# 10 s after the start and then every 5 s. KubeRay adds no probe if there is one. As with its probe, a pod is unready
# after 50 s without an answer.
_READINESS: Final = {
    "httpGet": {"path": "/api/healthz", "port": 52365},
    "initialDelaySeconds": 1,
    "periodSeconds": 1,
    "timeoutSeconds": 5,
    "failureThreshold": 50,
}
_PASSED_ON: Final = ("workflow", "namespace", "node")
_LABEL: Final = re.compile(r"[^A-Za-z0-9._-]")
_LABEL_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class Job:
    """The job to run.

    Attributes:
        pipeline: such as ``gamedata``.
        step: such as ``extract``.
        entrypoint: the driver's command line.
        compute: ``cpu``, ``gpu`` or ``mixed``: the groups of workers.
        run_id: the run; in a Workflow, its uid.
        environment: variables for head and workers, in addition to ``env_from``; no secrets.
    """

    pipeline: str
    step: str
    entrypoint: str
    compute: Literal["cpu", "gpu", "mixed"]
    run_id: str
    environment: Mapping[str, str]

    def name(self, settings: RaySettings) -> str:
        """Name the RayJob, equal for all attempts of a run's step; 29 of the 47 characters that KubeRay allows."""
        identity = f"{self.run_id}/{settings.node or f'{self.pipeline}-{self.step}'}"
        return f"telecine-{hashlib.sha256(identity.encode()).hexdigest()[:20]}"


def groups_of(compute: str) -> tuple[WorkerGroup, ...]:
    """Return the groups of workers for a value of ``--compute``."""
    return {"cpu": ("cpu",), "gpu": ("gpu",), "mixed": ("cpu", "gpu")}[compute]  # type: ignore[return-value]


def make_rayjob(settings: RaySettings, job: Job) -> dict[str, Any]:
    """Build the RayJob.

    Raises:
        ConfigurationError: the image is not set, or no group has a worker.
    """
    if settings.image is None:
        raise ConfigurationError("TELECINE_RAY_IMAGE is not set; expected the image of the Ray pods")
    groups = [group for group in groups_of(job.compute) if getattr(settings, f"{group}_workers")]
    if not groups:
        raise ConfigurationError(
            f"--compute {job.compute} has no workers; set TELECINE_RAY_CPU_WORKERS or TELECINE_RAY_GPU_WORKERS above 0"
        )
    slots = sum(getattr(settings, f"{group}_workers") * getattr(settings, f"{group}_slots") for group in groups)
    name = job.name(settings)
    labels = _labels(settings, job)
    variables = {
        **_ENVIRONMENT,
        RAYJOB_VARIABLE: name,
        VARIABLE: versions_here().dumps(),
        "TELECINE_RUN_ID": job.run_id,
        **{f"TELECINE_{key.upper()}": value for key in _PASSED_ON if (value := getattr(settings, key))},
        **job.environment,
    }
    head = _Pod(settings, labels, variables, settings.image)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {
            "name": name,
            "labels": labels,
            **({"namespace": settings.namespace} if settings.namespace else {}),
            **({"ownerReferences": [_owner(settings.workflow, job.run_id)]} if settings.workflow else {}),
        },
        "spec": {
            "entrypoint": job.entrypoint,
            # No submitter pod: the launcher follows the log itself.
            "submissionMode": "HTTPMode",
            # Argo retries; a retry by KubeRay would be a new cluster that no launcher follows.
            "backoffLimit": 0,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": settings.ttl_s,
            "activeDeadlineSeconds": settings.deadline_s,
            "preRunningDeadlineSeconds": settings.start_deadline_s,
            "rayClusterSpec": {
                "rayVersion": versions_here().ray,
                # KubeRay gives the token to all pods of the cluster and sends it when it submits the job.
                "authOptions": {"mode": "token", "secretName": settings.auth_secret},
                "headGroupSpec": {
                    "rayStartParams": {
                        "num-cpus": "0",
                        "dashboard-host": "0.0.0.0",  # noqa: S104 - within its own pod: the launcher reads it
                        "object-store-memory": _OBJECT_STORE,
                    },
                    "template": head.template("head", {SLOTS_VARIABLE: str(slots)}),
                },
                "workerGroupSpecs": [_group(settings, group, labels, variables) for group in groups],
            },
        },
    }


def _group(
    settings: RaySettings, group: WorkerGroup, labels: dict[str, str], variables: dict[str, str]
) -> dict[str, Any]:
    image = settings.gpu_image if group == "gpu" else None
    count: int = getattr(settings, f"{group}_workers")
    return {
        "groupName": group,
        "replicas": count,
        "minReplicas": count,
        "maxReplicas": count,
        "rayStartParams": {
            "num-cpus": str(getattr(settings, f"{group}_slots")),
            "object-store-memory": _OBJECT_STORE,
        },
        "template": _Pod(settings, labels, variables, image or settings.image or "").template(
            group, {GROUP_VARIABLE: group}
        ),
    }


@dataclass(frozen=True, slots=True)
class _Pod:
    settings: RaySettings
    labels: dict[str, str]
    variables: dict[str, str]
    image: str

    def template(self, kind: Literal["head", "cpu", "gpu"], more: dict[str, str]) -> dict[str, Any]:
        settings = self.settings
        resources = {"cpu": getattr(settings, f"{kind}_cpu"), "memory": getattr(settings, f"{kind}_memory")}
        if kind == "gpu":
            resources[settings.gpu_resource] = str(settings.gpu_count)
        secrets = settings.head_secrets if kind == "head" else settings.worker_secrets
        variables = {**self.variables, **more}
        mounts: list[dict[str, Any]] = [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "shared-mem", "mountPath": "/dev/shm"},  # noqa: S108
        ]
        volumes: list[dict[str, Any]] = [
            {"name": "tmp", "emptyDir": {"sizeLimit": settings.tmp_size}},
            {"name": "shared-mem", "emptyDir": {"medium": "Memory", "sizeLimit": settings.shm_size}},
        ]
        if secrets:
            variables[FOLDER_VARIABLE] = _SECRETS_DIR
            mounts.append({"name": "secrets", "mountPath": _SECRETS_DIR, "readOnly": True})
            sources = [{"secret": _reference(name)} for name in secrets]
            volumes.append({"name": "secrets", "projected": {"defaultMode": _SECRETS_MODE, "sources": sources}})
        # Ours come last: of two variables with one name, Kubernetes takes the last one.
        extra = [each for each in settings.extra_env if each.get("name") not in variables]
        container: dict[str, Any] = {
            "name": "ray",
            "image": self.image,
            "imagePullPolicy": settings.image_pull_policy,
            # Kubernetes would replace $(NAME) in a value by another variable; it reads $$ as $.
            "env": [*extra, *({"name": name, "value": value.replace("$", "$$")} for name, value in variables.items())],
            "envFrom": [
                *settings.extra_env_from,
                *({"configMapRef": _reference(source.removeprefix("configmap/"))} for source in settings.env_from),
            ],
            # Ray schedules by limits and ignores requests of memory, so both are equal. It does not know disks.
            "resources": {
                "requests": {**resources, "ephemeral-storage": settings.storage_request},
                "limits": {**resources, "ephemeral-storage": settings.storage_limit},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": mounts,
            "readinessProbe": copy.deepcopy(_READINESS),
        }
        if kind == "head":
            container["ports"] = [
                {"name": name, "containerPort": port}
                for name, port in (("gcs", 6379), ("dashboard", 8265), ("client", 10001))
            ]
        spec: dict[str, Any] = {
            "serviceAccountName": settings.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _UID,
                "runAsGroup": _UID,
                "fsGroup": _UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
        }
        if settings.image_pull_secrets:
            spec["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
        spec |= self._placement(kind)
        if settings.ca_source:
            spec["volumes"].append({"name": "custom-ca", **settings.ca_source})
            container["volumeMounts"].append({"name": "custom-ca", "mountPath": _CA_FOLDER, "readOnly": True})
        metadata: dict[str, Any] = {"labels": settings.pod_labels | self.labels}
        # If the head is evicted, the driver is lost.
        own = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"} if kind == "head" else {}
        if annotations := settings.pod_annotations | own:
            metadata["annotations"] = annotations
        return {"metadata": metadata, "spec": spec}

    def _placement(self, kind: Literal["head", "cpu", "gpu"]) -> dict[str, Any]:
        fields = {"nodeSelector": "node_selector", "tolerations": "tolerations", "affinity": "affinity"}
        if kind != "head":
            fields["topologySpreadConstraints"] = "topology_spread"
        found = {name: getattr(self.settings, f"{kind}_{field}") for name, field in fields.items()}
        return {name: value for name, value in found.items() if value}


def _reference(name: str) -> dict[str, Any]:
    """Return the reference to an object; a trailing ``?`` means that it may be missing."""
    reference: dict[str, Any] = {"name": name.rstrip("?")}
    if name.endswith("?"):
        reference["optional"] = True
    return reference


def _owner(workflow: str, uid: str) -> dict[str, Any]:
    # Deleting the Workflow deletes the RayJob; when it is stopped or terminated, launcher and sweep delete it.
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "name": workflow,
        "uid": uid,
        "controller": True,
    }


def _labels(settings: RaySettings, job: Job) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "telecine",
        "app.kubernetes.io/part-of": "telecine",
        "app.kubernetes.io/component": "ray",
        "app.kubernetes.io/managed-by": "telecine",
        "telecine/pipeline": _label(job.pipeline),
        "telecine/step": _label(job.step),
        "telecine/run-id": _label(job.run_id),
        **({"telecine/workflow": _label(settings.workflow)} if settings.workflow else {}),
    }


def _label(text: str) -> str:
    return _LABEL.sub("-", text)[:_LABEL_MAX].strip("._-")

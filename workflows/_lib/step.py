"""The template of a step: its command, settings as environment variables, and limits of CPU, memory and storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hera.workflows import Container
from hera.workflows.models import (
    ConfigMapEnvSource,
    EnvFromSource,
    EnvVar,
    ResourceRequirements,
)

from shared.secrets import FOLDER_VARIABLE
from workflows._lib.artifacts import OUTPUTS_DIR, REPORT_DIR, output_parameters, reports
from workflows._lib.labels import labels, shown
from workflows._lib.metrics import step_metrics
from workflows._lib.names import (
    CONFIG_ENVIRONMENT,
    CONFIG_RAY,
    JOBS_IMAGE,
    LAUNCHER_ACCOUNT,
    RAY_IMAGE,
    STEP_ACCOUNT,
)
from workflows._lib.parameters import environment, inputs
from workflows._lib.retry import PATIENT, retry
from workflows._lib.secrets import DATABASE, S3, SECRETS_DIR, secret_volume
from workflows._lib.security import EXECUTOR, container_security, pod_security, volumes
from workflows._lib.variables import NAME, NAMESPACE, UID, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hera.workflows.models import Metrics, Synchronization

    from workflows._lib.parameters import Field, Source
    from workflows._lib.retry import Pauses
    from workflows._lib.secrets import MountedSecret

__all__ = ["LARGE", "MEDIUM", "SMALL", "Size", "step"]


@dataclass(frozen=True, slots=True)
class Size:
    """Requests and limits of a step's container.

    Attributes:
        cpu: CPU request.
        memory: memory request.
        cpu_limit: CPU limit.
        memory_limit: memory limit.
        tmp: size limit of ``/tmp``.
        storage: request of ephemeral storage.
        storage_limit: its limit: ``/tmp``, and the rest for logs.
    """

    cpu: str
    memory: str
    cpu_limit: str
    memory_limit: str
    tmp: str = "1Gi"
    storage: str = "64Mi"
    storage_limit: str = "2Gi"


# Python with boto3 and psycopg uses 150 MB.
SMALL: Final = Size("100m", "256Mi", "1", "1Gi")
# Polars keeps the rows of all sessions in memory.
MEDIUM: Final = Size("200m", "512Mi", "2", "4Gi")
# One worker with a decoder process per CPU; each decoder is limited to 1.5 GB of address space and uses 0.3 GB.
LARGE: Final = Size("500m", "2Gi", "4", "8Gi", tmp="8Gi", storage="256Mi", storage_limit="10Gi")


def step(
    name: str,
    command: Sequence[str],
    *,
    pipeline: str,
    stage: str,
    title: str,
    description: str,
    deadline_s: int,
    size: Size = SMALL,
    parameters: Sequence[Field] = (),
    source: Source = "inputs",
    counts: tuple[str, ...] = (),
    texts: Mapping[str, str] | None = None,
    copies: tuple[str, ...] = (),
    ray: bool = False,
    launcher: bool = False,
    account: str = STEP_ACCOUNT,
    report: bool = True,
    secrets: Sequence[MountedSecret] = (DATABASE, S3),
    metrics: Metrics | None = None,
    pauses: Pauses = PATIENT,
    variables: Mapping[str, str] | None = None,
    synchronization: Synchronization | None = None,
) -> Container:
    """Return the template that runs one command.

    All settings of the pod are in the template rather than in the Workflow's spec, because a Workflow that references
    the template has its own spec.

    Args:
        name: name of the template.
        command: arguments of ``telecine``.
        pipeline: pipeline, for labels and metrics.
        stage: folder of the reports, value of a label, and part of a RayJob's name.
        title: title in the UI.
        description: description in the UI.
        deadline_s: maximum run time of a pod, for each attempt.
        size: requests and limits.
        parameters: settings of the step.
        source: source of their values: the template's inputs or the Workflow's parameters.
        counts: names of additional numeric output parameters.
        texts: names of other output parameters -> value if the pod was killed.
        copies: further stages that the step's report covers; it is stored under their keys too.
        ray: True to use the image with Ray and torch.
        launcher: True to mount a token; only launchers talk to the API server.
        account: service account of the pod, without a token, unless it is a launcher.
        report: True if the step writes a report and output parameters.
        secrets: the Secrets to mount; a launcher's include the token of its Ray cluster.
        metrics: metrics to emit instead of the step's duration.
        pauses: backoff between attempts.
        variables: further variables, in addition to the settings and the variables of every step.
        synchronization: locks that a pod waits for, with all its attempts as one.
    """
    volumes_, mounts = volumes(size.tmp, ray=ray)
    if secrets:
        mounted, mount = secret_volume(secrets)
        volumes_, mounts = [*volumes_, mounted], [*mounts, mount]
    return Container(
        name=name,
        annotations=shown(title, description),
        labels=labels("step", pipeline, stage),
        image=RAY_IMAGE if ray else JOBS_IMAGE,
        command=["telecine"],
        args=list(command),
        inputs=inputs(parameters) if source == "inputs" else [],
        outputs=[*output_parameters(counts, texts), *reports(stage, copies)] if report else [],
        env=[
            *_identity(stage, secrets=bool(secrets)),
            *environment(parameters, source),
            *_variables(variables or {}),
        ],
        env_from=_sources(launcher=launcher),
        resources=ResourceRequirements(
            requests={"cpu": size.cpu, "memory": size.memory, "ephemeral-storage": size.storage},
            limits={"cpu": size.cpu_limit, "memory": size.memory_limit, "ephemeral-storage": size.storage_limit},
        ),
        security_context=container_security(),
        pod_security_context=pod_security(),
        volumes=volumes_,
        volume_mounts=mounts,
        service_account_name=LAUNCHER_ACCOUNT if launcher else account,
        automount_service_account_token=launcher,
        executor=EXECUTOR,
        retry_strategy=retry(pauses),
        active_deadline_seconds=deadline_s,
        metrics=metrics or step_metrics(pipeline, stage),
        synchronization=synchronization,
    )


def _identity(stage: str, *, secrets: bool) -> list[EnvVar]:
    values = {
        "TELECINE_RUN_ID": tag(UID),
        "TELECINE_WORKFLOW": tag(NAME),
        "TELECINE_NAMESPACE": tag(NAMESPACE),
        "TELECINE_NODE": stage,
        "TELECINE_OUTPUTS_DIR": OUTPUTS_DIR,
        "TELECINE_REPORT_DIR": REPORT_DIR,
        # The root file system is read-only.
        "TELECINE_STATE_DIR": "/tmp/telecine",  # noqa: S108
        "HOME": "/tmp/home",  # noqa: S108
    }
    return _variables(values | ({FOLDER_VARIABLE: SECRETS_DIR} if secrets else {}))


def _variables(values: Mapping[str, str]) -> list[EnvVar]:
    return [EnvVar(name=name, value=value) for name, value in values.items()]


def _sources(*, launcher: bool) -> list[EnvFromSource]:
    names = [CONFIG_ENVIRONMENT, *([CONFIG_RAY] if launcher else [])]
    return [EnvFromSource(config_map_ref=ConfigMapEnvSource(name=name)) for name in names]

"""The WorkflowTemplate of a pipeline, with form, exit hook, semaphore, deadlines and cleanup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import WorkflowTemplate
from hera.workflows.models import PodGC, TTLStrategy, WorkflowMetadata

from workflows._lib.artifacts import repository
from workflows._lib.hooks import EXIT
from workflows._lib.labels import labels, shown
from workflows._lib.metrics import run_metrics
from workflows._lib.names import STEP_ACCOUNT
from workflows._lib.security import EXECUTOR, pod_security
from workflows._lib.synchronization import one_semaphore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hera.workflows import DAG, Container, Parameter, Steps

__all__ = ["workflow_template"]

_DAY: Final = 86_400


def workflow_template(
    name: str,
    *,
    title: str,
    description: str,
    entrypoint: str,
    templates: Sequence[Container | DAG | Steps],
    arguments: Sequence[Parameter] = (),
    deadline_s: int = 3 * _DAY,
    ledger: bool = True,
) -> WorkflowTemplate:
    """Return the WorkflowTemplate of a pipeline.

    Args:
        name: name of the template and the pipeline, and key of the semaphore.
        title: title in the UI.
        description: description in the UI, in Markdown.
        entrypoint: the template that a run starts with.
        templates: all templates.
        arguments: parameters of the form.
        deadline_s: maximum duration of a run.
        ledger: True if runs are recorded in the ledger: the exit hook closes them, and the semaphore limits them.
    """
    common_labels = labels("workflow", name)
    return WorkflowTemplate(
        name=name,
        labels=common_labels,
        annotations=shown(title, description),
        workflow_metadata=WorkflowMetadata(labels=common_labels),
        entrypoint=entrypoint,
        arguments=list(arguments),
        templates=list(templates),
        on_exit=EXIT if ledger else None,
        synchronization=one_semaphore(name) if ledger else None,
        metrics=run_metrics(name),
        artifact_repository_ref=repository(),
        service_account_name=STEP_ACCOUNT,
        automount_service_account_token=False,
        executor=EXECUTOR,
        security_context=pod_security(),
        active_deadline_seconds=deadline_s,
        # The logs of a failed run are kept as long as the Workflow. OnPodCompletion lost logs (argo-workflows #14885).
        pod_gc=PodGC(strategy="OnWorkflowSuccess", delete_delay_duration="1h"),
        ttl_strategy=TTLStrategy(seconds_after_success=3 * _DAY, seconds_after_failure=14 * _DAY),
    )

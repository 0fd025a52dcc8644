"""The maintenance workflow and its crons: sweep RayJobs, delete old reports and rows, diagnose the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.retention.settings import VacuumSettings
from workflows._lib.cron import Cron
from workflows._lib.parameters import arguments, fields
from workflows._lib.retry import PROMPT
from workflows._lib.step import step
from workflows._lib.template import workflow_template

if TYPE_CHECKING:
    from hera.workflows import Container, WorkflowTemplate

__all__ = ["CRONS", "NAME", "build"]

NAME: Final = "maintenance"
_SWEEP: Final = "sweep"
_VACUUM: Final = "vacuum"
_DOCTOR: Final = "doctor"

CRONS: Final = (
    Cron(
        "telecine-sweep",
        schedule="*/10 * * * *",
        title="Sweep, every ten minutes",
        description="Deletes RayJobs left behind by runs that were terminated.",
        start_deadline_s=120,
        entrypoint=_SWEEP,
        # Never stop: half an hour without the API server must not end the sweep of leftover RayJobs.
        stop=None,
    ),
    Cron(
        "telecine-vacuum",
        schedule="30 4 * * 0",
        title="Vacuum, every Sunday",
        description="Deletes reports, artifacts and ledger rows older than `retention.days`.",
        start_deadline_s=3600,
        entrypoint=_VACUUM,
        suspend=True,
    ),
)

# Without the namespace: every step has TELECINE_NAMESPACE, so the vacuum covers the namespace of its run.
_FORM: Final = fields(
    VacuumSettings,
    without=("namespace",),
    from_config={
        "days": "retention-days",
        "artifacts": "artifacts-bucket",
        "viewership-bucket": "viewership-bucket",
    },
)


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate; its runs are not recorded in the ledger."""
    return workflow_template(
        NAME,
        title="**maintenance**: sweep, vacuum and doctor",
        description="Select the entrypoint `sweep`, `vacuum` or `doctor`. Two crons run the first two.",
        entrypoint=_SWEEP,
        arguments=arguments(_FORM),
        templates=[_sweep(), _vacuum(), _doctor()],
        deadline_s=7200,
        ledger=False,
    )


def _sweep() -> Container:
    # A launcher does the same before it creates a RayJob. This step covers runs that no other launcher follows.
    return step(
        _SWEEP,
        ["rayjob", "sweep"],
        pipeline=NAME,
        stage=_SWEEP,
        title="Sweep",
        description="Deletes RayJobs left behind by runs that were terminated.",
        deadline_s=300,
        launcher=True,
        report=False,
        secrets=(),
        pauses=PROMPT,
    )


def _vacuum() -> Container:
    return step(
        _VACUUM,
        ["vacuum"],
        pipeline=NAME,
        stage=_VACUUM,
        title="Vacuum",
        description="Deletes old reports, artifacts and ledger rows; keeps .pt files, statistics, manifests and gold.",
        deadline_s=3600,
        report=False,
        parameters=_FORM,
        # An entrypoint has no caller, and inputs would appear in the form a second time.
        source="workflow",
    )


def _doctor() -> Container:
    return step(
        _DOCTOR,
        ["doctor"],
        pipeline=NAME,
        stage=_DOCTOR,
        title="Doctor",
        description="Checks Argo, Kubernetes, rights, the chart's objects, the database and the store.",
        deadline_s=300,
        # Only the launcher's account can check its rights.
        launcher=True,
        report=False,
        pauses=PROMPT,
    )

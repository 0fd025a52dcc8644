"""What keeps an installation clean: the sweep of RayJobs, and the retention of reports and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.retention.settings import VacuumSettings
from workflows._lib.parameters import arguments, fields
from workflows._lib.step import step
from workflows._lib.sweep import SWEEP, sweep_step
from workflows._lib.template import workflow_template

if TYPE_CHECKING:
    from hera.workflows import Container, WorkflowTemplate

__all__ = ["NAME", "VACUUM", "build"]

NAME: Final = "maintenance"
VACUUM: Final = "vacuum"

# Everything in the namespace of the run: TELECINE_NAMESPACE is a variable of every step.
_VACUUM: Final = fields(
    VacuumSettings,
    without=("namespace",),
    from_config={"days": "retention-days", "artifacts": "artifacts-bucket"},
)


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate; its runs are in no ledger."""
    return workflow_template(
        NAME,
        title="**maintenance**: sweep and vacuum",
        description="Choose the entrypoint `sweep` or `vacuum`; crons run both.",
        entrypoint=SWEEP,
        arguments=arguments(_VACUUM),
        templates=[sweep_step(NAME), _vacuum()],
        deadline_s=7200,
        ledger=False,
    )


def _vacuum() -> Container:
    return step(
        VACUUM,
        ["vacuum"],
        pipeline=NAME,
        stage=VACUUM,
        title="Vacuum",
        description="Deletes old reports, artifacts and ledger rows; no .pt file, statistics, manifest or gold row.",
        deadline_s=3600,
        report=False,
        found=_VACUUM,
        # As an entrypoint it has no caller; inputs would stand in the form a second time.
        source="workflow",
    )

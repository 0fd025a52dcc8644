"""What keeps an installation clean: the sweep of RayJobs, and the retention of reports and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Parameter
from hera.workflows.models import ConfigMapKeySelector, EnvVar, ValueFrom

from workflows._lib.names import CONFIG_PARAMETERS
from workflows._lib.step import step
from workflows._lib.sweep import SWEEP, sweep_step
from workflows._lib.template import workflow_template

if TYPE_CHECKING:
    from hera.workflows import Container, WorkflowTemplate

__all__ = ["NAME", "VACUUM", "build"]

NAME: Final = "maintenance"
VACUUM: Final = "vacuum"
_DAYS: Final = "retention-days"


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate; its runs are in no ledger."""
    return workflow_template(
        NAME,
        title="**maintenance**: sweep and vacuum",
        description="Choose the entrypoint `sweep` or `vacuum`; crons run both.",
        entrypoint=SWEEP,
        arguments=[
            Parameter(
                name=_DAYS,
                value_from=ValueFrom(
                    config_map_key_ref=ConfigMapKeySelector(name=CONFIG_PARAMETERS, key=_DAYS), default="90"
                ),
                description="vacuum: reports, artifacts and ledger rows that are older are deleted. Unit: days.",
            )
        ],
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
        variables=[EnvVar(name="TELECINE_DAYS", value=f"{{{{workflow.parameters.{_DAYS}}}}}")],
    )

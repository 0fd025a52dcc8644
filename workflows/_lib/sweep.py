"""The sweep: RayJobs whose Workflow has ended are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflows._lib.retry import PROMPT
from workflows._lib.step import step

if TYPE_CHECKING:
    from hera.workflows import Container

__all__ = ["SWEEP", "sweep_step"]

SWEEP: Final = "sweep"


def sweep_step(pipeline: str) -> Container:
    """Return the template; it stands in each WorkflowTemplate that makes RayJobs, and in the cron's.

    Args:
        pipeline: for labels and metrics.
    """
    return step(
        SWEEP,
        ["rayjob", "sweep"],
        pipeline=pipeline,
        stage=SWEEP,
        title="Sweep",
        description="Deletes RayJobs of runs that were terminated, and so could not delete their own.",
        deadline_s=300,
        launcher=True,
        report=False,
        pauses=PROMPT,
    )

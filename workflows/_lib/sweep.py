"""The sweep step, which deletes RayJobs whose Workflow has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflows._lib.retry import PROMPT
from workflows._lib.step import step

if TYPE_CHECKING:
    from hera.workflows import Container

__all__ = ["SWEEP", "sweep_step"]

SWEEP: Final = "sweep"


def sweep_step(pipeline: str) -> Container:
    """Return the template, for each WorkflowTemplate that creates RayJobs and for ``maintenance``.

    Args:
        pipeline: pipeline, for labels and metrics.
    """
    return step(
        SWEEP,
        ["rayjob", "sweep"],
        pipeline=pipeline,
        stage=SWEEP,
        title="Sweep",
        description="Deletes RayJobs left behind by runs that were terminated.",
        deadline_s=300,
        launcher=True,
        report=False,
        secrets=(),
        pauses=PROMPT,
    )

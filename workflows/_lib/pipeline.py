"""A pipeline: its WorkflowTemplate, its crons and its branch of ``media``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hera.workflows import Task
from hera.workflows.models import TemplateRef

from workflows._lib.parameters import arguments, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from hera.workflows import Parameter, WorkflowTemplate

    from workflows._lib.cron import Cron
    from workflows._lib.parameters import Field

__all__ = ["STAGES", "Pipeline"]

# The template that runs a pipeline's steps, in each pipeline's WorkflowTemplate.
STAGES = "stages"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All that ``render``, ``crons`` and ``media`` need of a pipeline.

    Attributes:
        name: of the WorkflowTemplate, and of the pipeline's command group.
        build: returns the WorkflowTemplate; its template ``stages`` takes ``parameters`` as inputs.
        parameters: what ``media`` asks for and passes to ``stages``.
        codes: error codes that are counted one by one; all others count as ``other``.
        crons: its schedules.
    """

    name: str
    build: Callable[[], WorkflowTemplate]
    parameters: tuple[Field, ...]
    codes: tuple[str, ...]
    crons: tuple[Cron, ...] = ()

    def arguments(self) -> list[Parameter]:
        """Return the parameters in the form of ``media``, prefixed: several pipelines have a ``prefix``."""
        return arguments(self.parameters, prefix=f"{self.name}-")

    def task(self) -> Task:
        """Return the task of ``media`` that runs the pipeline."""
        return Task(
            name=self.name,
            template_ref=TemplateRef(name=self.name, template=STAGES),
            arguments=passed(self.parameters, "workflow", prefix=f"{self.name}-"),
        )

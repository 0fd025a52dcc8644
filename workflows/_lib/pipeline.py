"""A pipeline: its WorkflowTemplate, its crons, and its branch of the umbrella ``media``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hera.workflows import Task
from hera.workflows.models import TemplateRef

from workflows._lib.parameters import arguments, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hera.workflows import Parameter, WorkflowTemplate

    from workflows._lib.cron import Cron
    from workflows._lib.parameters import Field

__all__ = ["STAGES", "Pipeline"]

# Name of the template in each pipeline's WorkflowTemplate that runs the steps.
STAGES = "stages"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline, as needed by ``render``, ``crons`` and ``media``.

    Attributes:
        name: name of the WorkflowTemplate, and of the pipeline's command group.
        build: function that returns the WorkflowTemplate, whose template ``stages`` has ``parameters`` as inputs.
        parameters: parameters in the form of ``media``, which passes them to ``stages``.
        codes: error codes that ``media`` counts separately; all others count as ``other``.
        crons: schedules of the pipeline, which start its WorkflowTemplate.
        others: name -> function that returns a further WorkflowTemplate, with runs in the ledger, outside of ``media``.
    """

    name: str
    build: Callable[[], WorkflowTemplate]
    parameters: tuple[Field, ...]
    codes: tuple[str, ...]
    crons: tuple[Cron, ...] = ()
    others: Mapping[str, Callable[[], WorkflowTemplate]] = field(default_factory=dict)

    def templates(self) -> list[WorkflowTemplate]:
        """Return the WorkflowTemplates of the pipeline, that of its own name first."""
        return [self.build(), *(build() for build in self.others.values())]

    def arguments(self) -> list[Parameter]:
        """Return the parameters for the form of ``media``, with the pipeline's name as a prefix to make them unique."""
        return arguments(self.parameters, prefix=f"{self.name}-")

    def task(self) -> Task:
        """Return the task of ``media`` that runs the pipeline."""
        return Task(
            name=self.name,
            template_ref=TemplateRef(name=self.name, template=STAGES),
            arguments=passed(self.parameters, "workflow", prefix=f"{self.name}-"),
        )

"""A pipeline as the umbrella sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hera.workflows import Task
from hera.workflows.models import TemplateRef

from workflows._lib.parameters import arguments, passed

if TYPE_CHECKING:
    from hera.workflows import Parameter

    from workflows._lib.parameters import Field

__all__ = ["STAGES", "Pipeline"]

# The template that runs a pipeline's steps, in each pipeline's WorkflowTemplate.
STAGES = "stages"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What it takes to run a pipeline inside another Workflow.

    Attributes:
        name: of the WorkflowTemplate.
        found: its parameters.
        codes: its error codes.
    """

    name: str
    found: tuple[Field, ...]
    codes: tuple[str, ...]

    def arguments(self) -> list[Parameter]:
        """Return its parameters for the umbrella's form, with its name before theirs: others have a ``prefix`` too."""
        return arguments(self.found, prefix=f"{self.name}-")

    def task(self) -> Task:
        """Return the task that runs it."""
        return Task(
            name=self.name,
            template_ref=TemplateRef(name=self.name, template=STAGES),
            arguments=passed(self.found, "workflow", prefix=f"{self.name}-"),
        )

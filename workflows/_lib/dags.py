"""The two DAGs of a pipeline: ``main`` starts a run with the form's values, ``stages`` runs the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import DAG, Task

from workflows._lib.labels import shown
from workflows._lib.parameters import inputs, passed
from workflows._lib.pipeline import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows._lib.parameters import Field

__all__ = ["MAIN", "main", "stages"]

MAIN: Final = "main"
"""Entrypoint of a run."""

_CALLED: Final = "Called by `main` and by the umbrella `media`. To start a run, select `main`."


def main(form: Sequence[Field], description: str, *, title: str = "The whole pipeline") -> DAG:
    """Return the entrypoint, which passes the values of the form to ``stages``.

    Args:
        form: form of the Workflow, which is also the inputs of ``stages``.
        description: description in the UI.
        title: title in the UI.
    """
    return DAG(
        name=MAIN,
        annotations=shown(title, description),
        tasks=[Task(name=STAGES, template=STAGES, arguments=passed(form, "workflow"))],
    )


def stages(form: Sequence[Field], tasks: Sequence[Task], *, all_count: bool = False, description: str = _CALLED) -> DAG:
    """Return the template that runs the steps.

    Args:
        form: its inputs.
        tasks: the steps.
        all_count: True if every step is a target: after a failure, the steps that may still run do, and then the run
            ends Failed.
        description: description in the UI.
    """
    return DAG(
        name=STAGES,
        annotations=shown("The stages", description),
        inputs=inputs(form),
        target=" ".join(str(task.name) for task in tasks) if all_count else None,
        fail_fast=False if all_count else None,
        tasks=[*tasks],
    )

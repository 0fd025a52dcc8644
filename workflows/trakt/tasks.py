"""The tasks that both DAGs have in common: ``model`` and ``publish``, after the step that reads the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hera.workflows import Task

from shared.errors import EXIT_DATA, EXIT_OK, EXIT_TRANSIENT
from workflows._lib.parameters import passed
from workflows._lib.variables import exit_code_of, expression, parameter
from workflows.trakt.forms import PUBLISH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows._lib.parameters import Field

__all__ = ["modelled"]


def modelled(reader: str, parameters: Sequence[Field]) -> list[Task]:
    """Return the tasks that build and publish gold.

    Args:
        reader: the task that reads the API.
        parameters: settings of ``model``.
    """
    return [
        Task(
            name="model",
            template="model",
            arguments=passed(parameters, "inputs"),
            depends=f"({reader}.Succeeded || {reader}.Failed)",
            when=_has_read(reader),
        ),
        Task(name="publish", template="publish", arguments=passed(PUBLISH, "inputs"), depends="model.Succeeded"),
    ]


def _has_read(task: str) -> str:
    """Return the condition under which the models run.

    They also run after bad items or failed titles (65), and after the API stopped answering (75), because what had
    arrived is committed. They do not run after a dry run, or if an operator must act first.
    """
    codes = [str(code) for code in (EXIT_OK, EXIT_DATA, EXIT_TRANSIENT)]
    wet = f"sprig.b64dec({parameter('inputs', 'dry-run', in_expression=True)}) != 'true'"
    return expression(f"{exit_code_of(task)} in {codes} and {wet}")

"""Start a run as a Workflow of one of the WorkflowTemplates that the console may run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.console.launch.model import Outcome
from shared.cluster.client import connect
from shared.cluster.workflows import RIGHTS, create_workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.console.launch.model import Launch
    from jobs.console.launch.requests import StepName

__all__ = ["TEMPLATES", "labels", "start"]

TEMPLATES: Final[Mapping[StepName, str]] = {
    "run": "viewership",
    "retract": "viewership-retract",
    "reprocess": "viewership-reprocess",
}
"""Step -> WorkflowTemplate; the chart's admission policy has the same names."""


def start(launch: Launch) -> Outcome:
    """Create the Workflow; a Workflow of the same name is the one of an earlier attempt.

    Raises:
        TransientError: it is unknown whether it was created.
        ConfigurationError: there is no token, a right is missing, or the cluster refuses the Workflow.
    """
    client = connect(user="the console", rights=RIGHTS)
    uid = create_workflow(client, launch.name, TEMPLATES[launch.step], launch.parameters, labels(launch))
    return Outcome("started", run_id=uid)


def labels(launch: Launch) -> dict[str, str]:
    """Return the labels that find the Workflow of a file or an upload: ``kubectl get workflows -l …``."""
    numbers = {"launch": launch.launch_id, "file": launch.file_id, "upload": launch.upload_id}
    found = {f"telecine/console-{name}": str(number) for name, number in numbers.items() if number is not None}
    return {"app.kubernetes.io/part-of": "telecine", "app.kubernetes.io/created-by": "telecine-console", **found}

"""The WorkflowTemplate ``trakt-backfill``: backfill, model, publish; ``trakt-freshness`` measures its days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import DAG, Task

from workflows._lib.hooks import exit_templates
from workflows._lib.labels import shown
from workflows._lib.parameters import arguments, inputs, passed
from workflows._lib.pipeline import STAGES
from workflows._lib.template import workflow_template
from workflows.trakt.codes import CODES
from workflows.trakt.forms import BACKFILL, BACKFILL_FORM, MODEL_AS_OF, PUBLISH
from workflows.trakt.steps import backfill, has_read, model, publish

if TYPE_CHECKING:
    from hera.workflows import WorkflowTemplate

__all__ = ["NAME", "build"]

NAME: Final = "trakt-backfill"
# In the ledger, its steps are of this pipeline.
_PIPELINE: Final = "trakt"


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        NAME,
        title="**trakt-backfill**: all comments of titles",
        description="Reads titles in full, builds and publishes gold. Submit it again to resume; try `dry-run` first.",
        entrypoint="main",
        arguments=arguments(BACKFILL_FORM),
        templates=[
            _main(),
            _stages(),
            backfill(BACKFILL_FORM, NAME),
            model(NAME, MODEL_AS_OF),
            publish(NAME),
            *exit_templates(NAME, {_PIPELINE: CODES}, of=_PIPELINE),
        ],
        # A million comments are 4,000 requests, 40 minutes; a million titles are not backfilled.
        deadline_s=20 * 3600,
    )


def _main() -> DAG:
    return DAG(
        name="main",
        annotations=shown("The whole backfill", "Backfill, model and publish, with the values of the form."),
        tasks=[Task(name=STAGES, template=STAGES, arguments=passed(BACKFILL_FORM, "workflow"))],
    )


def _stages() -> DAG:
    tasks = [
        Task(name="backfill", template="backfill", arguments=passed(BACKFILL, "inputs")),
        Task(
            name="model",
            template="model",
            arguments=passed(MODEL_AS_OF, "inputs"),
            depends="(backfill.Succeeded || backfill.Failed)",
            when=has_read("backfill"),
        ),
        Task(name="publish", template="publish", arguments=passed(PUBLISH, "inputs"), depends="model.Succeeded"),
    ]
    return DAG(
        name=STAGES,
        annotations=shown("The stages", "Called by `main`."),
        inputs=inputs(BACKFILL_FORM),
        target=" ".join(str(task.name) for task in tasks),
        fail_fast=False,
        tasks=[*tasks],
    )

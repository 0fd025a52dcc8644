"""The WorkflowTemplate ``trakt-backfill``: backfill, model, publish; ``trakt-freshness`` measures its days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Task

from workflows._lib.dags import MAIN, main, stages
from workflows._lib.hooks import exit_templates
from workflows._lib.parameters import arguments, passed
from workflows._lib.template import workflow_template
from workflows.trakt.codes import CODES
from workflows.trakt.forms import BACKFILL, BACKFILL_FORM, MODEL_AS_OF
from workflows.trakt.steps import backfill, model, publish
from workflows.trakt.tasks import modelled

if TYPE_CHECKING:
    from hera.workflows import DAG, WorkflowTemplate

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
        entrypoint=MAIN,
        arguments=arguments(BACKFILL_FORM),
        templates=[
            main(
                BACKFILL_FORM,
                "Backfill, model and publish, with the values of the form.",
                title="The whole backfill",
            ),
            _stages(),
            backfill(BACKFILL_FORM, NAME),
            model(NAME, MODEL_AS_OF),
            publish(NAME),
            *exit_templates(NAME, {_PIPELINE: CODES}, of=_PIPELINE),
        ],
        # A million comments are 4,000 requests, 40 minutes; a million titles are not backfilled.
        deadline_s=20 * 3600,
    )


def _stages() -> DAG:
    tasks = [
        Task(name="backfill", template="backfill", arguments=passed(BACKFILL, "inputs")),
        *modelled("backfill", MODEL_AS_OF),
    ]
    return stages(BACKFILL_FORM, tasks, all_count=True, description="Called by `main`.")

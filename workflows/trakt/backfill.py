"""The WorkflowTemplate ``trakt-backfill``: backfill, model and publish, without slo, which ``trakt-freshness`` runs."""

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
# The pipeline to which its steps belong in the ledger.
_PIPELINE: Final = "trakt"


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        NAME,
        title="**trakt-backfill**: all comments on titles",
        description="Reads titles in full, then builds and publishes gold. Try `dry-run` first; resubmit to resume.",
        entrypoint=MAIN,
        arguments=arguments(BACKFILL_FORM),
        templates=[
            main(
                BACKFILL_FORM,
                "Backfill, model and publish, with the form's values.",
                title="The whole backfill",
            ),
            _stages(),
            backfill(BACKFILL_FORM, NAME),
            model(NAME, MODEL_AS_OF),
            publish(NAME),
            *exit_templates(NAME, {_PIPELINE: CODES}, of=_PIPELINE),
        ],
        # A million comments take 4,000 requests, 40 minutes; no watch list has a million titles.
        deadline_s=20 * 3600,
    )


def _stages() -> DAG:
    tasks = [
        Task(name="backfill", template="backfill", arguments=passed(BACKFILL, "inputs")),
        *modelled("backfill", MODEL_AS_OF),
    ]
    return stages(BACKFILL_FORM, tasks, all_count=True, description="Called by `main`.")

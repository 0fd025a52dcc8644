"""The WorkflowTemplate ``trakt``: ingest, model, publish and slo; its entrypoint ``freshness`` runs slo only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import DAG, Task

from workflows._lib.dags import MAIN, main, stages
from workflows._lib.hooks import exit_templates
from workflows._lib.labels import shown
from workflows._lib.parameters import arguments, from_form, passed
from workflows._lib.switch import IS_ENABLED
from workflows._lib.template import workflow_template
from workflows._lib.variables import parameter, tag
from workflows.trakt.codes import CODES
from workflows.trakt.forms import FORM, INGEST, MODEL, SLO
from workflows.trakt.steps import ingest, model, publish, slo
from workflows.trakt.tasks import modelled

if TYPE_CHECKING:
    from hera.workflows import WorkflowTemplate

__all__ = ["DEADLINE_S", "FRESHNESS", "NAME", "build"]

NAME: Final = "trakt"
FRESHNESS: Final = "freshness"
"""The entrypoint that runs ``slo`` only."""

DEADLINE_S: Final = 2 * 3600
"""With the start deadline of the cron, a daily run ends by 07:30."""


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        NAME,
        title="**trakt**: comments and ratings to gold and service levels",
        description="Reads what has changed, builds and publishes gold, and measures. A bad page affects one title.",
        entrypoint=MAIN,
        arguments=arguments(FORM),
        templates=[
            main(FORM, "Ingest, model, publish and slo, with the form's values."),
            _stages(),
            _freshness(),
            ingest(FORM),
            model(),
            publish(),
            slo(),
            *exit_templates(NAME, {NAME: CODES}),
        ],
        deadline_s=DEADLINE_S,
    )


def _freshness() -> DAG:
    return DAG(
        name=FRESHNESS,
        annotations=shown("Service levels only", "Measures the day; sends no API requests."),
        tasks=[Task(name="slo", template="slo", arguments=passed(SLO, "workflow", day=from_form("workflow", "as-of")))],
    )


def _stages() -> DAG:
    of_the_form = tag(parameter("inputs", "as-of"))
    tasks = [
        Task(name="ingest", template="ingest", arguments=passed(INGEST, "inputs"), when=IS_ENABLED),
        *modelled("ingest", MODEL),
        # Runs after a failure too, because it reports what the failure missed; not if the pipeline is disabled.
        Task(
            name="slo",
            template="slo",
            arguments=passed(SLO, "inputs", day=of_the_form),
            depends="(ingest.Succeeded || ingest.Failed || ingest.Errored)"
            " && (publish.Succeeded || publish.Failed || publish.Errored || publish.Skipped || publish.Omitted)",
        ),
    ]
    # A failed ingest fails the run, but only once what it read is published and measured.
    return stages(FORM, tasks, all_count=True)

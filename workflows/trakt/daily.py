"""The WorkflowTemplate ``trakt``: ingest, model, publish, slo; its entrypoint ``freshness`` only measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import DAG, Task

from workflows._lib.hooks import exit_templates
from workflows._lib.labels import shown
from workflows._lib.parameters import arguments, from_form, inputs, passed
from workflows._lib.pipeline import STAGES
from workflows._lib.switch import IS_ENABLED
from workflows._lib.template import workflow_template
from workflows._lib.variables import parameter, tag
from workflows.trakt.codes import CODES
from workflows.trakt.forms import FORM, INGEST, MODEL, PUBLISH, SLO
from workflows.trakt.steps import has_read, ingest, model, publish, slo

if TYPE_CHECKING:
    from hera.workflows import WorkflowTemplate

__all__ = ["DEADLINE_S", "FRESHNESS", "NAME", "build"]

NAME: Final = "trakt"
FRESHNESS: Final = "freshness"
"""Entrypoint that only measures."""

DEADLINE_S: Final = 2 * 3600
"""With the start deadline of the cron, a daily run ends by 07:30."""


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        NAME,
        title="**trakt**: comments and ratings to gold and service levels",
        description="Asks for what has changed, builds and publishes gold, and measures. A bad page costs that page.",
        entrypoint="main",
        arguments=arguments(FORM),
        templates=[
            _main(),
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


def _main() -> DAG:
    return DAG(
        name="main",
        annotations=shown("The whole pipeline", "Ingest, model, publish and slo, with the values of the form."),
        tasks=[Task(name=STAGES, template=STAGES, arguments=passed(FORM, "workflow"))],
    )


def _freshness() -> DAG:
    return DAG(
        name=FRESHNESS,
        annotations=shown("Service levels only", "Measures the day, and asks the API nothing."),
        tasks=[Task(name="slo", template="slo", arguments=passed(SLO, "workflow", day=from_form("workflow", "as-of")))],
    )


def _stages() -> DAG:
    of_the_form = tag(parameter("inputs", "as-of"))
    tasks = [
        Task(name="ingest", template="ingest", arguments=passed(INGEST, "inputs"), when=IS_ENABLED),
        Task(
            name="model",
            template="model",
            arguments=passed(MODEL, "inputs"),
            depends="(ingest.Succeeded || ingest.Failed)",
            when=has_read("ingest"),
        ),
        Task(name="publish", template="publish", arguments=passed(PUBLISH, "inputs"), depends="model.Succeeded"),
        # Also after a failure, which it shows; not if the pipeline is disabled.
        Task(
            name="slo",
            template="slo",
            arguments=passed(SLO, "inputs", day=of_the_form),
            depends="(ingest.Succeeded || ingest.Failed || ingest.Errored)"
            " && (publish.Succeeded || publish.Failed || publish.Errored || publish.Skipped || publish.Omitted)",
        ),
    ]
    return DAG(
        name=STAGES,
        annotations=shown("The stages", "Called by `main` and by the umbrella `media`. To start a run, select `main`."),
        inputs=inputs(FORM),
        # All steps are targets: a failed ingest fails the run once what it had read is published and measured.
        target=" ".join(str(task.name) for task in tasks),
        fail_fast=False,
        tasks=[*tasks],
    )

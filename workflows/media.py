"""The umbrella workflow: run all pipelines in parallel, then write one index page of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import DAG, Task

from workflows._lib.hooks import exit_templates
from workflows._lib.labels import shown
from workflows._lib.retry import PROMPT
from workflows._lib.step import step
from workflows._lib.template import workflow_template
from workflows.pipelines import PIPELINES

if TYPE_CHECKING:
    from hera.workflows import Container, WorkflowTemplate

__all__ = ["build"]

_NAME: Final = "media"
_INDEX: Final = "publish"


def build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        _NAME,
        title="**media**: every pipeline, and one page for the run",
        description="Runs all pipelines in parallel, then writes one index page, even if a pipeline failed.",
        entrypoint="main",
        arguments=[argument for pipeline in PIPELINES for argument in pipeline.arguments()],
        templates=[_main(), _publish(), *exit_templates(_NAME, {each.name: each.codes for each in PIPELINES})],
    )


def _main() -> DAG:
    names = [pipeline.name for pipeline in PIPELINES]
    ended = [f"({name}.Succeeded || {name}.Failed || {name}.Errored)" for name in names]
    return DAG(
        name="main",
        annotations=shown("All pipelines", "In parallel, followed by the index page."),
        # The page is written even if a pipeline failed. The pipelines are targets too, so that such a run ends Failed;
        # failing fast would end it before the page is written.
        target=" ".join([*names, _INDEX]),
        fail_fast=False,
        tasks=[
            *(pipeline.task() for pipeline in PIPELINES),
            Task(name=_INDEX, template=_INDEX, depends=" && ".join(ended)),
        ],
    )


def _publish() -> Container:
    return step(
        _INDEX,
        ["media", "publish"],
        pipeline=_NAME,
        # Not `publish`, because a pipeline's own stage of that name has a report in the same run.
        stage="index",
        title="Index page",
        description="Writes one page that lists the stages of the run and links to their reports.",
        deadline_s=1800,
        pauses=PROMPT,
    )

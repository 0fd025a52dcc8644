"""CronWorkflows: thin, each starts a WorkflowTemplate with the defaults of its form."""

from __future__ import annotations

from typing import Final

from hera.workflows import CronWorkflow
from hera.workflows.models import StopStrategy, WorkflowTemplateRef

from workflows import gamedata, maintenance, screenalytics
from workflows._lib.labels import labels, shown
from workflows._lib.sweep import SWEEP

__all__ = ["build"]

# Three in a row would mean three nights; a cron that always fails stops and waits for a person.
_STOP: Final = "cronworkflow.failed >= 3"


def build() -> list[CronWorkflow]:
    """Return all crons; the chart sets schedule, timezone and whether one is suspended."""
    return [
        _cron(
            "gamedata-nightly",
            gamedata.PIPELINE.name,
            schedule="0 2 * * *",
            title="gamedata, every night",
            description="Extracts what is new since the last night, and publishes the manifest.",
            start_deadline_s=3600,
        ),
        _cron(
            "screenalytics-poll",
            screenalytics.PIPELINE.name,
            schedule="*/15 * * * *",
            title="screenalytics, every quarter of an hour",
            description="Ingests runs that have arrived: events of the outbox, then whatever the bucket holds.",
            start_deadline_s=300,
            suspend=True,
            # Each poll fails while a bad run is tried again, and must go on for the sake of the good ones.
            stop=None,
        ),
        _cron(
            "telecine-sweep",
            maintenance.NAME,
            schedule="*/10 * * * *",
            title="Sweep, every ten minutes",
            description="Deletes RayJobs of runs that were terminated.",
            start_deadline_s=120,
            entrypoint=SWEEP,
            # It is the safety net: it must not stop because the API server was away for half an hour.
            stop=None,
        ),
        _cron(
            "telecine-vacuum",
            maintenance.NAME,
            schedule="30 4 * * 0",
            title="Vacuum, every Sunday",
            description="Deletes reports, artifacts and ledger rows that are older than the retention.",
            start_deadline_s=3600,
            entrypoint=maintenance.VACUUM,
            suspend=True,
        ),
    ]


def _cron(
    name: str,
    template: str,
    *,
    schedule: str,
    title: str,
    description: str,
    start_deadline_s: int,
    entrypoint: str | None = None,
    suspend: bool = False,
    stop: str | None = _STOP,
) -> CronWorkflow:
    return CronWorkflow(
        name=name,
        labels=labels("cron", template),
        annotations=shown(title, description),
        schedules=[schedule],
        timezone="Etc/UTC",
        concurrency_policy="Forbid",
        starting_deadline_seconds=start_deadline_s,
        successful_jobs_history_limit=3,
        failed_jobs_history_limit=5,
        cron_suspend=suspend,
        stop_strategy=StopStrategy(expression=stop) if stop else None,
        entrypoint=entrypoint,
        workflow_template_ref=WorkflowTemplateRef(name=template),
    )

"""A CronWorkflow, which starts a WorkflowTemplate with the defaults of its form, and may stop after three failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hera.workflows import CronWorkflow
from hera.workflows.models import StopStrategy, WorkflowTemplateRef

from workflows._lib.labels import labels, shown

__all__ = ["THREE_FAILURES", "Cron"]

# After three failed runs in a row, a cron stops until an operator resumes it.
THREE_FAILURES: Final = "cronworkflow.failed >= 3"


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule of a pipeline; the chart's values override schedule, timezone and suspension.

    Attributes:
        name: name of the CronWorkflow, and its key under ``crons`` in the chart's values.
        schedule: schedule in cron format, in ``timezone``.
        title: title in the UI.
        description: description in the UI.
        start_deadline_s: maximum delay with which a missed run may still start.
        entrypoint: template to start with; None for the WorkflowTemplate's own.
        suspend: True to suspend the cron until an operator resumes it.
        stop: condition under which the cron stops; None for never.
        timezone: IANA name of the time zone of the schedule.
    """

    name: str
    schedule: str
    title: str
    description: str
    start_deadline_s: int
    entrypoint: str | None = None
    suspend: bool = False
    stop: str | None = THREE_FAILURES
    timezone: str = "Etc/UTC"

    def build(self, template: str) -> CronWorkflow:
        """Return the CronWorkflow that starts the WorkflowTemplate of this name."""
        return CronWorkflow(
            name=self.name,
            labels=labels("cron", template),
            annotations=shown(self.title, self.description),
            schedules=[self.schedule],
            timezone=self.timezone,
            concurrency_policy="Forbid",
            starting_deadline_seconds=self.start_deadline_s,
            successful_jobs_history_limit=3,
            failed_jobs_history_limit=5,
            cron_suspend=self.suspend,
            stop_strategy=StopStrategy(expression=self.stop) if self.stop else None,
            entrypoint=self.entrypoint,
            workflow_template_ref=WorkflowTemplateRef(name=template),
        )

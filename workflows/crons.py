"""Collect the CronWorkflows; each pipeline declares its crons in its own module, such as ``workflows/gamedata.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows import maintenance
from workflows.pipelines import PIPELINES

if TYPE_CHECKING:
    from hera.workflows import CronWorkflow

__all__ = ["build"]


def build() -> list[CronWorkflow]:
    """Return all CronWorkflows; the chart's values set schedule, timezone and suspension."""
    crons = {pipeline.name: pipeline.crons for pipeline in PIPELINES} | {maintenance.NAME: maintenance.CRONS}
    return [cron.build(template) for template, schedules in crons.items() for cron in schedules]

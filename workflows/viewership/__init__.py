"""The viewership workflows: the run and its cron, gauges for alerts, and changes of one upload."""

from __future__ import annotations

from workflows.viewership.pipeline import PIPELINE

__all__ = ["PIPELINE"]

"""The trakt workflows: the daily run, backfills, two crons, and gauges for alerts."""

from __future__ import annotations

from workflows.trakt.pipeline import PIPELINE

__all__ = ["PIPELINE"]

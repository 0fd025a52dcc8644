"""Write checks of your own: the decorators, and what a check receives (docs/checks.md)."""

from __future__ import annotations

from jobs.gamedata.checks import SessionStatistics, frames_check, statistics_check

__all__ = ["SessionStatistics", "frames_check", "statistics_check"]

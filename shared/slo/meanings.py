"""Codes of service levels and what they mean: for reports, messages and the console."""

from __future__ import annotations

from typing import Final

__all__ = ["ALERTS", "CODES", "REASONS"]

REASONS: Final[dict[str, str]] = {
    "FEED_MISSING": "the feed was not read on the day",
    "FEED_GAP": "the feed was read, but not back to the watermark",
    "FEED_LATE": "the feed was read without a gap only after the deadline",
    "NOT_READ": "the feed named the title, but its comments were not read",
    "RATING_MISSING": "the feed named the title, but its ratings were not read",
    "READ_LATE": "the title was read only after the deadline",
    "NEVER_SWEPT": "the title has no complete sweep of the last 7 days, and none before",
    "SWEEP_OLD": "the last complete sweep is more than 7 days old",
    "SWEEP_LATE": "the scheduled sweep ended after the deadline",
}
"""Reason why a title-day is not fresh -> meaning."""

ALERTS: Final[dict[str, str]] = {
    "breach": "fewer than 99 % of the title-days of the window are fresh, or fewer than 99 % of the day's pages landed",
    "burn": "75 % of the error budget is spent, or an hour had a storm of 429 answers",
    "missed": "no ingest read the feed before the deadline",
}
"""Alert -> its condition."""

CODES: Final[dict[str, str]] = {"breach": "SLO_BREACH", "burn": "SLO_BURN", "missed": "INGEST_MISSED"}
"""Alert -> code of its message."""

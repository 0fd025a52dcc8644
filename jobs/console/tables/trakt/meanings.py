"""Words for Trakt's quadrants, metrics and reasons, as pages show them."""

from __future__ import annotations

import math
from typing import Any, Final

__all__ = [
    "METRICS",
    "QUADRANTS",
    "REASONS",
    "WINDOWS",
    "age_order",
    "age_words",
    "name_of",
    "quadrant_words",
    "reason_words",
]

WINDOWS: Final = ("7d", "28d", "90d", "all")

QUADRANTS: Final = {
    "phenomenon": "many people, who comment often",
    "broad_hit": "many people, who comment once",
    "cult": "few people, who comment often",
    "quiet": "few people, who comment once",
    "borderline": "too close to a median",
    "insufficient": "too few comments or peers",
}
"""Quadrant -> meaning, among the peers of a title."""

REASONS: Final = {
    "NO_DATA": "there is no data to compute it from",
    "TOO_FEW": "there are fewer than {n_min} comments",
    "TOO_FEW_FIRST": "the first window has too few ratings",
    "TOO_FEW_LAST": "the last window has too few ratings",
    "TOO_FEW_PEERS": "too few titles of the peer group have {n_min} comments, so it has no medians",
    "COUNTS_INVALID": "a count is missing or not valid",
    "PEERS_INVALID": "the figures of the peer group are missing or not positive",
    "AGE_INVALID": "the age of the title is unknown",
    "TOO_YOUNG": "the title is younger than the days that the figure covers",
    "WINDOWS_OVERLAP": "the title is so young that its first and last windows would overlap",
    "MOSTLY_OUTSIDE": "more than half of the comments were written before the release",
    "NO_DECAY": "the comments do not become fewer, so no decay can be estimated",
    "ALL_AT_START": "all comments were written at the start, which fits any short half-life",
    "NEAR_MEDIAN": "it is too close to a median: the side is less than 80 % probable",
    "SHARE_INVALID": "the share or the horizon is not valid",
}
"""Code of a missing figure -> words."""

METRICS: Final = {
    "half_life_days": "half-life, in days",
    "t50_days": "t50 of the first 90 days, in days",
    "t80_days": "t80 of the first 90 days, in days",
    "t50_year_days": "t50 of the first 365 days, in days",
    "t80_year_days": "t80 of the first 365 days, in days",
    "retention": "retention",
    "hold_up": "hold-up",
    "breadth": "breadth",
    "intensity": "intensity",
}
"""Metric -> label."""


def name_of(row: Any) -> str:
    """Return the name of a title, its year and kind if it has none."""
    if not row.title:
        return f"{row.title_kind} {row.title_id_trakt}"
    return f"{row.title} ({row.year})" if row.year else str(row.title)


def quadrant_words(quadrant: str) -> str:
    """Return the name of a quadrant as words."""
    return quadrant.replace("_", " ")


def reason_words(reason: str | None, n_min: int | None) -> str:
    """Return why a figure is missing, in words; an unknown code is returned as it is."""
    if reason is None:
        return ""
    words = REASONS.get(reason, reason)
    if n_min is None:
        return words.replace("fewer than {n_min}", "too few").replace("{n_min}", "enough")
    return words.replace("{n_min}", str(n_min))


def age_words(band: str) -> str:
    """Return an age band as words.

    >>> age_words("90-365"), age_words("1095-"), age_words("unknown")
    ('90 to 365 days old', '1095 days or older', 'of unknown age')
    """
    first, dash, last = band.partition("-")
    if not dash or not first.isdigit() or not (last.isdigit() or not last):
        return "of unknown age" if band == "unknown" else band
    return f"{first} to {last} days old" if last else f"{first} days or older"


def age_order(band: str) -> tuple[float, str]:
    """Return a sort key of age bands: the youngest first, unknown ages last."""
    first = band.partition("-")[0]
    return (float(first), band) if first.isdigit() else (math.inf, band)

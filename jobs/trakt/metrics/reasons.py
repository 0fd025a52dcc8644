"""Codes that say why a figure has no value, or a title no quadrant."""

from __future__ import annotations

from typing import Final

__all__ = ["REASONS"]

REASONS: Final[dict[str, str]] = {
    "NO_DATA": "there is no usable observation",
    "TOO_FEW": "there are fewer observations than n_min",
    "TOO_FEW_FIRST": "the first window has fewer ratings than n_min",
    "TOO_FEW_LAST": "the last window has fewer ratings than n_min",
    "TOO_FEW_PEERS": "the peer group has fewer titles with n_min comments than peers_min",
    "COUNTS_INVALID": "a count is missing, negative or not whole, or there are fewer comments than commenters",
    "PEERS_INVALID": "the figures of the peer group are missing or not positive",
    "AGE_INVALID": "the age is unknown, not positive or not finite",
    "TOO_YOUNG": "the title is younger than the horizon or the window",
    "WINDOWS_OVERLAP": "the title is younger than two windows, so the first and the last would overlap",
    "MOSTLY_OUTSIDE": "more than half of the times are before the start, after the age, or not a number",
    "NO_DECAY": "the mean time is at least half the age: no decay can be estimated, only the lower end of the interval",
    "ALL_AT_START": "all comments have time 0, which fits any half-life that is short enough",
    "NEAR_MEDIAN": "a side of a median is less probable than side_probability",
    "SHARE_INVALID": "the share or the horizon is missing or out of range",
}
"""Code -> meaning. Every figure without a value has one of these."""

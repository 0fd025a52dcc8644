"""Gauges of ``slo``: alerts, the error budget, titles, pages, and 429 answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflows._lib.metrics import gauge

if TYPE_CHECKING:
    from hera.workflows.models import Prometheus

__all__ = ["COUNTS", "gauges"]

_ALERTS: Final = ("breach", "burn", "missed")
# Label -> count of `slo`.
_TITLES: Final = {"fresh": "fresh-titles", "late": "late-titles", "all": "titles"}
_PAGES: Final = {"landed": "pages-landed", "planned": "pages-planned"}
_TITLE_DAYS: Final = {"fresh": "window-fresh", "all": "window-title-days"}
_OTHERS: Final = {
    "telecine_trakt_budget_spent_percent": (
        "budget-spent-percent",
        "Percentage of the 28-day error budget that is spent.",
    ),
    "telecine_trakt_throttled_hour": ("throttled-hour", "Largest number of 429 answers in one hour of the last day."),
    "telecine_trakt_minutes_late": (
        "minutes-late",
        "Minutes after 09:00 at which the last title became fresh.",
    ),
    "telecine_trakt_late_arrivals": ("late-arrivals", "Comments of the last day that arrived more than 7 days late."),
}

COUNTS: Final = (
    *(f"alert-{alert}" for alert in _ALERTS),
    *_TITLES.values(),
    *_PAGES.values(),
    *_TITLE_DAYS.values(),
    *(count for count, _ in _OTHERS.values()),
)
"""Counts of ``slo`` that are exported as gauges."""


def gauges(pipeline: str) -> list[Prometheus]:
    """Return the gauges. They keep their values until the next run of ``slo``.

    Args:
        pipeline: name of the pipeline, for labels.
    """
    return [
        *(
            gauge(
                "telecine_trakt_alert",
                "1 if the service-level alert is open, otherwise 0.",
                f"alert-{alert}",
                pipeline,
                alert=alert,
            )
            for alert in _ALERTS
        ),
        *(
            gauge("telecine_trakt_titles", "Titles of the last day, by state.", count, pipeline, state=state)
            for state, count in _TITLES.items()
        ),
        *(
            gauge("telecine_trakt_pages", "Pages of the last day, by state.", count, pipeline, state=state)
            for state, count in _PAGES.items()
        ),
        *(
            gauge("telecine_trakt_title_days", "Title-days of 28 days, by state.", count, pipeline, state=state)
            for state, count in _TITLE_DAYS.items()
        ),
        *(gauge(name, text, count, pipeline) for name, (count, text) in _OTHERS.items()),
    ]

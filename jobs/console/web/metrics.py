"""Metrics of the console in Prometheus's text format."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.console.tables.trakt.levels import Levels

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Around the budgets: 150 ms for lists, 300 ms for the slowest pages, 5 s for the statement timeout.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.3, 0.6, 1.0, 2.5, 5.0, 10.0)


# Prometheus asks each replica several times a minute.
_EVERY_S = 30.0


class Metrics:
    """The metrics of one process, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "telecine_console_requests",
            "Requests by method, route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "telecine_console_request_seconds",
            "Time from the first byte of a request to the last byte of its response.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._logins = Counter("telecine_console_logins", "Logins by result.", ("result",), registry=self.registry)
        self._uploads = Counter(
            "telecine_console_uploads", "Received files by result.", ("result",), registry=self.registry
        )
        self._read_at = -math.inf
        self._decisions = Counter(
            "telecine_console_decisions",
            "Decisions on review keys by result: the action, or the code of the refusal.",
            ("result",),
            registry=self.registry,
        )
        self._queue_keys = Gauge("telecine_console_review_keys", "Keys waiting for review.", registry=self.registry)
        self._queue_hours = Gauge(
            "telecine_console_review_hours", "Hours of the rows waiting for review.", registry=self.registry
        )
        self._up = Gauge(
            "telecine_console_database_up", "1 if the database answered the last query.", registry=self.registry
        )

        self._budget_left = Gauge(
            "telecine_console_slo_budget_left_share",
            "Share of the error budget of 28 days that is left; below 0, the objective is missed.",
            ("slo",),
            registry=self.registry,
        )
        self._budget_spent = Gauge(
            "telecine_console_slo_budget_spent_share",
            "Share of the error budget of 28 days spent in the last 1, 7 and 28 days.",
            ("slo", "days"),
            registry=self.registry,
        )
        self._days = Gauge(
            "telecine_console_slo_days", "Days of the last 28 by state.", ("slo", "state"), registry=self.registry
        )
        self._silent_days = Gauge(
            "telecine_console_slo_days_without_data",
            "Days without data up to the last one whose deadline has passed.",
            ("slo",),
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = method if method in ("GET", "HEAD", "POST") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def login(self, result: str) -> None:
        """Count an attempt to log in: ``accepted``, ``refused`` or ``limited``."""
        self._logins.labels(result).inc()

    def upload(self, result: str) -> None:
        """Count a file: ``stored``, ``same_bytes``, ``refused``, ``limited``, ``busy``, ``cut`` or ``failed``."""
        self._uploads.labels(result).inc()

    def decision(self, result: str) -> None:
        """Count a decision: ``accept``, ``alias``, ``reject``, ``undo``, ``busy`` or the code of another refusal."""
        self._decisions.labels(result).inc()

    def is_due(self) -> bool:
        """Return whether figures of the database are older than 30 s; the caller then reads them."""
        now = time.monotonic()
        if now - self._read_at < _EVERY_S:
            return False
        self._read_at = now
        return True

    def queue(self, keys: int, hours: float) -> None:
        """Record the size of the review queue, and the hours at stake."""
        self._queue_keys.set(keys)
        self._queue_hours.set(hours)

    def database(self, *, up: bool) -> None:
        """Record whether the database answered."""
        self._up.set(1 if up else 0)

    def levels(self, found: Iterable[Levels]) -> None:
        """Replace the gauges of service levels.

        Args:
            found: the objectives; none removes the gauges. A figure without data has no gauge.
        """
        for gauge in (self._budget_left, self._budget_spent, self._days, self._silent_days):
            gauge.clear()
        for each in found:
            name = each.objective.name
            for state, number in each.states.items():
                self._days.labels(name, state).set(number)
            self._silent_days.labels(name).set(each.silent_days)
            for burn in each.burns:
                if burn.spent is not None:
                    self._budget_spent.labels(name, str(burn.days)).set(burn.spent)
            if each.objective.has_budget and each.window.days:
                self._budget_left.labels(name).set(1 - each.window.spent)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)

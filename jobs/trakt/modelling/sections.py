"""Sections of the report of a build: anomalies, tests, models, and the parameters of the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.metrics.parameters import Parameters
from shared.report import Table

if TYPE_CHECKING:
    from jobs.trakt.modelling.build import Built
    from jobs.trakt.settings.model import ModelSettings
    from shared.report import Section

__all__ = ["MODELS", "build_sections"]

MODELS: Final = "Models"


def build_sections(settings: ModelSettings, built: Built) -> list[Section]:
    """Return the sections, those that need attention first.

    Args:
        settings: the parameters of the metrics.
        built: the outcome.
    """
    tests = built.results.tests
    unusual = [test for test in tests if test.status == "warn"]
    watched = sum(test.is_anomaly for test in tests)
    return [
        Table(
            "Anomalies",
            ["model", "test", "rows", "message"],
            [[test.model, test.name, test.rows, test.message] for test in unusual],
            note=f"{watched} tests look for an unusual volume, missing freshness, and values that could not be "
            "converted. They only warn. Days are compared with the newest load, never with a clock.",
        ),
        Table(
            MODELS,
            ["model", "rows", "seconds"],
            [[model.name, built.rows.get(model.name), round(model.seconds, 3)] for model in built.results.models],
        ),
        Table(
            "Published tables",
            ["table", "rows", "bytes"],
            [[name, built.rows.get(name), size] for name, size in built.sizes.items()],
        ),
        Table(
            "Tests",
            ["model", "test", "status", "rows"],
            [
                [test.model, test.name, test.status, test.rows]
                for test in sorted(tests, key=lambda one: (one.model, one.name))
            ],
        ),
        Table(
            "Parameters of the metrics",
            ["parameter", "value", "reason"],
            Parameters(n_min=settings.n_min, replies=settings.replies_counted).described(),
        ),
    ]

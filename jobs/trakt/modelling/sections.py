"""Sections of the report of a build: anomalies, tests, models, and the parameters of the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.metrics.parameters import Parameters
from shared.report import Amounts, Part, Shares, Table

if TYPE_CHECKING:
    from jobs.trakt.modelling.build import Built
    from jobs.trakt.settings.model import ModelSettings
    from shared.report import Section

__all__ = ["MODELS", "build_sections"]

MODELS: Final = "Models"

_STATUSES: Final = (
    Part("pass", "teal-2"),
    Part("warn", "amber"),
    Part("fail", "red"),
    Part("error", "dark-red"),
    Part("skipped", "light-gray"),
)
# Models that are drawn, the slowest first; the table has all.
_DRAWN: Final = 12


def build_sections(settings: ModelSettings, built: Built) -> list[Section]:
    """Return the sections, those that need attention first.

    Args:
        settings: the parameters of the metrics.
        built: the outcome.
    """
    tests = built.results.tests
    unusual = [test for test in tests if test.status == "warn"]
    watched = sum(test.is_anomaly for test in tests)
    slowest = sorted(built.results.models, key=lambda model: -model.seconds)
    statuses = [sum(test.status == part.name for test in tests) for part in _STATUSES]
    charts: list[Section] = []
    if any(statuses):
        charts.append(Shares("Tests by status", "tests", _STATUSES, [("all tests", statuses)]))
    if slowest:
        bars = [(model.name, [round(model.seconds, 3)]) for model in slowest[:_DRAWN]]
        seconds = [Part("seconds", "blue-2")]
        charts.append(Amounts("Slowest models", "s", seconds, bars, total=len(slowest), where="the table of models"))
    if built.sizes:
        charts.append(
            Amounts(
                "Rows of the published tables",
                "rows",
                [Part("rows", "blue-2")],
                [(name, [built.rows.get(name, 0)]) for name in built.sizes],
            )
        )
    return [
        *charts,
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

"""Metrics that the workflow controller exposes to Prometheus. Labels have few values: no file names.

The controller evaluates a metric once, when its node ends, in the scope of that node. Each attempt of a step is a node,
and so is the retry around the attempts, so a counter on the step would count items several times. Items are counted
by the exit hook's step instead: it reads the ledger once, after the last attempt of every step. A gauge has no such
limit: setting it twice to one value does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows.models import Amount, Counter, Gauge, Histogram, MetricLabel, Metrics, Prometheus

from workflows._lib.variables import DURATION, ITEMS, NODE_STATUS, REJECTS, STATUS, expression, parameter, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MOST", "OTHER", "gauge", "item_metrics", "run_metrics", "step_metrics"]

MOST: Final = 100
"""Metrics that a template may have, by Argo's CRD."""

# Label for codes that all pipelines share, such as those of an unreachable store or a bug.
OTHER: Final = "other"

_SUCCEEDED: Final = f"{tag(NODE_STATUS)} == Succeeded"
# In seconds: from a step with nothing to do to an extraction that takes a day.
_BUCKETS: Final = (5, 15, 60, 300, 900, 3600, 14400, 86400)


def run_metrics(pipeline: str) -> Metrics:
    """Return the counter of runs by final status."""
    return Metrics(
        prometheus=[_counter("telecine_runs_total", "Runs by pipeline and status.", "1", pipeline, status=tag(STATUS))]
    )


def step_metrics(pipeline: str, step: str, *gauges: Prometheus) -> Metrics:
    """Return the histogram of a successful step's duration, and further metrics.

    Args:
        pipeline: the pipeline.
        step: the step.
        gauges: gauges of its outputs.
    """
    return Metrics(
        prometheus=[
            Prometheus(
                name="telecine_step_seconds",
                # The controller keeps the first help text of a metric and rejects another one until it restarts.
                help="Seconds that a successful step took, its retries included.",
                labels=_labels(pipeline, step=step),
                when=_SUCCEEDED,
                histogram=Histogram(value=tag(DURATION), buckets=[Amount(bound) for bound in _BUCKETS]),
            ),
            *gauges,
        ]
    )


def gauge(name: str, text: str, output: str, pipeline: str, **labels: str) -> Prometheus:
    """Return a gauge with the value of a numeric output of a successful step.

    Args:
        name: name of the metric.
        text: its help, the same wherever the name is used.
        output: name of the output parameter.
        pipeline: the pipeline.
        labels: further labels.
    """
    read = parameter("outputs", output, in_expression=True)
    value = expression(f"{NODE_STATUS} == 'Succeeded' ? {read} : '0'")
    return Prometheus(
        name=name,
        help=text,
        labels=_labels(pipeline, **labels),
        when=_SUCCEEDED,
        gauge=Gauge(realtime=False, value=value),
    )


def item_metrics(codes: Mapping[str, Iterable[str]]) -> list[Prometheus]:
    """Return the counters of a run's items by outcome, and of its rejects by code.

    They read two outputs of ``telecine runs close``: ``items``, a JSON list of ``{"pipeline", "outcome", "count"}``,
    and ``rejects``, a list of ``{"pipeline", "code", "count"}``. One metric per code adds no nodes to the run; a
    fan-out over the list would add one per entry.

    Args:
        codes: pipeline -> its own error codes; all other codes count as ``other``.
    """
    counters: list[Prometheus] = []
    for pipeline, own_codes in codes.items():
        counters += [
            _counter(
                "telecine_items_total",
                "Items by pipeline and outcome.",
                _sum(ITEMS, pipeline, f".outcome == '{outcome}'"),
                pipeline,
                when=_SUCCEEDED,
                outcome=outcome,
            )
            for outcome in ("done", "failed")
        ]
        tests = {code: f".code == '{code}'" for code in own_codes}
        tests[OTHER] = f"!(.code in [{', '.join(repr(code) for code in tests)}])"
        counters += [
            _counter(
                "telecine_rejects_total",
                "Items with an error by pipeline and code, those that failed before and were not read again included.",
                _sum(REJECTS, pipeline, test),
                pipeline,
                when=_SUCCEEDED,
                code=code,
            )
            for code, test in tests.items()
        ]
    return counters


def _sum(output: str, pipeline: str, test: str) -> str:
    # Argo also evaluates an expression when the node starts, when outputs.parameters.<name> is still the map {path: …}
    # and the exit hook would error. A name that is unknown at that time, such as `status`, defers it to the node's end.
    # `and` instead of &&: Argo escapes & as \u0026 when it passes the expression on, and cannot parse that.
    read = parameter("outputs", output, in_expression=True)
    rows = f"filter(fromJSON({read}), .pipeline == '{pipeline}' and {test})"
    return expression(f"{NODE_STATUS} == 'Succeeded' ? sum({rows}, .count) : 0")


def _counter(name: str, text: str, value: str, pipeline: str, *, when: str | None = None, **labels: str) -> Prometheus:
    return Prometheus(name=name, help=text, labels=_labels(pipeline, **labels), when=when, counter=Counter(value=value))


def _labels(pipeline: str, **labels: str) -> list[MetricLabel]:
    return [MetricLabel(key=key, value=value) for key, value in {"pipeline": pipeline, **labels}.items()]

"""Counters and times that the workflow controller serves to Prometheus; sets of labels are bounded: no names of files.

The controller evaluates a metric once when its node ends, in the node's own scope. A node that is tried again is such a
node each time, and the retry around it another one; what counts items therefore belongs to the exit hook's step, which
reads the ledger once, after the last attempt of everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows.models import Amount, Counter, Histogram, MetricLabel, Metrics, Prometheus

from workflows._lib.variables import DURATION, ITEMS, NODE_STATUS, REJECTS, STATUS, expression, parameter, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["OTHER", "item_metrics", "run_metrics", "step_metrics"]

# Codes that are not a pipeline's own: a store that did not answer, a bug.
OTHER: Final = "other"

_SUCCEEDED: Final = f"{tag(NODE_STATUS)} == Succeeded"
# From a step that has nothing to do to a day's extraction, in seconds.
_BUCKETS: Final = (5, 15, 60, 300, 900, 3600, 14400, 86400)


def run_metrics(pipeline: str) -> Metrics:
    """Return the count of runs by how they ended."""
    return Metrics(
        prometheus=[_counter("telecine_runs_total", "Runs by pipeline and status.", "1", pipeline, status=tag(STATUS))]
    )


def step_metrics(pipeline: str, step: str) -> Metrics:
    """Return the time of a step that succeeded."""
    return Metrics(
        prometheus=[
            Prometheus(
                name="telecine_step_seconds",
                help="Seconds that a successful step took, its retries included.",
                labels=_labels(pipeline, step=step),
                when=_SUCCEEDED,
                histogram=Histogram(value=tag(DURATION), buckets=[Amount(bound) for bound in _BUCKETS]),
            )
        ]
    )


def item_metrics(codes: Mapping[str, Iterable[str]]) -> Metrics:
    """Return the counts of a run's items, and of its rejects by code.

    They read two outputs of ``telecine runs close``: ``items``, a JSON list of ``{"pipeline", "outcome", "count"}``,
    and ``rejects``, one of ``{"pipeline", "code", "count"}``. One metric a code costs no node; a fan-out over the list
    would cost one node each.

    Args:
        codes: pipeline -> its own error codes; all others count as ``other``.
    """
    found = []
    for pipeline, known in codes.items():
        found += [
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
        tests = {code: f".code == '{code}'" for code in known}
        tests[OTHER] = f"!(.code in [{', '.join(repr(code) for code in tests)}])"
        found += [
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
    return Metrics(prometheus=found)


def _sum(output: str, pipeline: str, test: str) -> str:
    # Argo evaluates an expression already when the node starts, where outputs.parameters.<name> is the map {path: …}:
    # the exit hook would error. A name that is unknown there, such as `status`, makes it wait for the node's end.
    # `and`, since Argo writes && as \u0026 into what it hands on, and fails to read that again.
    read = parameter("outputs", output, in_expression=True)
    rows = f"filter(fromJSON({read}), .pipeline == '{pipeline}' and {test})"
    return expression(f"{NODE_STATUS} == 'Succeeded' ? sum({rows}, .count) : 0")


def _counter(name: str, text: str, value: str, pipeline: str, *, when: str | None = None, **labels: str) -> Prometheus:
    return Prometheus(name=name, help=text, labels=_labels(pipeline, **labels), when=when, counter=Counter(value=value))


def _labels(pipeline: str, **labels: str) -> list[MetricLabel]:
    return [MetricLabel(key=key, value=value) for key, value in {"pipeline": pipeline, **labels}.items()]

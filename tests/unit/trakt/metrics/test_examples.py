"""The examples in the docstrings of the metrics are right."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.rooms import ROOT

MODULES = sorted(path.stem for path in (ROOT / "jobs/trakt/metrics").glob("*.py") if ">>>" in path.read_text())


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    found = doctest.testmod(importlib.import_module(f"jobs.trakt.metrics.{module}"))
    assert found.attempted
    assert not found.failed


def test_every_metric_has_an_example():
    assert {"breadth", "half_life", "horizon", "intensity", "parameters", "retention"} <= set(MODULES)

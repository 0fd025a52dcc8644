from __future__ import annotations

import json
import pickle
import statistics
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.storage.metrics import Call, StoreMetrics


def record(metrics: StoreMetrics, *seconds: float) -> StoreMetrics:
    for value in seconds:
        metrics.record(Call(), value)
    return metrics


@settings(deadline=None)
@given(st.lists(st.floats(1e-5, 5000), min_size=1, max_size=300))
def test_percentiles_are_right_to_five_percent(seconds):
    snapshot = record(StoreMetrics(), *seconds).snapshot()
    assert snapshot["p50_s"] == pytest.approx(statistics.median_low(seconds), rel=0.05)
    assert snapshot["p95_s"] == pytest.approx(sorted(seconds)[-(-len(seconds) * 95 // 100) - 1], rel=0.05)


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(0, 1e6), max_size=20), max_size=5))
def test_merged_counts_equal_one_count_of_all(groups):
    parts = [json.loads(json.dumps(record(StoreMetrics(), *group).snapshot())) for group in groups]
    merged = StoreMetrics().merge(*parts).snapshot()
    whole = record(StoreMetrics(), *[value for group in groups for value in group]).snapshot()
    assert merged.pop("seconds") == pytest.approx(whole.pop("seconds"))
    assert merged == whole


def test_nothing_counted_is_zero():
    snapshot = StoreMetrics().snapshot()
    assert snapshot["calls"] == snapshot["p50_s"] == snapshot["p95_s"] == 0


def test_errors_are_counted_but_streams_left_early_are_not():
    metrics = StoreMetrics()
    with pytest.raises(KeyError), metrics.call():
        raise KeyError

    def stream():
        with metrics.call() as call:
            call.bytes_read = 7
            yield b"chunk"

    reader = stream()
    next(reader)
    reader.close()
    snapshot = metrics.snapshot(reset=True)
    assert (snapshot["calls"], snapshot["errors"], snapshot["bytes_read"]) == (2, 1, 7)
    assert metrics.snapshot()["calls"] == 0


def test_the_time_of_a_consumer_is_not_the_store_s(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("shared.storage.metrics.time.perf_counter", lambda: next(clock))
    metrics = StoreMetrics()
    with metrics.call() as call, call.idle():
        pass
    assert metrics.snapshot()["seconds"] == 2


def test_threads_lose_no_count():
    metrics = StoreMetrics()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: record(metrics, 0.1), range(2000)))
    assert metrics.snapshot()["calls"] == 2000


def test_a_copy_begins_at_zero():
    assert pickle.loads(pickle.dumps(record(StoreMetrics(), 1.0))).snapshot()["calls"] == 0

from __future__ import annotations

import json
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import AccessDenied, Stopped
from shared.failure import Failure
from shared.ledger.details import error_details, of_exception, of_report
from shared.report import Report


def entries(count: int, size: int = 10) -> list[dict[str, object]]:
    return [Failure(f"{number}.tar", "code", "é" * size).as_json() for number in range(count)]


def test_the_shape():
    document = error_details({"items": 3, "failed": 1}, entries(1))
    assert list(document) == ["version", "summary", "errors", "truncated"]
    assert document["version"] == 1
    assert set(document["errors"][0]) == {"code", "item", "message", "retryable", "attempt", "at"}
    assert document["truncated"] == 0


@settings(max_examples=40)
@given(st.integers(0, 120), st.integers(0, 2000), st.integers(0, 300))
def test_at_most_50_errors_and_64_kb(count: int, size: int, total: int):
    document = error_details({"items": count}, entries(count, size), total)
    assert len(document["errors"]) <= 50
    assert len(document["errors"]) + document["truncated"] == max(count, total)
    assert len(json.dumps(document, ensure_ascii=False).encode()) <= 64 * 1024


@pytest.mark.parametrize("status", ["success", "skipped"])
def test_a_clean_report_has_no_errors(status: str):
    outcome = of_report(Report(status=status), None, None)
    assert (outcome.status, outcome.message, outcome.details) == (status, None, None)


def test_a_success_with_failures_keeps_them():
    outcome = of_report(Report(status="success", failures=[Failure("a", "b", "c")]), None, None)
    assert outcome.message == "1 failed; first a: b: c"
    assert outcome.details is not None


def test_given_hashes_beat_those_of_the_outputs():
    report = Report(outputs={"manifest": "m", "output_hash": "h"})
    assert (of_report(report, None, None).output_hash, of_report(report, None, None).manifest_key) == ("h", "m")
    assert (of_report(report, "x", "y").output_hash, of_report(report, "x", "y").manifest_key) == ("x", "y")


def test_exceptions():
    recorded = [Failure("a", "b", "c")]
    outcome = of_exception(AccessDenied("no", bucket="b"), "extract", recorded, 7)
    assert (outcome.status, outcome.exit_code) == ("failed", 78)
    assert outcome.details is not None
    assert [entry["item"] for entry in outcome.details["errors"]] == ["extract", "a"]
    assert outcome.details["errors"][0]["bucket"] == "b"
    assert outcome.details["truncated"] == 6
    stopped = of_exception(Stopped(signal.SIGTERM), "extract", [], 0)
    assert (stopped.status, stopped.exit_code, stopped.message) == ("interrupted", 143, "stopped by SIGTERM")

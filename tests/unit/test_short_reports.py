from __future__ import annotations

import pytest

from tests.short_reports import _shortened, pytest_report_from_serializable

PASSED = {
    "$report_type": "TestReport", "nodeid": "a.py::b", "location": ["a.py", 1, "b"], "keywords": {"b": 1},
    "outcome": "passed", "longrepr": None, "when": "call", "sections": [], "duration": 0.001,
    "worker_id": "gw0", "item_index": 3,
}  # fmt: skip


def sent(data, *, is_verbose=False):
    found = []
    send = _shortened(lambda name, **values: found.append((name, values)), is_verbose=is_verbose)
    send("logstart", nodeid="a.py::b")
    send("testreport", data=dict(data))
    send("runtest_protocol_complete", item_index=3)
    assert found.pop() == ("runtest_protocol_complete", {"item_index": 3})
    return found


def test_a_passed_test_is_one_text_that_is_read_back():
    ((name, values),) = sent(PASSED)
    data = values["data"]
    assert (name, list(data)) == ("testreport", ["text"])
    pytest_report_from_serializable(data)
    assert data == {**PASSED, "keywords": {}}


@pytest.mark.parametrize("when", ["setup", "teardown"])
@pytest.mark.parametrize(
    ("changes", "is_sent"),
    [({}, False), ({"duration": 0.005}, True), ({"sections": [["Captured stdout", "x"]]}, True)],
    ids=["short", "long", "with output"],
)
def test_setup_and_teardown_are_sent_if_they_took_time_or_printed(when, changes, is_sent):
    assert bool(sent({**PASSED, "when": when, **changes})) == is_sent


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_failures_and_skips_are_sent_as_they_are(when, outcome):
    data = {**PASSED, "when": when, "outcome": outcome, "longrepr": ("a.py", 1, "why")}
    assert sent(data) == [("testreport", {"data": data})]


def test_a_verbose_run_tells_which_test_begins():
    assert [name for name, _ in sent(PASSED, is_verbose=True)] == ["logstart", "testreport"]

from __future__ import annotations

import json

import pytest

from shared.notify.failures import first, parse, was_stopped

PLAN = {
    "displayName": "plan(0)",
    "message": "Error (exit code 75)",
    "podName": "p0",
    "finishedAt": "1",
    "phase": "Failed",
}
LAST = {**PLAN, "displayName": "plan(1)", "message": "Error (exit code 2)", "podName": "p1", "finishedAt": "2"}
GROUP = {"displayName": "stages", "message": "child failed", "podName": "", "finishedAt": "3"}


@pytest.mark.parametrize("wrap", [json.dumps, lambda nodes: json.dumps(json.dumps(nodes))], ids=["plain", "quoted"])
def test_a_list_comes_plain_or_quoted(wrap):
    found = parse(wrap([GROUP, PLAN]))
    assert [(failure.step, failure.exit_code) for failure in found] == [("plan", 75), ("stages", None)]


@pytest.mark.parametrize("text", ["", "null", '"null"', "[]", '"[]"', "{{workflow.failures}}", "3", "[3]"])
def test_nothing_failed(text):
    assert parse(text) == []
    assert first(parse(text)) is None


def test_text_that_is_no_json_is_kept():
    assert first(parse("pods are gone")).message == "pods are gone"


def test_the_last_attempt_of_a_step_is_told():
    assert first(parse(json.dumps([GROUP, LAST, PLAN]))).exit_code == 2


def test_the_step_that_failed_first_is_told():
    other = {**LAST, "displayName": "publish", "finishedAt": "9"}
    assert first(parse(json.dumps([other, LAST, PLAN]))).step == "plan"


def test_a_stop_is_known_by_its_words():
    assert was_stopped(parse(json.dumps([{"message": "Stopped with strategy 'Stop'"}])))
    assert not was_stopped(parse(json.dumps([LAST])))

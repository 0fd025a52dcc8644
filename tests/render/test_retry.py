"""Three attempts for failures that may be transient."""

from __future__ import annotations

import pytest

from shared.errors import EXIT_BUG, EXIT_CONFIGURATION, EXIT_DATA, EXIT_TRANSIENT, EXIT_USAGE
from tests.render.expressions import evaluate
from tests.render.rendered import containers, templates
from workflows._lib.retry import EXPRESSION

PROMPT = {"duration": "5s", "factor": 3, "cap": "5m"}
PATIENT = {"duration": "20s", "factor": 2, "cap": "5m"}
CASES = [
    *(
        ("Failed", code, retries, False)
        for code in (EXIT_USAGE, EXIT_DATA, EXIT_BUG, EXIT_CONFIGURATION, 1, 130, -1)
        for retries in (0, 1)
    ),
    *(("Failed", code, retries, True) for code in (EXIT_TRANSIENT, 143, 128, 255) for retries in (0, 1)),
    ("Failed", 137, 0, True),
    ("Failed", 137, 1, False),
    # A deleted pod has no exit code; if an init container fails, the exit code is that of the main container.
    *(("Error", code, retries, True) for code in (-1, 2, 137) for retries in (0, 1)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_whether_a_failed_attempt_is_retried(case):
    status, code, retries, again = case
    variables = {"lastRetry.status": status, "lastRetry.exitCode": str(code), "retries": str(retries)}
    assert evaluate(EXPRESSION, variables) is again


@pytest.mark.parametrize(("name", "template"), containers())
def test_three_attempts_with_pauses_and_no_overall_deadline(name, template):
    strategy = templates(name)[template]["retryStrategy"]
    assert (strategy["limit"], strategy["retryPolicy"], strategy["expression"]) == (2, "Always", EXPRESSION)
    # maxDuration would be a deadline for the pods themselves, counted from the start of the first one.
    assert strategy["backoff"] in (PROMPT, PATIENT)


@pytest.mark.parametrize(("name", "template"), containers())
def test_steps_that_take_seconds_are_retried_after_seconds(name, template):
    found = templates(name)[template]["retryStrategy"]["backoff"]
    if (name, template) == ("trakt", "ingest"):  # minutes, at the API's pace
        assert found == PATIENT
    elif template in {"plan", "ingest", "replay", "sweep", "close-run"} or (name, template) == ("media", "publish"):
        assert found == PROMPT
    if template in {"extract", "manifest"}:
        assert found == PATIENT


def test_the_evaluator_rejects_unknown_syntax():
    with pytest.raises(AssertionError, match="not evaluated here"):
        evaluate("retries > 1", {"retries": "1"})
    with pytest.raises(AssertionError, match="text with a number"):
        evaluate("retries == 1", {"retries": "1"})

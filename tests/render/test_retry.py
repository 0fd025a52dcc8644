"""Three attempts, for reasons that may pass (DESIGN §5)."""

from __future__ import annotations

import pytest

from shared.errors import EXIT_BUG, EXIT_CONFIGURATION, EXIT_DATA, EXIT_TRANSIENT, EXIT_USAGE
from tests.render.expressions import evaluate
from tests.render.rendered import containers, templates
from workflows._lib.retry import EXPRESSION

CASES = [
    *(
        ("Failed", code, retries, False)
        for code in (EXIT_USAGE, EXIT_DATA, EXIT_BUG, EXIT_CONFIGURATION, 1, 130, -1)
        for retries in (0, 1)
    ),
    *(("Failed", code, retries, True) for code in (EXIT_TRANSIENT, 143, 128, 255) for retries in (0, 1)),
    ("Failed", 137, 0, True),
    ("Failed", 137, 1, False),
    # A pod that was deleted has no exit code, an init container's failure has the main container's.
    *(("Error", code, retries, True) for code in (-1, 2, 137) for retries in (0, 1)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_an_attempt_is_followed_by_another(case):
    status, code, retries, again = case
    variables = {"lastRetry.status": status, "lastRetry.exitCode": str(code), "retries": str(retries)}
    assert evaluate(EXPRESSION, variables) is again


@pytest.mark.parametrize(("name", "template"), containers())
def test_three_attempts_with_pauses_and_no_deadline_over_all(name, template):
    strategy = templates(name)[template]["retryStrategy"]
    assert (strategy["limit"], strategy["retryPolicy"], strategy["expression"]) == (2, "Always", EXPRESSION)
    # maxDuration would be a deadline of the pods themselves, counted from the first one's start.
    quick = template in {"plan", "ingest", "replay", "sweep", "close-run"} or (name, template) == ("media", "publish")
    first = {"duration": "5s", "factor": 3} if quick else {"duration": "20s", "factor": 2}
    assert strategy["backoff"] == {**first, "cap": "5m"}


def test_the_evaluator_refuses_what_it_does_not_know():
    with pytest.raises(AssertionError, match="not evaluated here"):
        evaluate("retries > 1", {"retries": "1"})
    with pytest.raises(AssertionError, match="text with a number"):
        evaluate("retries == 1", {"retries": "1"})

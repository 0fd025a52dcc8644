"""Viewership while the database is down: three attempts, and one notification once it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.node import wait_for

if TYPE_CHECKING:
    from tests.e2e.conftest import Sinks
    from tests.e2e.installation import Installation


def test_a_database_that_is_down_takes_three_attempts_and_one_notification(
    installation: Installation, sinks: Sinks
) -> None:
    node = installation.node
    node.script("node-stop.sh", "postgres")
    try:
        run = installation.argo.submit("viewership", {"arrival": "poll", "prefix": "uploads/none/"})
        wait_for(
            lambda: [each["phase"] for each in run.nodes("upload")] == ["Failed"] * 3,
            300,
            "three attempts have failed",
            every=1,
        )
    finally:
        node.script("node-start.sh", "postgres")
        wait_for(installation.answers, 120, "everything answers after the database is back")
    # The hook needs the database as well: it knows what was sent.
    run.failed(240)
    attempts = run.nodes("upload")
    assert [each["outputs"]["exitCode"] for each in attempts] == ["75"] * 3
    assert "database" in attempts[-1]["message"]
    for step in ("normalize", "match", "load", "verify"):
        assert run.nodes(step) == [], "it would fail three times as well"
    documents, mails = sinks.of(run.uid)
    assert (len(documents), len(mails)) == (1, 1)
    document: dict[str, Any] = documents[0]
    assert (document["event"], document["pipeline"]) == ("run.failed", "viewership")
    assert installation.rows("SELECT status FROM pipeline.runs WHERE run_id = %s", run.uid) == [("failed",)]

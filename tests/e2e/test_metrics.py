"""The controller's metrics as Prometheus sees them, and the chart's alerts on them."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.installation import CHART
from tests.e2e.promql import evaluate, held

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing, Opening
    from tests.e2e.installation import Installation
    from tests.e2e.node import Node


def value(page: str, name: str, **labels: str) -> float:
    """Return the sum of the series with these labels."""
    found = 0.0
    for line in page.splitlines():
        match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if match and all(f'{key}="{wanted}"' in (match[1] or "") for key, wanted in labels.items()):
            found += float(match[2])
    return found


def test_the_controller_serves_our_counters(installation: Installation, opening: Opening, closing: Closing) -> None:
    of_trakt = installation.argo.runs("telecine/pipeline=trakt")
    for run in (opening.main, opening.arrivals.bad, closing.bad, closing.bad_media, *of_trakt):
        run.ended()
    # Other tests fail some runs too.
    failed = [run for run in installation.argo.runs("telecine/pipeline=media") if run.phase() == "Failed"]
    assert failed
    # An expression that the controller cannot evaluate becomes a condition of the run.
    for run in (opening.media, closing.bad_media):
        wrong = [each["message"] for each in run.status().get("conditions", []) if each["type"] == "MetricsError"]
        assert not [message for message in wrong if "telecine_rejects_total" in message]
    before, after = installation.first_page[1], installation.node.metrics()

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    runs = "argo_workflows_telecine_runs_total"
    assert more(runs, pipeline="gamedata", status="Succeeded") >= 2
    assert more(runs, pipeline="gamedata", status="Failed") >= 1
    assert more(runs, pipeline="media", status="Failed") == len(failed)
    items = "argo_workflows_telecine_items_total"
    assert more(items, pipeline="gamedata", outcome="done") >= 37
    assert more(items, pipeline="gamedata", outcome="failed") >= 3
    assert more(runs, pipeline="screenalytics", status="Succeeded") >= 3
    assert more(items, pipeline="screenalytics", outcome="failed") >= 1
    assert more(runs, pipeline="viewership", status="Succeeded") >= 3
    assert more(items, pipeline="viewership", outcome="done") >= 2
    assert more(items, pipeline="viewership", outcome="failed") >= 1
    assert more(runs, pipeline="trakt", status="Succeeded") >= 1
    assert more(runs, pipeline="trakt", status="Failed") >= 1
    assert more(runs, pipeline="trakt-backfill", status="Succeeded") >= 1
    # Of a run of media.
    assert more(items, pipeline="trakt", outcome="done") >= 8
    assert value(after, "argo_workflows_telecine_trakt_alert", alert="breach") == 1
    # The last day is that of this test.
    assert value(after, "argo_workflows_telecine_viewership_rows", fate="final") >= 3 * 96
    assert value(after, "argo_workflows_telecine_viewership_oldest_review_seconds") > 0
    for code in ("moov_missing", "metadata_missing", "tar_truncated", "UNSUPPORTED_VERSION", "TOO_MANY_REJECTED"):
        assert more("argo_workflows_telecine_rejects_total", code=code) >= 1
    assert more("argo_workflows_telecine_step_seconds_count", pipeline="gamedata", step="extract") >= 2


def test_every_alert_is_evaluated_over_the_scraped_pages(
    node: Node, installation: Installation, closing: Closing
) -> None:
    closing.bad.ended()
    now = time.time()
    pages = held([installation.first_page, (now, node.metrics())])
    binary = Path(node.settings["KBIN"]) / "promql-eval"
    found = {each["alert"]: each for each in evaluate(CHART / "observability" / "alerts.yaml", pages, binary)}
    assert len(found) == 23
    assert {name: each["error"] for name, each in found.items() if each["error"]} == {}
    # The page has all metrics that the expressions use: an alert on an unknown name would never fire. The console has a
    # page of its own (test_console).
    missing = {metric for each in found.values() for metric in each["missing"]}
    assert {metric for metric in missing if not metric.startswith("telecine_console_")} == set()
    assert "gamedata" in {each["labels"]["pipeline"] for each in found["TelecineRunFailed"]["result"]}
    assert found["TelecineControllerAway"]["result"] == []
    assert found["TelecineControllerBacklog"]["result"] == []

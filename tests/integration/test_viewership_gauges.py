"""Gauges for alerts: fates of the last day, the oldest review, open questions; verify of one run's uploads."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.settings.audit import VerifySettings
from jobs.viewership.steps import verify as step
from shared.errors import UsageError
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_store import ROWS, Store, catalogued, store  # noqa: F401
from tests.viewership_store import report as report_of
from workflows import viewership

if TYPE_CHECKING:
    from shared.report import Report

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

NONE = dict.fromkeys(("final", "review", "unmatched", "held", "rejected", "filtered", "topline"), 0)
LATER = "2025-08-01,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,5,"
HOUR, DAY = 3600, 86_400


def verified(store: Store, **values: Any) -> Report:
    settings = VerifySettings(database_url=store.database.url, bucket=store.bucket, **values)
    return step.run(settings, MemoryStageRun(run_id="run-9", stage="verify"))


def fates(report: Report) -> dict[str, int]:
    return {name.removeprefix("day_"): count for name, count in report.counts.items() if name.startswith("day_")}


def age(store: Store, number: int, seconds: int) -> None:
    with store.database.connect() as connection:
        connection.execute(
            "UPDATE viewership.uploads SET created_at = now() - make_interval(secs => %s) WHERE upload_id = %s",
            (seconds, number),
        )


def test_an_empty_database_has_zeros(store: Store) -> None:
    report = verified(store)
    assert fates(report) == NONE
    assert (report.counts["oldest_review_s"], report.counts["needs_choice"]) == (0, 0)


def test_rows_of_the_last_day_are_counted_by_fate(store: Store) -> None:
    store.stored()
    assert fates(verified(store)) == NONE | {"final": 3, "review": 1, "unmatched": 1, "held": 2, "rejected": 1}
    age(store, 1, 23 * HOUR)
    assert fates(verified(store))["final"] == 3
    age(store, 1, 25 * HOUR)
    assert fates(verified(store)) == NONE
    store.stored([LATER], "later.csv")
    assert fates(verified(store)) == NONE | {"final": 1}


def test_rows_that_were_not_matched_yet_do_not_count_as_unmatched(store: Store) -> None:
    assert store.take(report_of(*ROWS)).outcome == "stored"
    assert fates(verified(store)) == NONE


def test_the_age_is_that_of_the_oldest_upload_with_a_review(store: Store) -> None:
    store.stored()
    store.stored([LATER], "later.csv")
    age(store, 1, 3 * DAY)
    # An older upload without a review.
    age(store, 2, 9 * DAY)
    assert 3 * DAY <= verified(store).counts["oldest_review_s"] < 3 * DAY + HOUR
    with store.database.connect() as connection:
        connection.execute(
            "SELECT viewership.decide('reject', array_agg(key_id), NULL, 'ann', 'a placeholder', NULL)"
            " FROM viewership.matches WHERE status = 'review'"
        )
    assert verified(store).counts["oldest_review_s"] == 0


def test_uploads_that_wait_for_an_answer_are_counted(store: Store) -> None:
    body = report_of("01/07/2025,The Silent Lighthouse,1", header="Date,Title,Hours")
    assert store.take(body, "when.csv").outcome == "needs_choice"
    assert verified(store).counts["needs_choice"] == 1
    store.take(body, "when.csv", date_order="dmy")
    assert verified(store).counts["needs_choice"] == 0


def test_verify_of_a_run_covers_what_it_processed_and_measures_everything(store: Store) -> None:
    store.stored()
    store.stored([LATER], "later.csv")
    with store.database.connect() as connection:
        connection.execute("UPDATE viewership.error_log SET pipeline_run_id = 'run-2' WHERE upload_id = 2")
        connection.execute("UPDATE viewership.uploads SET units = units + 1 WHERE upload_id = 1")
    assert verified(store).exit_code == 65
    report = verified(store, of_run="run-2")
    assert (report.exit_code, report.counts["uploads"]) == (0, 1)
    assert fates(report)["final"] == 4
    damaged = verified(store, of_run="run-1")
    assert (damaged.exit_code, damaged.counts["uploads"]) == (65, 1)
    # A poll that found nothing.
    with store.database.connect() as connection:
        connection.execute(
            "INSERT INTO pipeline.runs (run_id, pipeline, status) VALUES ('run-3', 'viewership', 'running')"
        )
    nothing = verified(store, of_run="run-3")
    assert (nothing.exit_code, nothing.counts["uploads"]) == (0, 0)
    assert fates(nothing)["final"] == 4
    with pytest.raises(UsageError, match="platform 'philo' has no uploads"):
        verified(store, of_run="run-1", platform="philo")
    with pytest.raises(UsageError, match="run 'run-4' does not exist"):
        verified(store, of_run="run-4")


def test_every_gauge_of_the_template_is_a_count_of_verify(store: Store) -> None:
    (template,) = [each for each in viewership.PIPELINE.build().templates if each.name == "verify"]
    own = {"status", "items", "failed", "seconds", "rejects"}
    wanted = {parameter.name for parameter in template.outputs if hasattr(parameter, "value_from")} - own
    assert wanted <= {name.replace("_", "-") for name in verified(store).counts}
    assert {"day-final", "oldest-review-s", "needs-choice"} <= wanted

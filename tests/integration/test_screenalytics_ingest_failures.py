"""Bad runs, refused objects and a silent store during an ingest, against a real database."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from typing import Any

import pytest

from jobs.screenalytics.intake import taker
from shared.errors import AccessDenied, EndpointUnreachable, StoreUnavailable
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import postgres  # noqa: F401
from tests.screenalytics_database import codes, counted, place  # noqa: F401
from tests.screenalytics_runs import make_run

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


@pytest.mark.parametrize("case", ["case 65"])
def test_one_bad_of_ten(place, case):
    for number in range(10):
        wrong = {"artifact": {"checksum_sha256": "0" * 64}} if number == 4 else {}
        place.put(f"r{number}", **wrong)
    report = place.staged("ledger-65")
    assert (report.status, report.exit_code, report.rejects) == ("failed", 65, {"CHECKSUM_MISMATCH": 1})
    assert counted(report) == {"ingested": 9, "failed": 1, "persons": 27}
    assert place.runs() == [f"r{number}" for number in range(10) if number != 4]
    ((status, message, details),) = place.database.rows(
        "SELECT status, error_message, error_details FROM pipeline.run_stages WHERE stage = 'sync_screenalytics'"
    )
    assert status == "failed"
    assert "r4: CHECKSUM_MISMATCH" in message
    (entry,) = details["errors"]
    assert entry["item"] == "r4"
    assert entry["manifest_key"] == "derived/runs/r4/manifest.json"
    assert entry["artifact_key"] == "screentime"
    assert (entry["class"], entry["attempt"], entry["retryable"]) == ("permanent", 1, False)
    assert entry["expected"] == "0" * 64
    assert details["summary"]["ingested"] == 9
    assert place.database.rows("SELECT item, code FROM pipeline.item_errors") == [("r4", "CHECKSUM_MISMATCH")]


@pytest.mark.parametrize("case", ["case 66"])
def test_a_rerun_after_the_fix_clears_the_errors(place, case):
    place.put("r1", schema_version="9.9")
    place.put("r2")
    assert place.staged("ledger-66").exit_code == 65
    place.put("r1")
    assert place.staged("ledger-66").status == "success"
    assert place.database.rows(
        "SELECT status, attempt, error_message, error_details, exit_code FROM pipeline.run_stages"
    ) == [("success", 2, None, None, 0)]
    assert place.database.rows("SELECT count(*) FROM pipeline.item_errors") == [(0,)]
    assert place.item("r1") == ("ingested", 0, None)


def test_as_many_may_fail_as_are_allowed(place):
    place.put("r1")
    place.put("r2", schema_version="9.9")
    report = place.ingest(max_failed=1)
    assert (report.status, report.exit_code, len(report.failures)) == ("partial", 0, 1)


def test_a_run_that_fails_again_and_again_is_set_aside_until_it_changes(place):
    place.put("good")
    place.put("r1", schema_version="9.9")
    place.ingest()
    for attempt in (2, 3, 4):
        report = place.ingest()
        assert (report.exit_code, report.failures[0].attempt) == (65, attempt)
        assert place.item("r1") == ("rejected", attempt, "UNSUPPORTED_VERSION")
    last = place.ingest()
    assert last.exit_code == 65
    assert "set aside" in last.failures[0].message
    assert "telecine screenalytics replay r1" in last.failures[0].message
    assert place.item("r1") == ("dead", 5, "UNSUPPORTED_VERSION")
    place.calls()
    after = place.ingest()
    assert (after.exit_code, after.status, counted(after)) == (0, "success", {"set_aside": 1, "known": 1})
    assert place.calls() == [("list", "derived/runs/")]
    place.tell("r1")
    told = place.ingest(arrival="events")
    assert (told.exit_code, counted(told)) == (0, {"set_aside": 1, "events": 1})
    assert place.events() == [("r1", True, 0)]
    place.put("r1", schema_version="9.8")
    assert place.ingest().failures[0].attempt == 1
    place.put("r1")
    assert counted(place.ingest()) == {"ingested": 1, "known": 1, "persons": 3}
    outcomes = place.database.rows("SELECT outcome FROM screenalytics.ingest_attempts WHERE run_id = 'r1' ORDER BY id")
    assert [outcome for (outcome,) in outcomes] == ["rejected"] * 4 + ["dead", "rejected", "ingested"]


def test_an_artifact_that_is_mended_alone_is_found_at_the_next_look(place):
    files = make_run("r1")
    artifact = next(key for key in files if key.endswith("screentime.json"))
    place.put("r1")
    place.store.set(artifact, b"{}")
    assert place.ingest().exit_code == 65
    place.store.set(artifact, files[artifact])
    assert counted(place.ingest()) == {"ingested": 1, "persons": 3}


@pytest.mark.parametrize("status", ["failed", "blocked", "cancelled"])
def test_runs_without_success_are_skipped_and_not_looked_at_again(place, status):
    place.put("r1", status=status)
    report = place.ingest()
    assert (report.status, report.exit_code, counted(report)) == ("success", 0, {"skipped": 1})
    place.calls()
    assert counted(place.ingest()) == {"known": 1}
    assert place.calls() == [("list", "derived/runs/")]
    assert place.runs() == []


def test_a_run_that_runs_waits_as_long_as_it_does(place):
    place.put("r1", status="running")
    for _ in range(7):
        report = place.ingest()
        assert (report.status, counted(report)) == ("success", {"deferred": 1})
    assert place.item("r1") == ("deferred", 0, "RUN_RUNNING")
    place.put("r1")
    assert counted(place.ingest()) == {"ingested": 1, "persons": 3}


@pytest.mark.parametrize("case", ["case 17"])
def test_one_artifact_that_is_closed_to_us_is_that_run_s_trouble(place, case):
    for number in range(3):
        place.put(f"r{number}")
    place.store.fail("stream", AccessDenied("no"), key="derived/runs/r1/analytics/screentime.json", times=9)
    report = place.ingest()
    assert codes(report) == [("r1", "ACCESS_DENIED")]
    assert "s3:ListBucket" in report.failures[0].message
    assert (report.exit_code, place.runs()) == (65, ["r0", "r2"])


@pytest.mark.parametrize("closed", ["r0", "r1", "r2"])
def test_one_manifest_that_is_closed_to_us_is_that_run_s_trouble(place, closed):
    for number in range(3):
        place.put(f"r{number}")
    place.store.fail("stream", AccessDenied("no"), key=f"derived/runs/{closed}/manifest.json", times=9)
    report = place.ingest()
    assert (codes(report), report.exit_code) == ([(closed, "ACCESS_DENIED")], 65)
    assert place.runs() == [run for run in ("r0", "r1", "r2") if run != closed]


def test_a_refused_manifest_beside_known_ones_is_set_aside_in_the_end(place):
    for number in range(4):
        place.put(f"r{number}")
    place.ingest()
    closed = place.put("s")
    # Manifests that were ingested last may be gone, and S3 may refuse a missing object.
    place.store.delete("derived/runs/r3/manifest.json")
    place.store.fail("stat", AccessDenied("no"), key="derived/runs/r2/manifest.json", times=float("inf"))
    place.store.fail("stream", AccessDenied("no"), key=closed, times=float("inf"))
    ends = [place.ingest(max_attempts=2).exit_code for _ in range(3)]
    assert (ends, place.item("s")) == ([65, 65, 0], ("dead", 2, "ACCESS_DENIED"))


def test_a_store_that_refuses_everything_is_not_asked_for_every_run(place):
    for number in range(60):
        place.put(f"r{number:02}")
    place.store.fail("stream", AccessDenied("no"), times=float("inf"))
    with pytest.raises(AccessDenied):
        place.ingest()
    assert place.stage_run.errors == []
    assert place.store.count("stream") < 30


@pytest.mark.parametrize("action", ["list", "stream"])
@pytest.mark.parametrize("case", ["case 63"])
def test_credentials_that_are_refused_end_the_stage_with_one_error(place, case, action):
    for number in range(3):
        place.put(f"r{number}")
    place.store.fail(action, AccessDenied("expired"), times=float("inf"))
    with pytest.raises(AccessDenied):
        place.ingest()
    assert place.stage_run.errors == []
    assert place.database.rows("SELECT count(*) FROM screenalytics.ingest_items") == [(0,)]


@pytest.mark.parametrize("last", ["r3/manifest.json", "r2/analytics/screentime.json"])
def test_credentials_that_expire_meanwhile_end_the_stage_too(place, last):
    for number in range(6):
        place.put(f"r{number}")

    def expire(key: str) -> None:
        if key.endswith(last):
            for action in ("list", "stat", "stream"):
                place.store.fail(action, AccessDenied("expired"), times=float("inf"))

    place.store.on("stream", expire)
    with pytest.raises(AccessDenied):
        place.ingest(readers=1)
    assert place.stage_run.errors == []
    assert place.runs() == ["r0", "r1", "r2"]


@pytest.mark.parametrize("case", ["case 51 transient"])
def test_a_store_that_does_not_answer_for_one_run_is_tried_again_later(place, case):
    for number in range(3):
        place.put(f"r{number}")
    place.store.fail("stream", StoreUnavailable("503"), key="derived/runs/r1/manifest.json")
    report = place.ingest()
    assert (report.status, report.exit_code, codes(report)) == ("failed", 75, [("r1", "store_unavailable")])
    assert report.failures[0].retryable
    assert place.item("r1") is None
    place.put("bad", schema_version="9.9")
    place.store.fail("stream", StoreUnavailable("503"), key="derived/runs/r1/manifest.json")
    assert place.ingest().exit_code == 65
    assert counted(place.ingest(max_failed=1))["ingested"] == 1
    assert place.runs() == ["r0", "r1", "r2"]


def test_a_store_that_is_gone_is_not_asked_for_every_run(place):
    for number in range(40):
        place.put(f"r{number:02}")
    place.store.fail("stream", EndpointUnreachable("gone"), times=float("inf"))
    report = place.ingest()
    assert (report.status, report.exit_code, len(report.failures)) == ("failed", 75, 1)
    assert report.headline.endswith("the others were not processed")
    assert place.store.count("stream") < 10


def test_a_store_that_answers_503_to_all_is_not_asked_for_every_run(place):
    for number in range(40):
        place.put(f"r{number:02}")
    place.store.fail("stream", StoreUnavailable("503"), times=float("inf"))
    report = place.ingest()
    assert (report.status, report.exit_code, len(report.failures)) == ("failed", 75, 10)
    assert report.headline.endswith("the others were not processed")


def test_a_bug_in_one_run_does_not_end_the_others(place, monkeypatch):
    for number in range(3):
        place.put(f"r{number}")
    write = taker.write_run

    def break_one(session: Any, run: Any, **values: Any) -> Any:
        if run.run_id == "r1":
            raise ZeroDivisionError("a bug")
        return write(session, run, **values)

    monkeypatch.setattr(taker, "write_run", break_one)
    report = place.ingest()
    assert (report.status, report.exit_code, codes(report)) == ("failed", 70, [("r1", "internal")])
    assert place.runs() == ["r0", "r2"]
    monkeypatch.undo()
    assert place.item("r1") is None

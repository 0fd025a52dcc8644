"""What arrives becomes rows once and whole: against a real database. Numbers are those of the specification's cases."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from jobs.screenalytics.intake import taker
from jobs.screenalytics.settings import IngestSettings
from jobs.screenalytics.steps import ingest
from jobs.screenalytics.tables import ingest_items
from shared.database.connection import engine
from shared.database.session import transaction
from shared.errors import (
    AccessDenied,
    ConfigurationError,
    DatabaseUnreachable,
    EndpointUnreachable,
    StoreUnavailable,
    UsageError,
)
from tests.cli import Cli
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import Database, database, postgres, until  # noqa: F401
from tests.screenalytics_database import Place
from tests.screenalytics_runs import make_run, manifest_of, screentime_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

EVERYTHING = (
    "runs",
    "artifacts",
    "person_metrics",
    "replaced_runs",
    "ingest_items",
    "ingest_attempts",
    "outbox_events",
)


@pytest.fixture
def place(database, monkeypatch) -> Place:
    return Place(database, monkeypatch)


def codes(report) -> list[tuple[str, str]]:
    return [(failure.item, failure.code) for failure in report.failures]


def counted(report) -> dict[str, int]:
    return {name: count for name, count in report.counts.items() if count and name not in ("warnings", "seen")}


def test_a_run_is_in_the_tables_with_all_that_traces_it(place):
    key = place.put("r1", persons=2)
    report = place.ingest("ledger-7")
    assert (report.status, report.exit_code) == ("success", 0)
    assert counted(report) == {"ingested": 1, "persons": 2}
    body = place.store.objects[key][0]
    ((*run, warnings),) = place.runs(
        "ep_id, source, manifest_key, manifest_etag, schema_version, status, attempt, duration_ms, persons, revision,"
        " pipeline_run_id, completed_at::text, warnings"
    )
    etag = place.store.stat(key).etag
    assert run[:4] == ["rhoslc-s06e11", "s3://memory", key, etag]
    assert run[4:] == ["1.0", "ingested", 3, 2_580_000, 2, 1, "ledger-7", run[-1]]
    assert {warned["code"] for warned in warnings} == {"EPISODE_UNLINKED", "PERSONS_UNLINKED"}
    assert place.persons("r1") == [("p_0001", 402_030), ("p_0002", 404_060)]
    trace = "artifact_key, artifact_schema_version, manifest_key, schema_version, pipeline_run_id"
    assert place.persons("r1", trace) == [("screentime", "screentime.v1", key, "1.0", "ledger-7")] * 2
    assert place.database.rows("SELECT artifact_key, fetched, row_count FROM screenalytics.artifacts") == [
        ("screentime", True, 2)
    ]
    assert report.bytes == {"read": sum(len(body) for body in make_run("r1", persons=2).values())}
    assert body


@pytest.mark.parametrize("case", ["case 48"])
def test_the_same_again_touches_no_row(place, case):
    for number in range(3):
        place.put(f"r{number}", persons=4)
    first = place.ingest()
    assert counted(first) == {"ingested": 3, "persons": 12}
    before = place.everything(*EVERYTHING)
    place.calls()
    again = place.ingest("ledger-2")
    assert counted(again) == {"known": 3}
    assert place.calls() == [("list", "derived/runs/")]
    # Also when what is known of the keys is lost: the runs themselves tell.
    assert place.everything(*EVERYTHING) == before
    place.database.rows("DELETE FROM screenalytics.ingest_items")
    third = place.ingest("ledger-3")
    assert counted(third) == {"unchanged": 3}
    assert third.outputs["output_hash"] == first.outputs["output_hash"]
    assert not any("screentime.json" in key for _, key in place.calls())
    rows = ("runs", "artifacts", "person_metrics", "replaced_runs")
    assert place.everything(*rows) == {table: before[table] for table in rows}


def test_the_same_runs_have_the_same_hash_whatever_else_differs(place):
    place.put("r1")
    place.put("r2", kind="cast_screentime.v1")
    first = place.ingest().outputs["output_hash"]
    place.database.rows("TRUNCATE screenalytics.runs, screenalytics.ingest_items CASCADE")
    place.database.rows("INSERT INTO screenalytics.episode_links VALUES ('rhoslc-s06e11', gen_random_uuid())")
    place.put("r2", kind="cast_screentime.v1", unknown_field=1)
    assert place.ingest("other").outputs["output_hash"] == first
    place.database.rows("TRUNCATE screenalytics.runs, screenalytics.ingest_items CASCADE")
    place.put("r2", kind="cast_screentime.v1", persons=2)
    assert place.ingest("other").outputs["output_hash"] != first


@pytest.mark.parametrize("case", ["case 49"])
def test_changed_content_is_quarantined_and_the_rows_stay(place, case):
    place.put("r1")
    place.ingest()
    before = place.everything()
    place.put("r1", persons=2)
    place.calls()
    report = place.ingest()
    assert codes(report) == [("r1", "MANIFEST_CHANGED")]
    assert "telecine screenalytics replay r1 --accept-changed" in report.failures[0].message
    assert (report.status, report.exit_code, place.item("r1")) == ("failed", 65, ("quarantined", 1, "MANIFEST_CHANGED"))
    assert not any("screentime.json" in key for _, key in place.calls())
    # As it was: no harm is left.
    place.put("r1")
    assert counted(place.ingest()) == {"unchanged": 1}
    assert place.item("r1") == ("ingested", 0, None)
    assert place.everything() == before


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"schema_version": "9.9"}'])
def test_a_known_run_whose_manifest_broke_has_changed(place, broken):
    key = place.put("r1")
    place.ingest()
    place.store.set(key, broken)
    assert codes(place.ingest()) == [("r1", "MANIFEST_CHANGED")]


def test_a_known_run_that_failed_later_has_changed_and_one_that_runs_again_waits(place):
    place.put("r1")
    place.ingest()
    place.put("r1", status="failed")
    assert codes(place.ingest()) == [("r1", "MANIFEST_CHANGED")]
    place.put("r1", status="running")
    assert counted(place.ingest()) == {"deferred": 1}
    assert place.runs("status") == ["ingested"]


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("case", ["case 42"])
def test_a_run_id_of_another_episode_is_refused(place, case, accept):
    place.put("r1")
    place.ingest()
    before = place.everything()
    place.put("r1", ep_id="other-s01e01")
    report = place.replay("r1", accept_changed=True) if accept else place.ingest()
    assert codes(report) == [("r1", "RUN_ID_COLLISION")]
    assert {"rhoslc-s06e11", "other-s01e01"} == {report.failures[0].data["expected"], report.failures[0].data["actual"]}
    assert report.exit_code == 65
    assert place.everything() == before
    assert place.item("r1")[0] == "quarantined"


def test_the_same_run_in_another_place_is_the_same_only_with_the_same_content(place):
    place.put("r1")
    place.ingest()
    before = place.everything()
    for key, body in make_run("r1").items():
        place.store.set(f"other/{key}", body)
    moved = {"prefix": "other/derived", "artifact_roots": ("derived/runs/{run_id}/",)}
    assert counted(place.ingest(**moved)) == {"unchanged": 1}
    key, document = manifest_of(make_run("r1", attempt=9))
    place.store.set(f"other/{key}", json.dumps(document).encode())
    assert codes(place.ingest(**moved)) == [("r1", "RUN_ID_COLLISION")]
    assert place.everything() == before


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


def test_a_refused_manifest_of_an_event_does_not_keep_the_listing_from_its_runs(place):
    place.put("good")
    closed = place.put("closed")
    place.tell("closed")
    for action in ("stat", "stream"):
        place.store.fail(action, AccessDenied("no"), key=closed, times=float("inf"))
    report = place.ingest(arrival="both")
    assert (codes(report), report.exit_code, place.runs()) == ([("closed", "ACCESS_DENIED")], 65, ["good"])
    assert place.events() == [("closed", False, 1)]


def test_a_refused_manifest_beside_known_ones_is_set_aside_in_the_end(place):
    for number in range(4):
        place.put(f"r{number}")
    place.ingest()
    closed = place.put("s")
    # Of those that were ingested last some may be gone, and S3 may refuse what is not there.
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
    assert report.headline.endswith("the rest was not processed")
    assert place.store.count("stream") < 10


def test_an_outbox_of_its_own_that_is_away_keeps_nothing_from_the_poll(place):
    place.put("r1")
    away = "postgresql://user:hunter2@127.0.0.1:1/outbox"
    report = place.ingest(outbox_url=away, arrival="both", max_failed=3)
    assert (report.status, report.exit_code, codes(report)) == ("failed", 75, [("outbox", "database_unreachable")])
    assert "hunter2" not in report.model_dump_json()
    assert place.runs() == ["r1"]
    with pytest.raises(DatabaseUnreachable, match="the outbox"):
        place.ingest(outbox_url=away, arrival="events")


def test_what_an_outbox_told_of_before_it_went_away_is_for_the_poll(place, monkeypatch):
    for run_id in ("r1", "r2", "r3"):
        place.put(run_id)
        place.tell(run_id)

    def lost(*_: Any) -> None:
        raise DatabaseUnreachable("the outbox: gone")

    with monkeypatch.context() as patched:
        patched.setattr(ingest, "acknowledge", lost)
        report = place.ingest(outbox_url=place.database.url, arrival="both")
    assert (report.exit_code, codes(report)) == (75, [("outbox", "database_unreachable")])
    assert place.runs() == ["r1", "r2", "r3"]
    assert counted(place.ingest(arrival="both"))["unchanged"] == 3


def test_a_store_that_answers_503_to_all_is_not_asked_for_every_run(place):
    for number in range(40):
        place.put(f"r{number:02}")
    place.store.fail("stream", StoreUnavailable("503"), times=float("inf"))
    report = place.ingest()
    assert (report.status, report.exit_code, len(report.failures)) == ("failed", 75, 10)
    assert report.headline.endswith("the rest was not processed")


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


AFTER = {
    "the lock": "advisory_xact_lock",
    "the question what is known": "FROM (SELECT 1) AS one LEFT JOIN screenalytics.runs",
    "the run, before its persons": "INSERT INTO screenalytics.runs",
    "the item": "INSERT INTO screenalytics.ingest_items",
    "everything but the commit": None,
}


def killer(database: Database, statement: str | None, then: Callable[[], object] = lambda: None) -> Callable[..., None]:
    """End the connection that runs a statement for the first time."""
    done: list[int] = []

    def kill(connection: Any, *arguments: Any) -> None:
        text = arguments[1] if arguments else ""
        if statement is None:
            # The transaction of a run is the one that took its lock.
            connection = connection if connection.info.get("locked") else None
        elif " ".join(statement.split()) not in " ".join(text.split()):
            connection = None
        if connection is None or done:
            return
        pid = connection.connection.driver_connection.info.backend_pid
        done.append(pid)
        then()
        database.rows("SELECT pg_terminate_backend(%s)", pid)
        until(lambda: not database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

    return kill


def mark(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
    if "advisory_xact_lock" in statement:
        connection.info["locked"] = True


@pytest.mark.parametrize("step", AFTER)
@pytest.mark.parametrize("case", ["case 53"])
def test_a_connection_lost_between_two_statements_leaves_a_whole_run_or_none(place, case, step):
    place.put("r1")
    seen: list[Any] = []
    known = engine(place.database.settings())
    kill = killer(place.database, AFTER[step], lambda: seen.append((place.runs(), place.persons("r1"))))
    event.listen(known, "after_cursor_execute", mark)
    event.listen(known, "after_cursor_execute" if AFTER[step] else "commit", kill)
    report = place.ingest()
    assert seen == [([], [])]
    assert counted(report) == {"ingested": 1, "persons": 3}
    assert len(place.persons("r1")) == 3


@pytest.mark.parametrize("case", ["case 53 without an end"])
def test_a_database_that_stays_away_ends_the_stage_and_keeps_what_was_committed(place, monkeypatch, case):
    for number in range(4):
        place.put(f"r{number}")
    monkeypatch.setattr(ingest_items, "_RETRY_S", 0.0)
    known = engine(place.database.settings())

    def away(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "advisory_xact_lock" in statement and place.runs() == ["r0", "r1"]:
            pid = connection.connection.driver_connection.info.backend_pid
            place.database.rows("SELECT pg_terminate_backend(%s)", pid)
            until(lambda: not place.database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

    event.listen(known, "after_cursor_execute", away)
    report = place.ingest()
    assert (report.status, report.exit_code, codes(report)) == ("failed", 75, [("r2", "database_unreachable")])
    assert place.runs() == ["r0", "r1"]
    event.remove(known, "after_cursor_execute", away)
    assert counted(place.ingest()) == {"ingested": 2, "known": 2, "persons": 6}


@pytest.mark.parametrize("case", ["case 54"])
def test_a_commit_whose_answer_is_lost_is_found_done(place, case):
    place.put("r1")
    known = engine(place.database.settings())
    done: list[bool] = []

    def lose(connection: Any) -> None:
        if connection.info.pop("locked", False) and not done:
            done.append(True)
            driver = connection.connection.driver_connection
            driver.commit()
            place.database.rows("SELECT pg_terminate_backend(%s)", driver.info.backend_pid)
            driver.execute("SELECT 1")  # what waits for the answer

    event.listen(known, "after_cursor_execute", mark)
    event.listen(known, "commit", lose)
    report = place.ingest()
    assert done
    assert counted(report) == {"unchanged": 1}
    assert (place.runs("revision"), len(place.persons("r1")), place.item("r1")) == ([1], 3, ("ingested", 0, None))


@pytest.mark.parametrize("case", ["case 55 before the outbox knows"])
def test_a_stop_before_the_event_is_acknowledged_converges(place, monkeypatch, case):
    place.put("r1")
    place.tell("r1")

    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    acknowledge = ingest.acknowledge
    monkeypatch.setattr(ingest, "acknowledge", stop)
    with pytest.raises(KeyboardInterrupt):
        place.ingest(arrival="both")
    monkeypatch.setattr(ingest, "acknowledge", acknowledge)
    assert place.events() == [("r1", False, 0)]
    before = place.everything()
    assert counted(place.ingest(arrival="both")) == {"unchanged": 1, "events": 1}
    assert place.events() == [("r1", True, 0)]
    assert place.everything() == before


@pytest.mark.parametrize("case", ["case 52"])
def test_two_that_write_the_same_run_at_once(place, case):
    place.put("r1")
    with transaction(place.settings()) as holder:
        holder.lock("screenalytics.run:r1")
        reports: list[Any] = []
        both = [threading.Thread(target=lambda: reports.append(place.ingest())) for _ in range(2)]
        for thread in both:
            thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        until(lambda: place.database.rows(waiting) == [(2,)])
    for thread in both:
        thread.join()
    assert sorted(list(counted(report)) for report in reports) == [["ingested", "persons"], ["unchanged"]]
    assert (place.runs(), len(place.persons("r1"))) == (["r1"], 3)


@pytest.mark.parametrize("case", ["case 52 with processes"])
def test_two_processes_at_once_on_thirty_runs(database, case):
    with Cli.fresh({"TELECINE_DATABASE_URL": database.url}) as cli:
        for number in range(30):
            for key, body in make_run(f"r{number:02}").items():
                path = cli.folder / "runs" / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
        command = ("screenalytics", "ingest", "--bucket", "./runs", "--arrival", "poll", "--grace-min", "0")
        both = [cli.start(*command), cli.start(*command)]
        counts = [cli.report(cli.finish(process).expect(0))["counts"] for process in both]
    assert sum(count["ingested"] for count in counts) == 30
    assert sum(count["failed"] for count in counts) == 0
    assert database.rows("SELECT count(*), count(DISTINCT run_id) FROM screenalytics.person_metrics") == [(90, 30)]


@pytest.mark.parametrize("case", ["case 56"])
def test_events_that_come_twice_and_out_of_order(place, case):
    place.put("r1")
    old, new = "a" * 64, "b" * 64
    for payload in ("{}", "{}", json.dumps({"manifest_sha256": old})):
        place.tell("r1", payload=payload)
    report = place.ingest(arrival="events")
    assert (counted(report), report.exit_code) == ({"ingested": 1, "unchanged": 1, "events": 3, "persons": 3}, 0)
    assert {delivered for _, delivered, _ in place.events()} == {True}
    # What an event told before the manifest changed is no news once the newer content is there.
    before = place.everything()
    place.tell("r1", payload=json.dumps({"manifest_sha256": new}))
    again = place.ingest(arrival="events")
    assert (again.exit_code, again.counts["failed"]) == (0, 0)
    assert all(delivered for _, delivered, _ in place.events())
    assert place.everything() == before


def test_an_event_of_other_content_than_lies_there_fails_and_leaves_the_item_alone(place):
    place.put("r1")
    place.tell("r1", payload=json.dumps({"manifest_sha256": "c" * 64}))
    place.calls()
    report = place.ingest(arrival="events")
    assert codes(report) == [("r1", "CHECKSUM_MISMATCH")]
    assert place.calls("stream") == [("stream", "derived/runs/r1/manifest.json")] * 2
    assert (place.item("r1"), place.events(), place.runs()) == (None, [("r1", False, 1)], [])


def test_a_stale_event_holds_up_neither_the_listing_nor_the_next_ingest(place):
    place.put("r1")
    place.tell("r1", payload=json.dumps({"manifest_sha256": "c" * 64}))
    report = place.ingest(arrival="both")
    assert (counted(report), report.exit_code) == ({"ingested": 1, "failed": 1, "events": 1, "persons": 3}, 65)
    again = place.ingest(arrival="both")
    assert (counted(again), again.exit_code) == ({"unchanged": 1, "events": 1}, 0)
    assert place.events() == [("r1", True, 1)]


def test_an_event_is_ingested_without_a_listing(place):
    place.put("r1")
    place.put("r2")
    place.tell("r1")
    place.calls()
    assert counted(place.ingest(arrival="events")) == {"ingested": 1, "events": 1, "persons": 3}
    assert place.calls("list") == []
    assert counted(place.ingest(arrival="both")) == {"ingested": 1, "known": 1, "persons": 3}


def test_what_an_event_told_of_is_not_polled_in_the_same_run(place):
    place.put("r1", schema_version="9.9")
    place.put("r2")
    place.tell("r1")
    place.tell("r2")
    place.calls()
    report = place.ingest(arrival="both")
    assert (counted(report), report.exit_code) == ({"ingested": 1, "failed": 1, "events": 2, "persons": 3}, 65)
    assert place.calls("stream").count(("stream", "derived/runs/r1/manifest.json")) == 1
    assert (place.item("r1"), place.events()) == (
        ("rejected", 1, "UNSUPPORTED_VERSION"),
        [("r1", False, 1), ("r2", True, 0)],
    )


@pytest.mark.parametrize("case", ["case 57"])
def test_an_event_before_its_manifest_waits_and_is_set_aside_in_the_end(place, case):
    place.tell("r1")
    for attempt in (1, 2):
        report = place.ingest(arrival="events", max_attempts=3)
        assert (report.exit_code, counted(report)) == (0, {"deferred": 1, "events": 1})
        assert place.events() == [("r1", False, attempt)]
    last = place.ingest(arrival="events", max_attempts=3)
    assert (last.exit_code, codes(last)) == (65, [("r1", "MANIFEST_MISSING")])
    assert place.item("r1") == ("dead", 1, "MANIFEST_MISSING")
    assert counted(place.ingest(arrival="events", max_attempts=3)) == {}
    place.put("r1")
    assert counted(place.ingest()) == {"ingested": 1, "persons": 3}


@pytest.mark.parametrize("case", ["case 58"])
def test_a_poison_event_stops_nothing_and_is_set_aside(place, case):
    place.put("r1")
    place.tell("r0", event_type="screenalytics.run.exploded")
    place.tell("r1")
    place.tell("r2", payload="[]")
    report = place.ingest(arrival="events", max_attempts=2)
    assert sorted(report.rejects) == ["EVENT_INVALID", "UNKNOWN_EVENT"]
    assert (counted(report), report.exit_code) == ({"ingested": 1, "failed": 2, "events": 3, "persons": 3}, 65)
    assert all(failure.item.startswith("event ") for failure in report.failures)
    again = place.ingest(arrival="events", max_attempts=2)
    assert "set aside" in again.failures[0].message
    assert counted(place.ingest(arrival="events", max_attempts=2)) == {}
    assert place.events() == [("r0", False, 2), ("r1", True, 0), ("r2", False, 2)]


@pytest.mark.parametrize("case", ["case 59 before"])
def test_a_run_that_is_deleted_before_it_is_read(place, case):
    key = place.put("r1")
    place.put("r2")
    place.store.on("stream", lambda asked: place.store.objects.pop(key, None) if asked == key else None)
    report = place.ingest()
    assert codes(report) == [("r1", "SOURCE_DELETED")]
    assert (place.runs(), place.item("r1")[0]) == (["r2"], "source_deleted")
    place.put("r1")
    place.store._hooks.clear()
    assert counted(place.ingest()) == {"ingested": 1, "known": 1, "persons": 3}


@pytest.mark.parametrize("case", ["case 59 during"])
def test_a_run_that_is_deleted_while_it_is_read(place, case):
    place.put("r1")
    place.store.on("stream", lambda asked: place.store.objects.clear() if "screentime" in asked else None)
    report = place.ingest()
    assert codes(report) == [("r1", "SOURCE_DELETED")]
    assert place.runs() == []


@pytest.mark.parametrize("case", ["case 59 after"])
def test_a_run_that_is_deleted_after_it_was_ingested_stays(place, case):
    key = place.put("r1")
    place.ingest()
    persons = place.persons("r1")
    place.store.objects.clear()
    place.tell("r1")
    report = place.ingest(arrival="both")
    assert (report.exit_code, counted(report)) == (0, {"skipped": 1, "events": 1})
    assert (place.runs("status"), place.persons("r1")) == (["source_deleted"], persons)
    assert place.events() == [("r1", True, 0)]
    place.put("r1")
    assert counted(place.ingest()) == {"unchanged": 1}
    assert (place.runs("status"), place.item("r1")[0]) == (["ingested"], "ingested")
    assert key


@pytest.mark.parametrize("case", ["case 60"])
def test_clocks_that_are_wrong_are_kept_and_warned_of_and_the_attempt_decides(place, case):
    place.put("r1", attempt=1, started_at="2099-01-01T00:00:00Z", completed_at="2098-01-01T00:00:00Z")
    place.put("r2", attempt=2)
    report = place.ingest()
    assert report.status == "success"
    ((completed, warnings),) = place.database.rows(
        "SELECT completed_at::text, warnings FROM screenalytics.runs WHERE run_id = 'r1'"
    )
    assert completed.startswith("2098-01-01")
    assert [warned["code"] for warned in warnings].count("CLOCK_SKEW") == 2
    assert place.database.rows("SELECT run_id FROM screenalytics.latest_runs") == [("r2",)]


@pytest.mark.parametrize("case", ["case 62"])
def test_what_the_catalogue_does_not_know_is_ingested_and_counted(place, case):
    place.database.rows("INSERT INTO screenalytics.episode_links VALUES ('linked-s01e01', gen_random_uuid())")
    place.database.rows("INSERT INTO screenalytics.person_links VALUES ('linked', 'p_0001', gen_random_uuid())")
    place.put("r1", ep_id="linked-s01e01", persons=3)
    place.put("r2", ep_id="linked-s01e01", kind="cast_screentime.v1")
    place.put("r3", ep_id="strange")
    report = place.ingest()
    assert report.counts["warnings"] == 3
    found = dict(place.runs("run_id, warnings"))
    assert {run: [warned["code"] for warned in warned_of] for run, warned_of in found.items()} == {
        "r1": ["PERSONS_UNLINKED"],
        "r2": [],
        "r3": ["EPISODE_UNLINKED", "PERSONS_UNLINKED"],
    }
    assert found["r1"][0]["message"].startswith("2 of 3 persons")
    before = place.everything()
    place.database.rows("INSERT INTO screenalytics.episode_links VALUES ('strange', gen_random_uuid())")
    assert counted(place.ingest()) == {"known": 3}
    assert place.everything() == before
    assert place.database.rows(
        "SELECT episode_id IS NOT NULL FROM screenalytics.latest_runs WHERE ep_id = 'strange'"
    ) == [(True,)]


@pytest.mark.parametrize("case", ["case 64 dry run"])
def test_a_dry_run_says_what_would_be_and_writes_nothing(place, case):
    place.put("known")
    place.put("changed")
    place.ingest()
    place.put("changed", persons=1)
    place.put("new")
    place.put("bad", schema_version="9.9")
    place.put("wrong", artifact={"row_count": 99})
    place.put("failed", status="failed")
    place.put("running", status="running")
    place.tell("new")
    place.tell("x", event_type="poison")
    before = place.everything(*EVERYTHING)
    report = place.ingest(arrival="both", dry_run=True)
    assert (report.status, report.exit_code) == ("failed", 65)
    assert counted(report) == {
        "ingested": 1,
        "failed": 4,
        "skipped": 1,
        "deferred": 1,
        "known": 1,
        "events": 2,
        "persons": 3,
    }
    assert sorted(report.rejects) == ["MANIFEST_CHANGED", "ROW_COUNT_MISMATCH", "UNKNOWN_EVENT", "UNSUPPORTED_VERSION"]
    assert report.headline.startswith("dry run")
    assert place.everything(*EVERYTHING) == before
    real = place.ingest(arrival="both")
    assert (real.counts, real.rejects, real.outputs) == (
        report.counts | {"warnings": real.counts["warnings"]},
        report.rejects,
        report.outputs,
    )


@pytest.mark.parametrize("case", ["case 64 disabled"])
def test_a_stage_that_is_switched_off_is_skipped(place, case):
    place.put("r1")
    place.tell("r1")
    place.calls()
    settings = {"enabled": False, "arrival": "both", "outbox_url": "postgresql://nobody@127.0.0.1:1/none"}
    report = place.ingest(**settings)
    assert (report.status, report.exit_code) == ("skipped", 0)
    assert "--no-enabled" in report.headline
    assert (place.calls(), place.runs()) == ([], [])


def test_a_database_that_is_not_migrated_ends_the_stage(place):
    place.put("r1")
    place.database.rows("DROP TABLE screenalytics.ingest_items")
    with pytest.raises(ConfigurationError):
        place.ingest()


def test_a_parameter_that_nothing_reads_is_refused_in_a_workflow(place, monkeypatch):
    monkeypatch.setenv("TELECINE_FORM_PARAMETERS", "bucket,prefix")
    given = [{"name": name} for name in ("bucket", "prefix", "prefixx")]
    monkeypatch.setenv("TELECINE_WORKFLOW_PARAMETERS", json.dumps(given))
    with pytest.raises(UsageError, match="prefixx"):
        place.ingest()


def test_a_thousand_persons(place):
    rows = [screentime_row(number, name=f"Ünï {number} \\N", cast_id=f"c{number}") for number in range(1, 1001)]
    place.put("r1", rows=rows, duration_ms=9_999_999)
    assert counted(place.ingest()) == {"ingested": 1, "persons": 1000}
    assert place.persons("r1", "name, cast_ids")[1] == ("Ünï 2 \\N", ["c2"])


def test_what_the_reader_takes_the_tables_take(place):
    longest = {
        "artifact_key": "ä" * 127,
        "artifact_kind": "k" * 200,
        "s3_key": "s3://elsewhere/x",
        "schema_version": "v",
    }
    numbers = {"size_bytes": 2**63 - 1, "row_count": 2**63 - 1, "content_type": "t" * 200, "checksum_sha256": None}
    rows = [
        screentime_row(1, person_id="\U0001f600" * 63, name="\\.", cast_id='{",\\N'),
        screentime_row(2, person_id="\\N", name="null", cast_id="c" * 200),
        screentime_row(3, person_id='a"b{},', name="\u202e \ufffd", speaking_s=0.0005),
    ]
    edges = {"started_at": "0001-01-01T00:00:00Z", "completed_at": "9999-12-31T23:59:59.999999Z"}
    numbers_of_run = {"attempt": 2**31 - 1, "duration_ms": 2**63 - 1}
    place.put("A" + "." * 127, ep_id="e" * 255, rows=rows, more=[{**longest, **numbers}], **edges, **numbers_of_run)
    assert counted(place.ingest()) == {"ingested": 1, "persons": 3}
    found = place.persons("A" + "." * 127, "person_id, name, cast_ids, speaking_ms")
    assert {(person, name) for person, name, *_ in found} == {(row["person_id"], row["name"]) for row in rows}
    assert {tuple(casts) for _, _, casts, _ in found} == {(row["cast_id"],) for row in rows}
    assert 1 in {speaking for *_, speaking in found}
    assert place.runs("attempt, duration_ms") == [(2**31 - 1, 2**63 - 1)]


def test_events_and_poll_at_once(place):
    for number in range(12):
        place.put(f"r{number:02}")
        place.tell(f"r{number:02}")
    reports: list[Any] = []
    both = [
        threading.Thread(target=lambda arrival=arrival: reports.append(place.ingest(arrival=arrival)))
        for arrival in ("events", "poll")
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sum(report.counts["ingested"] for report in reports) == 12
    assert [report.exit_code for report in reports] == [0, 0]
    assert {delivered for _, delivered, _ in place.events()} == {True}
    assert place.database.rows("SELECT count(*) FROM screenalytics.person_metrics") == [(36,)]


def test_a_run_in_a_folder(database, tmp_path: Path):
    for key, body in make_run("r1").items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    settings = IngestSettings(database_url=database.url, bucket=str(tmp_path), grace_min=0)
    report = ingest.run(settings, MemoryStageRun(stage="sync_screenalytics"))
    assert counted(report) == {"ingested": 1, "persons": 3}
    assert database.rows("SELECT source FROM screenalytics.runs") == [(f"file://{tmp_path}",)]


def test_an_event_that_repeats_one_that_fails_is_not_delivered_for_it(place):
    first = place.tell("r0")
    place.database.rows("UPDATE screenalytics.outbox_events SET delivery_attempts = 4")
    place.tell("r0")
    report = place.ingest(arrival="events")
    assert codes(report) == [("r0", "MANIFEST_MISSING")]
    assert sorted(place.events()) == [("r0", False, 0), ("r0", False, 5)]
    place.put("r0")
    place.ingest(arrival="events")
    assert sorted(place.events()) == [("r0", False, 5), ("r0", True, 0)]
    assert place.runs() == ["r0"]
    assert place.database.rows("SELECT event_id::text FROM screenalytics.outbox_events WHERE delivered_at IS NULL") == [
        (first,)
    ]

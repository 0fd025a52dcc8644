"""Replay retries runs and replaces changed ones, against a real database."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import event

from jobs.screenalytics.tables import ingest_items
from shared.database.connection import engine
from shared.errors import AccessDenied, UsageError
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import postgres, until  # noqa: F401
from tests.screenalytics_database import Place, codes, counted, place  # noqa: F401
from tests.screenalytics_runs import screentime_row

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


def kept(place: Place) -> list[tuple[Any, ...]]:
    return place.database.rows(
        "SELECT run_id, revision, replaced_by, run ->> 'pipeline_run_id', jsonb_array_length(artifacts),"
        " jsonb_path_query_array(person_metrics, '$[*].person_id')::text FROM screenalytics.replaced_runs"
        " ORDER BY run_id, revision"
    )


@pytest.mark.parametrize("case", ["case 49 accepted"])
def test_changed_content_is_taken_when_it_is_accepted_and_the_old_is_kept(place, case):
    place.put("r1")
    place.put("r2")
    place.ingest("ledger-1")
    other = place.persons("r2", "*")
    place.put("r1", rows=[screentime_row(1, visual_s=10.0, face_visible_seconds=10.0)], attempt=4)
    assert codes(place.ingest("ledger-2")) == [("r1", "MANIFEST_CHANGED")]
    report = place.replay("r1", accept_changed=True, run_id="ledger-3")
    assert (report.status, counted(report)) == ("success", {"replaced": 1, "persons": 1})
    assert place.persons("r1", "person_id, onscreen_ms, pipeline_run_id") == [("p_0001", 10_000, "ledger-3")]
    assert place.runs("run_id, revision, attempt, persons, pipeline_run_id") == [
        ("r1", 2, 4, 1, "ledger-3"),
        ("r2", 1, 3, 3, "ledger-1"),
    ]
    assert kept(place) == [("r1", 1, "ledger-3", "ledger-1", 1, '["p_0001", "p_0002", "p_0003"]')]
    assert place.persons("r2", "*") == other
    assert place.item("r1") == ("ingested", 0, None)
    assert counted(place.ingest()) == {"known": 2}


@pytest.mark.parametrize("case", ["case 50"])
def test_persons_that_are_gone_vanish_with_the_replacement(place, case):
    place.put("r1", persons=5)
    place.ingest()
    place.put("r1", persons=2)
    seen: list[Any] = []

    def look(connection: Any) -> None:
        seen.append([person for person, _ in place.persons("r1")])

    known = engine(place.database.settings())
    event.listen(known, "commit", look)
    place.replay("r1", accept_changed=True)
    event.remove(known, "commit", look)
    assert {len(persons) for persons in seen} == {5}
    assert [person for person, _ in place.persons("r1")] == ["p_0001", "p_0002"]
    place.put("r1", persons=0)
    assert counted(place.replay("r1", accept_changed=True)) == {"replaced": 1}
    assert (place.persons("r1"), place.runs("revision, persons")) == ([], [(3, 0)])
    assert [(run, revision) for run, revision, *_ in kept(place)] == [("r1", 1), ("r1", 2)]


@pytest.mark.parametrize("case", ["case 53 accepted"])
@pytest.mark.parametrize("statement", ["INSERT INTO screenalytics.replaced_runs", "DELETE FROM screenalytics.runs"])
def test_a_replacement_that_is_cut_short_leaves_the_old(place, monkeypatch, case, statement):
    monkeypatch.setattr(ingest_items, "_RETRY_S", 0.0)
    place.put("r1")
    place.ingest()
    before = place.everything()
    place.put("r1", persons=1)

    def kill(connection: Any, cursor: Any, text: str, *rest: Any) -> None:
        if statement in text:
            pid = connection.connection.driver_connection.info.backend_pid
            place.database.rows("SELECT pg_terminate_backend(%s)", pid)
            until(lambda: not place.database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

    known = engine(place.database.settings())
    event.listen(known, "after_cursor_execute", kill)
    report = place.replay("r1", accept_changed=True)
    assert (report.exit_code, report.status) == (75, "failed")
    assert place.everything() == before
    event.remove(known, "after_cursor_execute", kill)
    assert counted(place.replay("r1", accept_changed=True)) == {"replaced": 1, "persons": 1}


def test_the_same_content_accepted_again_is_a_no_op(place):
    place.put("r1")
    place.ingest()
    place.put("r1", persons=2)
    place.replay("r1", accept_changed=True)
    before = place.everything()
    assert counted(place.replay("r1", accept_changed=True)) == {"unchanged": 1}
    assert place.everything() == before


def test_two_that_accept_the_same_change_at_once_replace_once(place):
    place.put("r1")
    place.ingest()
    place.put("r1", persons=2)
    reports: list[Any] = []
    both = [threading.Thread(target=lambda: reports.append(place.replay("r1", accept_changed=True))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(next(iter(counted(report))) for report in reports) == ["replaced", "unchanged"]
    assert (place.runs("revision"), len(kept(place))) == ([2], 1)


def test_without_accept_changed_content_stays_in_quarantine(place):
    place.put("r1")
    place.ingest()
    before = place.everything()
    place.put("r1", persons=2)
    for _ in range(7):
        report = place.replay("r1")
        assert (report.exit_code, codes(report)) == (65, [("r1", "MANIFEST_CHANGED")])
        assert place.item("r1") == ("quarantined", 1, "MANIFEST_CHANGED")
    assert place.everything() == before


def test_what_is_not_sound_replaces_nothing(place):
    place.put("r1")
    place.ingest()
    before = place.everything()
    place.put("r1", artifact={"row_count": 7})
    assert codes(place.replay("r1", accept_changed=True)) == [("r1", "ROW_COUNT_MISMATCH")]
    place.put("r1", status="failed")
    assert codes(place.replay("r1", accept_changed=True)) == [("r1", "MANIFEST_CHANGED")]
    assert place.everything() == before


def test_a_run_that_was_set_aside_is_looked_at_again(place):
    place.put("r1", schema_version="9.9")
    assert place.ingest(max_attempts=1).exit_code == 65
    assert place.item("r1")[0] == "dead"
    again = place.replay("r1")
    assert (again.exit_code, codes(again)) == (65, [("r1", "UNSUPPORTED_VERSION")])
    assert place.item("r1") == ("rejected", 1, "UNSUPPORTED_VERSION")
    assert place.ingest().failures[0].attempt == 2
    place.put("r1")
    assert counted(place.replay("r1")) == {"ingested": 1, "persons": 3}
    outcomes = place.database.rows("SELECT arrival, outcome FROM screenalytics.ingest_attempts ORDER BY id")
    assert outcomes == [
        ("poll", "dead"),
        ("replay", "rejected"),
        ("poll", "rejected"),
        ("replay", "ingested"),
    ]


def test_all_that_wait_are_replayed_and_nothing_else(place):
    place.put("good")
    place.put("changed")
    place.put("bad", schema_version="9.9")
    place.put("running", status="running")
    place.put("failed", status="failed")
    place.ingest()
    place.put("changed", persons=1)
    place.ingest(max_attempts=1)
    place.put("bad")
    place.calls()
    report = place.replay(all=True)
    assert counted(report) == {"ingested": 1, "failed": 1, "persons": 3}
    assert codes(report) == [("changed", "MANIFEST_CHANGED")]
    assert {key.split("/")[2] for _, key in place.calls()} == {"bad", "changed"}
    assert counted(place.replay(all=True, accept_changed=True)) == {"replaced": 1, "persons": 1}
    assert counted(place.replay(all=True)) == {}


def test_a_run_that_nobody_told_of_is_found_by_its_name(place):
    place.put("r1")
    place.calls()
    assert counted(place.replay("r1")) == {"ingested": 1, "persons": 3}
    assert place.calls("list") == []


def test_a_run_that_is_not_there_is_named_and_leaves_nothing(place):
    report = place.replay("r9")
    assert (report.exit_code, codes(report)) == (65, [("r9", "MANIFEST_MISSING")])
    assert "derived/runs/r9/manifest.json" in report.failures[0].message
    assert place.item("r9") is None


def test_a_run_whose_source_is_gone_stays_and_says_so(place):
    place.put("r1")
    place.ingest()
    place.store.objects.clear()
    assert counted(place.replay("r1")) == {"skipped": 1}
    assert place.runs("status") == ["source_deleted"]


@pytest.mark.parametrize(
    ("values", "said"),
    [({}, "either a run"), ({"run": "r1", "all": True}, "either a run"), ({"run": "../r1"}, "is not a run id")],
)
def test_what_to_replay_must_be_said(place, values, said):
    with pytest.raises(UsageError, match=said):
        place.replay(**values)


def test_a_dry_run_replaces_nothing(place):
    place.put("r1")
    place.ingest()
    place.put("r1", persons=2)
    everything = ("runs", "artifacts", "person_metrics", "replaced_runs", "ingest_items", "ingest_attempts")
    before = place.everything(*everything)
    assert counted(place.replay("r1", accept_changed=True, dry_run=True)) == {"replaced": 1, "persons": 2}
    assert place.replay("r1", dry_run=True).exit_code == 65
    assert place.everything(*everything) == before


def test_refused_credentials_end_the_stage(place):
    place.store.fail("stat", AccessDenied("no"), times=float("inf"))
    with pytest.raises(AccessDenied):
        place.replay("r1")

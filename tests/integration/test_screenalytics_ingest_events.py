"""Ingest by events of the outbox, against a real database."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from jobs.screenalytics.steps import ingest
from shared.errors import AccessDenied, DatabaseUnreachable
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import postgres  # noqa: F401
from tests.screenalytics_database import codes, counted, place  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


@pytest.mark.parametrize("case", ["case 56"])
def test_events_that_come_twice_and_out_of_order(place, case):
    place.put("r1")
    old, new = "a" * 64, "b" * 64
    for payload in ("{}", "{}", json.dumps({"manifest_sha256": old})):
        place.tell("r1", payload=payload)
    report = place.ingest(arrival="events")
    assert (counted(report), report.exit_code) == ({"ingested": 1, "unchanged": 1, "events": 3, "persons": 3}, 0)
    assert {delivered for _, delivered, _ in place.events()} == {True}
    # An event that announces older content changes nothing once the newer content is in the tables.
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


def test_an_event_that_repeats_one_that_fails_is_not_delivered_for_it(place):
    place.tell("r0")
    place.database.rows("UPDATE screenalytics.outbox_events SET delivery_attempts = 4")
    place.tell("r0")
    report = place.ingest(arrival="events")
    assert codes(report) == [("r0", "MANIFEST_MISSING")]
    assert sorted(place.events()) == [("r0", False, 0), ("r0", False, 5)]
    place.put("r0")
    place.ingest(arrival="events")
    # Its run is in the tables, so the first one is delivered although it was set aside.
    assert sorted(place.events()) == [("r0", True, 0), ("r0", True, 5)]
    assert place.runs() == ["r0"]


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


def test_a_refused_manifest_of_an_event_does_not_keep_the_listing_from_its_runs(place):
    place.put("good")
    closed = place.put("closed")
    place.tell("closed")
    for action in ("stat", "stream"):
        place.store.fail(action, AccessDenied("no"), key=closed, times=float("inf"))
    report = place.ingest(arrival="both")
    assert (codes(report), report.exit_code, place.runs()) == ([("closed", "ACCESS_DENIED")], 65, ["good"])
    assert place.events() == [("closed", False, 1)]

"""Events that arrive before their objects or after their runs; each run counts once in a report."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.screenalytics.steps import ingest
from shared.errors import DatabaseUnreachable
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import postgres  # noqa: F401
from tests.screenalytics_database import codes, counted, place  # noqa: F401
from tests.screenalytics_runs import make_run, manifest_of

if TYPE_CHECKING:
    from tests.screenalytics_database import Place

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

KEY = "derived/runs/r1/manifest.json"


def digest(files: dict[str, bytes]) -> str:
    return hashlib.sha256(files[manifest_of(files)[0]]).hexdigest()


def tell(place: Place, files: dict[str, bytes]) -> None:
    place.tell("r1", payload=json.dumps({"manifest_sha256": digest(files)}))


def written(place: Place, ago: timedelta) -> None:
    """Set the time of the manifest."""
    body, _ = place.store.objects[KEY]
    place.store.objects[KEY] = body, datetime.now(UTC) - ago


def put(place: Place, files: dict[str, bytes], *, ago: timedelta = timedelta(seconds=10)) -> None:
    for key, body in files.items():
        place.store.set(key, body)
    written(place, ago)


EARLY = {
    "running": ({KEY: make_run("r1", status="running")[KEY]}, "RUN_RUNNING"),
    "half-written": ({KEY: make_run("r1")[KEY][:100]}, "MANIFEST_INCOMPLETE"),
    "empty": ({KEY: b""}, "MANIFEST_INCOMPLETE"),
    "an earlier version": (make_run("r1", attempt=1), "MANIFEST_OUTDATED"),
    "an earlier failure": ({KEY: make_run("r1", status="failed")[KEY]}, "MANIFEST_OUTDATED"),
}


@pytest.mark.parametrize("arrival", ["events", "both"])
@pytest.mark.parametrize(("early", "code"), EARLY.values(), ids=EARLY)
def test_an_event_that_precedes_its_manifest_waits_for_it(place, early, code, arrival):
    final = make_run("r1")
    put(place, early)
    tell(place, final)
    for _ in range(7):  # more often than max_attempts
        report = place.ingest(arrival=arrival, grace_min=15)
        assert (counted(report), report.counts["seen"], report.exit_code) == ({"deferred": 1, "events": 1}, 1, 0)
        assert place.events() == [("r1", False, 0)]
    assert place.item("r1") == ("deferred", 0, code)
    put(place, final)
    report = place.ingest(arrival=arrival, grace_min=15)
    assert (counted(report), report.exit_code) == ({"ingested": 1, "events": 1, "persons": 3}, 0)
    assert place.events() == [("r1", True, 0)]


def test_a_run_in_progress_beyond_the_grace_period_still_waits(place):
    put(place, {KEY: make_run("r1", status="running")[KEY]}, ago=timedelta(hours=3))
    tell(place, make_run("r1"))
    report = place.ingest(arrival="both", grace_min=15)
    assert (counted(report), report.exit_code) == ({"deferred": 1, "events": 1}, 0)


def test_after_the_grace_the_event_fails_the_run_counts_once_and_the_event_is_delivered_next(place):
    put(place, make_run("r1"), ago=timedelta(minutes=16))
    place.tell("r1", payload=json.dumps({"manifest_sha256": "c" * 64}))
    report = place.ingest(arrival="both", grace_min=15)
    assert (codes(report), report.exit_code) == ([("r1", "CHECKSUM_MISMATCH")], 65)
    assert report.counts["seen"] == 1
    assert report.headline == "1 run: 1 ingested; 1 event failed; 3 persons"
    assert place.ingest(arrival="both", grace_min=15).exit_code == 0
    assert place.events() == [("r1", True, 1)]


def test_a_known_run_whose_event_fails_counts_once(place):
    put(place, {KEY: make_run("r1", status="failed")[KEY]}, ago=timedelta(hours=1))
    place.ingest(grace_min=15)
    place.put("r2", status="running")
    place.tell("r1", payload=json.dumps({"manifest_sha256": "c" * 64}))
    report = place.ingest(arrival="both", grace_min=15)
    assert (codes(report), report.counts["seen"]) == ([("r1", "CHECKSUM_MISMATCH")], 2)
    assert report.headline == "2 runs: 1 deferred, 1 known; 1 event failed"


@pytest.mark.parametrize("how", ["poll", "replay", "the same ingest"])
def test_a_dead_event_is_delivered_once_its_run_is_in_the_tables(place, how):
    files = make_run("r1")
    artifact = next(key for key in files if key != KEY)
    body = place.put("r1") and files[artifact]
    place.store.delete(artifact)
    place.tell("r1")
    for _ in range(2):
        assert codes(place.ingest(arrival="events", max_attempts=2)) == [("r1", "ARTIFACT_MISSING")]
    assert place.ingest(arrival="both", max_attempts=2).exit_code == 0
    assert place.events() == [("r1", False, 2)]
    place.store.set(artifact, body)
    if how == "replay":
        assert place.replay("r1").counts["ingested"] == 1
    else:
        place.put("r1", attempt=4)  # its ETag changes, so a poll reads it
        if how == "poll":
            assert place.ingest(arrival="poll", max_attempts=2).counts["ingested"] == 1
    assert place.events() == [("r1", False, 2)]
    before = place.runs()
    dry = place.ingest(arrival="both", max_attempts=2, dry_run=True)
    assert (dry.exit_code, place.events()) == (0, [("r1", False, 2)])
    report = place.ingest(arrival="both", max_attempts=2)
    assert (report.exit_code, report.counts["events"]) == (0, 0)
    assert place.events() == [("r1", True, 2)]
    assert place.runs() == (before or ["r1"])
    ((error,),) = place.database.rows("SELECT last_error FROM screenalytics.outbox_events")
    assert error is None


def test_a_dead_event_is_delivered_if_its_run_was_skipped(place):
    place.tell("r1")
    for _ in range(2):
        place.ingest(arrival="events", max_attempts=2)
    place.put("r1", status="failed")
    assert place.ingest(arrival="both", max_attempts=2).counts["skipped"] == 1
    assert place.events() == [("r1", True, 2)]


def test_events_that_died_for_another_reason_are_left_alone(place):
    place.put("r1")
    place.put("r2", schema_version="9.9")
    for run_id, kind, payload in (
        ("r1", "unknown", "{}"),
        ("r1", "screenalytics.run.completed", "[]"),
        ("r2", "screenalytics.run.completed", "{}"),
        ("r3", "screenalytics.run.completed", "{}"),
    ):
        place.tell(run_id, event_type=kind, payload=payload)
    for _ in range(3):
        place.ingest(arrival="both", max_attempts=2)
    assert place.runs() == ["r1"]
    assert {delivered for _, delivered, _ in place.events()} == {False}


def test_an_event_that_announces_a_change_stays_dead_until_the_change_is_accepted(place):
    put(place, make_run("r1"), ago=timedelta(hours=1))
    place.ingest()
    changed = make_run("r1", persons=2)
    put(place, changed, ago=timedelta(hours=1))
    tell(place, changed)
    for _ in range(3):
        place.ingest(arrival="both", max_attempts=2)
    assert place.events() == [("r1", False, 2)]
    assert place.replay("r1", accept_changed=True).counts["replaced"] == 1
    place.ingest(arrival="both", max_attempts=2)
    assert place.events() == [("r1", True, 2)]


def test_an_outbox_that_goes_away_before_dead_events_are_delivered_fails_nothing(place, monkeypatch):
    place.tell("r1")
    for _ in range(2):
        place.ingest(arrival="events", max_attempts=2)
    place.put("r1")

    def lost(*_: Any) -> None:
        raise DatabaseUnreachable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(ingest, "acknowledge", lost)
        report = place.ingest(arrival="both", max_attempts=2)
    assert (report.exit_code, place.runs(), place.events()) == (0, ["r1"], [("r1", False, 2)])
    place.ingest(arrival="both", max_attempts=2)
    assert place.events() == [("r1", True, 2)]

"""Events of the outbox and the listing, against a real database."""

from __future__ import annotations

import json
import uuid

import pytest

from jobs.screenalytics.arrival import poll as poll_module
from jobs.screenalytics.arrival.events import BadEvent, Candidate
from jobs.screenalytics.arrival.outbox import acknowledge, fail_event, outbox
from jobs.screenalytics.arrival.poll import poll
from jobs.screenalytics.settings import IngestSettings
from shared.outbox import table as table_module
from tests.emptied_database import database
from tests.fakes.store import MemoryStore
from tests.postgres_server import postgres

__all__ = ["database", "postgres"]

pytestmark = pytest.mark.xdist_group("postgres")

SHA = "ab" * 32


class Outbox:
    """Inserts events as a producer does."""

    def __init__(self, database, table="screenalytics.outbox_events"):
        self.database = database
        self.table = table

    def put(self, run_id="run-1", payload=None, *, kind="screenalytics.run.completed", at=None, attempts=0):
        event_id = str(uuid.uuid4())
        self.database.rows(
            f"INSERT INTO {self.table} (event_id, event_type, aggregate_id, payload_json, created_at,"
            " delivery_attempts) VALUES (%s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()), %s)",
            event_id,
            kind,
            run_id,
            payload if isinstance(payload, str) else json.dumps({} if payload is None else payload),
            at,
            attempts,
        )
        return event_id

    def row(self, event_id):
        (row,) = self.database.rows(
            f"SELECT delivered_at IS NOT NULL, delivery_attempts, last_error FROM {self.table} WHERE event_id = %s",
            event_id,
        )
        return row


@pytest.fixture
def box(database):
    return Outbox(database)


def _settings(database, **changes):
    return IngestSettings(database_url=database.url, bucket="s3://runs-of-tests", **changes)


def _only(settings):
    (found,) = outbox(settings)
    return found


def test_an_event_names_the_manifest_of_its_run(database, box):
    settings = _settings(database)
    key = "derived/runs/run-1/manifest.json"
    for payload in ({}, {"manifest_key": key, "manifest_sha256": SHA.upper(), "schema_version": "1.0", "more": [1]}):
        event_id = box.put(payload=payload)
        found = _only(settings)
        assert isinstance(found, Candidate)
        assert (found.ref.run_id, found.ref.key, found.ref.etag, found.arrival) == ("run-1", key, None, "event")
        assert found.expected_sha256 == (SHA if payload else None)
        assert found.event.event_id == event_id
        acknowledge(settings, found.event)
        acknowledge(settings, found.event)
        assert box.row(event_id) == (True, 0, None)
        assert list(outbox(settings)) == []


def test_case_56_events_come_oldest_first_and_page_by_page(database, box, monkeypatch):
    monkeypatch.setattr(table_module, "_PAGE", 3)
    times = ["2026-01-01T00:00:02Z", "2026-01-01T00:00:01Z", "infinity", "-infinity", "0044-03-15 BC", "20000-01-01"]
    for number, at in enumerate(times):
        box.put(f"run-{number}", at=at)
    # Three pages of events with the same created_at: only their ids differ.
    for number in range(8):
        box.put(f"same-{number}", at="2026-01-01T00:00:01.5Z")
    runs = [found.ref.run_id for found in outbox(_settings(database))]
    assert runs[:3] == ["run-3", "run-4", "run-1"]
    assert sorted(runs[3:11]) == [f"same-{number}" for number in range(8)]
    assert runs[11:] == ["run-0", "run-5", "run-2"]


BAD = {
    "case 58: unknown type": ({"kind": "screenalytics.run.purged"}, "UNKNOWN_EVENT"),
    "list": ({"payload": "[1]"}, "EVENT_INVALID"),
    "null": ({"payload": "null"}, "EVENT_INVALID"),
    "text": ({"payload": '"{}"'}, "EVENT_INVALID"),
    "1 MB": ({"payload": {"x": "y" * (1 << 20)}}, "EVENT_INVALID"),
    "5000 digits": ({"payload": '{"x": ' + "9" * 5000 + "}"}, "EVENT_INVALID"),
    "nested": ({"payload": '{"x": ' + "[" * 5000 + "]" * 5000 + "}"}, "EVENT_INVALID"),
    "no run_id": ({"run_id": "../x"}, "EVENT_INVALID"),
    "empty run_id": ({"run_id": ""}, "EVENT_INVALID"),
    "key is a number": ({"payload": {"manifest_key": 7}}, "EVENT_INVALID"),
    "digest": ({"payload": {"manifest_sha256": "abc"}}, "EVENT_INVALID"),
    "digest is a number": ({"payload": {"manifest_sha256": 1}}, "EVENT_INVALID"),
    "other run": ({"payload": {"manifest_key": "derived/runs/run-2/manifest.json"}}, "ID_MISMATCH"),
    "other prefix": ({"payload": {"manifest_key": "other/runs/run-1/manifest.json"}}, "KEY_ESCAPE"),
    "longer prefix": ({"payload": {"manifest_key": "derived/runs/run-1x/../run-1/manifest.json"}}, "KEY_ESCAPE"),
    "nested manifest": ({"payload": {"manifest_key": "derived/runs/run-1/a/manifest.json"}}, "KEY_ESCAPE"),
    "metadata service": ({"payload": {"manifest_key": "http://169.254.169.254/latest"}}, "KEY_ESCAPE"),
    "encoded": ({"payload": {"manifest_key": "derived/runs/%2e%2e/manifest.json"}}, "KEY_ESCAPE"),
}


def test_bad_events_are_counted_until_they_are_set_aside_and_the_next_proceed(database, box):
    settings = _settings(database, max_attempts=2)
    names = {box.put(**given): name for name, (given, _) in BAD.items()}
    box.put("good")
    for attempt in (1, 2):
        *bad, good = outbox(settings)
        assert all(isinstance(each, BadEvent) for each in bad)
        assert {names[each.event.event_id]: each.error.code for each in bad} == {
            name: code for name, (_, code) in BAD.items()
        }
        assert good.ref.run_id == "good"
        assert {each.event.attempts for each in bad} == {attempt - 1}
        assert {fail_event(settings, each.event, each.error) for each in bad} == {attempt == 2}
    for event_id, name in names.items():
        delivered, attempts, said = box.row(event_id)
        assert (delivered, attempts) == (False, 2)
        assert said.startswith(f"{BAD[name][1]}: ")
        assert event_id in said
        assert len(said) <= 1000
    assert _only(settings).ref.run_id == "good", "the others are left alone"
    assert [found.ref.run_id for found in outbox(settings)] == ["good"]


def test_poll_asks_in_batches_and_reads_nothing(monkeypatch):
    monkeypatch.setattr(poll_module, "_BATCH", 4)
    names = [f"run-{number:02}" for number in range(10)]
    objects = {f"derived/runs/{name}/{file}": b"x" for name in names for file in ("manifest.json", "a/manifest.json")}
    objects |= {"derived/runs/.hidden/manifest.json": b"x", "derived/runsx/run/manifest.json": b"x"}
    store = MemoryStore(objects)
    asked = []

    def known(refs):
        asked.append(len(refs))
        return {ref.key for ref in refs if ref.run_id in ("run-01", "run-09")}

    settings = IngestSettings(bucket="s3://runs-of-tests")
    found = list(poll(settings, store, known))
    assert [each.ref.run_id for each in found] == [name for name in names if name not in ("run-01", "run-09")]
    assert all(each.arrival == "poll" and each.ref.etag and each.ref.modified and not each.event for each in found)
    assert asked == [4, 4, 2]
    assert store.calls == [("list", "derived/runs/")]

"""A producer's own outbox: NULL in any column, other types, missing rights."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from jobs.screenalytics.arrival.outbox import fail_event, outbox
from jobs.screenalytics.errors import reject
from shared.errors import ConfigurationError
from shared.outbox import table as table_module
from tests.postgres_server import database, empty_database, postgres  # noqa: F401
from tests.screenalytics_database import codes, counted, place  # noqa: F401

if TYPE_CHECKING:
    from shared.report import Report
    from tests.postgres_server import Database
    from tests.screenalytics_database import Place

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

COMPLETED = "screenalytics.run.completed"


class Theirs:
    """A table with the required columns, none of them NOT NULL."""

    def __init__(self, database: Database, place: Place) -> None:
        self.database = database
        self.place = place
        database.rows("CREATE SCHEMA producer")
        database.rows(
            "CREATE TABLE producer.events (event_id uuid, event_type text, aggregate_id text, payload_json jsonb,"
            " created_at timestamptz, delivered_at timestamptz, delivery_attempts integer, last_error text)"
        )

    def put(self, **columns: Any) -> None:
        row = {
            "event_id": str(uuid.uuid4()),
            "event_type": COMPLETED,
            "aggregate_id": "r1",
            "payload_json": "{}",
            "created_at": "2026-01-01T00:00:00Z",
            "delivery_attempts": 0,
            **columns,
        }
        marks = ", ".join(["%s"] * len(row))
        self.database.rows(f"INSERT INTO producer.events ({', '.join(row)}) VALUES ({marks})", *row.values())

    def rows(self, columns: str = "delivered_at IS NOT NULL, delivery_attempts") -> list[tuple[Any, ...]]:
        return self.database.rows(f"SELECT {columns} FROM producer.events ORDER BY aggregate_id, event_id")

    def settings(self, **values: Any) -> dict[str, Any]:
        return {"outbox_url": self.database.url, "outbox_table": "producer.events", **values}

    def ingest(self, **values: Any) -> Report:
        return self.place.ingest(**self.settings(arrival="both", **values))


@pytest.fixture
def theirs(empty_database: Database, place: Place) -> Theirs:
    return Theirs(empty_database, place)


@pytest.mark.parametrize("column", ["event_type", "aggregate_id", "payload_json"])
def test_a_null_in_a_required_column_fails_only_that_event(theirs, place, column):
    for run_id in ("r1", "r2", "polled"):
        place.put(run_id)
    theirs.put(**{"aggregate_id": "r1", column: None})
    theirs.put(aggregate_id="r2", created_at="2026-01-02T00:00:00Z")
    first = theirs.ingest(max_attempts=2)
    assert [code for _, code in codes(first)] == ["EVENT_INVALID"]
    assert f"has no {column}; expected" in first.failures[0].message
    assert (first.exit_code, place.runs()) == (65, ["polled", "r1", "r2"])
    assert "set aside" in theirs.ingest(max_attempts=2).failures[0].message
    assert theirs.ingest(max_attempts=2).exit_code == 0
    assert sorted(theirs.rows()) == [(False, 2), (True, 0)]


def test_an_event_without_an_id_is_an_error_until_its_row_is_completed_or_deleted(theirs, place):
    place.put("r1")
    theirs.put(event_id=None)
    theirs.put(event_id=None, event_type=None, aggregate_id=None, payload_json=None, created_at=None)
    for _ in range(3):
        report = theirs.ingest(max_attempts=2)
        assert codes(report) == [("an event of run 'r1'", "EVENT_INVALID"), ("an event of run 'None'", "EVENT_INVALID")]
        assert all("has no event_id; expected" in failure.message for failure in report.failures)
        assert all("the next ingest retries it" in failure.message for failure in report.failures)
    assert place.runs() == ["r1"]
    theirs.database.rows("DELETE FROM producer.events WHERE event_type IS NULL")
    theirs.database.rows("UPDATE producer.events SET event_id = gen_random_uuid()")
    assert theirs.ingest().exit_code == 0
    assert theirs.rows() == [(True, 0)]


def test_an_event_without_attempts_has_had_none(theirs, place):
    theirs.put(delivery_attempts=None)
    for attempt in (1, 2):
        report = theirs.ingest(max_attempts=3)
        assert (counted(report), theirs.rows()) == ({"deferred": 1, "events": 1}, [(False, attempt)])
    place.put("r1")
    assert theirs.ingest(max_attempts=3).counts["ingested"] == 1
    assert theirs.rows() == [(True, 2)]


def test_events_without_a_time_count_as_old_and_are_all_read(theirs, place, monkeypatch):
    monkeypatch.setattr(table_module, "_PAGE", 3)
    for number in range(3):
        theirs.put(aggregate_id=f"none-{number}", created_at=None)
    for number in range(7):
        theirs.put(aggregate_id=f"some-{number}", created_at=f"2026-01-01T00:00:0{number}Z")
    found = [each.ref.run_id for each in outbox(place.settings(**theirs.settings()))]
    assert sorted(found[:3]) == ["none-0", "none-1", "none-2"]
    assert found[3:] == [f"some-{number}" for number in range(7)]


def test_columns_of_other_types_are_read_as_text(empty_database, place):
    run_id = str(uuid.uuid4())
    place.put(run_id)
    empty_database.rows("CREATE TYPE kind AS ENUM ('screenalytics.run.completed', 'screenalytics.run.failed')")
    empty_database.rows(
        "CREATE TABLE public.events (event_id uuid PRIMARY KEY, event_type kind, aggregate_id uuid, payload_json json,"
        " created_at timestamptz DEFAULT now(), delivered_at timestamptz, delivery_attempts bigint, last_error"
        " varchar(2000))"
    )
    for kind in (COMPLETED, "screenalytics.run.failed"):
        empty_database.rows(
            "INSERT INTO public.events (event_id, event_type, aggregate_id, payload_json) VALUES"
            " (gen_random_uuid(), %s, %s, %s)",
            *(kind, run_id, json.dumps({"manifest_key": f"derived/runs/{run_id}/manifest.json"})),
        )
    report = place.ingest(arrival="both", outbox_url=empty_database.url, outbox_table="public.events")
    assert ([code for _, code in codes(report)], place.runs()) == (["UNKNOWN_EVENT"], [run_id])


def test_two_ingests_that_read_the_same_event_count_its_failure_once(theirs, place):
    theirs.put(delivery_attempts=4)
    settings = place.settings(**theirs.settings())
    (first,), (second,) = list(outbox(settings)), list(outbox(settings))
    error = reject("MANIFEST_NOT_YET", "not yet")
    assert [fail_event(settings, each.event, error) for each in (first, second)] == [True, True]
    assert theirs.rows() == [(False, 5)]


def test_an_outbox_without_update_rights_says_what_to_grant_and_where(theirs, place):
    place.put("r1")
    theirs.put()
    theirs.database.rows("CREATE ROLE reads_only LOGIN PASSWORD 'reads_only'")
    theirs.database.rows("GRANT USAGE ON SCHEMA producer TO reads_only")
    theirs.database.rows("GRANT SELECT ON producer.events TO reads_only")
    try:
        url = theirs.database.as_role("reads_only", "reads_only")
        with pytest.raises(ConfigurationError) as caught:
            place.ingest(arrival="both", outbox_url=url, outbox_table="producer.events")
    finally:
        theirs.database.rows("DROP OWNED BY reads_only")
        theirs.database.rows("DROP ROLE reads_only")
    assert caught.value.message == (
        "the outbox producer.events: the database role lacks a right: permission denied for table events; expected"
        " SELECT and UPDATE on it; run in its database: GRANT SELECT, UPDATE ON producer.events TO the role of the"
        " outbox's URL"
    )
    assert caught.value.exit_code == 78

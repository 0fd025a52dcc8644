"""The outbox that pipelines share: paging, delivery, failures and events set aside, against a real database."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError, DataError, TelecineError
from shared.outbox import table as table_module
from shared.outbox.events import Event
from shared.outbox.table import Outbox
from shared.settings import StepSettings
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import empty_database, postgres  # noqa: F401

if TYPE_CHECKING:
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# The own tables of two pipelines, and the word and variable that each uses in messages.
OWN = {
    "screenalytics": ("screenalytics.outbox_events", "TELECINE_SCREENALYTICS_OUTBOX_URL", "run"),
    "viewership": ("viewership.outbox_events", "TELECINE_VIEWERSHIP_OUTBOX_URL", "upload"),
}
NOT_YET = DataError("not yet", code="NOT_YET")


@pytest.fixture(params=sorted(OWN))
def own(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    return OWN[request.param]


def outbox(database: Database | StepSettings, own: tuple[str, str, str], **values: Any) -> Outbox:
    table, variable, subject = own
    settings = database if isinstance(database, StepSettings) else database.settings()
    known = {"table": table, "url": None, "max_attempts": 5}
    return Outbox(settings, own_table=table, variable=variable, subject=subject, **{**known, **values})


def put(database: Database, table: str, name: str = "one", payload: str = "{}") -> str:
    event_id = str(uuid.uuid4())
    database.rows(
        f"INSERT INTO {table} (event_id, event_type, aggregate_id, payload_json, created_at)"
        " VALUES (%s, 'a.type', %s, %s, clock_timestamp())",
        *(event_id, name, payload),
    )
    return event_id


def row(database: Database, table: str, event_id: str) -> tuple[Any, ...]:
    (found,) = database.rows(
        f"SELECT delivered_at IS NOT NULL, delivery_attempts, last_error FROM {table} WHERE event_id = %s", event_id
    )
    return found


def names(box: Outbox) -> list[str | None]:
    return [each.event.aggregate_id for each in box.pending()]


def test_events_come_page_by_page_and_what_fails_meanwhile_does_not_come_again(database, own, monkeypatch):
    monkeypatch.setattr(table_module, "_PAGE", 2)
    ids = [put(database, own[0], f"n{number}") for number in range(5)]
    box = outbox(database, own)
    seen = []
    for each in box.pending():
        seen.append(each.event.event_id)
        box.fail(each.event, NOT_YET)
    assert seen == ids
    assert [(each.event.attempts, each.event.subject) for each in box.pending()] == [(1, own[2])] * 5


def test_an_event_that_failed_often_enough_is_dead_until_it_is_acknowledged(database, own, monkeypatch):
    monkeypatch.setattr(table_module, "_PAGE", 2)
    ids = [put(database, own[0], f"n{number}") for number in range(3)]
    box = outbox(database, own, max_attempts=2)
    for aside in (False, True):
        assert [box.fail(each.event, NOT_YET) for each in box.pending()] == [aside] * 3
    assert names(box) == []
    assert [[each.event.event_id for each in page] for page in box.dead()] == [ids[:2], ids[2:]]
    for page in box.dead():
        for each in page:
            box.acknowledge(each.event)
    assert list(box.dead()) == [[]]
    assert [row(database, own[0], each) for each in ids] == [(True, 2, None)] * 3


def test_an_acknowledged_event_is_not_failed_afterwards(database, own):
    box = outbox(database, own, max_attempts=1)
    event_id = put(database, own[0])
    (found,) = box.pending()
    box.acknowledge(found.event)
    box.acknowledge(found.event)
    assert box.fail(found.event, NOT_YET) is False
    assert row(database, own[0], event_id) == (True, 0, None)


def test_secrets_and_nul_of_an_error_are_not_kept(database, own):
    box = outbox(database, own)
    event_id = put(database, own[0])
    (found,) = box.pending()
    box.fail(found.event, DataError("see postgresql://user:hunter2@host/db \0 \ud800" + "x" * 2000, code="BAD"))
    said = row(database, own[0], event_id)[2]
    assert said.startswith("BAD: see ")
    assert "hunter2" not in said
    assert len(said) <= 1000


def test_a_large_payload_is_not_fetched(database, own):
    put(database, own[0], payload=json.dumps({"x": "y" * (1 << 20)}))
    (found,) = outbox(database, own).pending()
    assert (found.text, found.too_large) == (None, True)


def test_another_table_in_another_database(database, empty_database, own):
    empty_database.rows("CREATE SCHEMA producer")
    empty_database.rows(
        'CREATE TABLE producer."order" (event_id uuid PRIMARY KEY, event_type text, aggregate_id text, payload_json'
        " jsonb, created_at timestamptz DEFAULT now(), delivered_at timestamptz, delivery_attempts int DEFAULT 0,"
        " last_error text)"
    )
    event_id = put(empty_database, 'producer."order"', "theirs")
    put(database, own[0], "ours")
    box = outbox(database, own, url=SecretStr(empty_database.url), table="producer.order")
    (found,) = box.pending()
    assert found.event.aggregate_id == "theirs"
    box.acknowledge(found.event)
    assert row(empty_database, 'producer."order"', event_id) == (True, 0, None)


def test_a_table_that_is_not_there_is_named_with_what_it_needs(database, own):
    box = outbox(database, own, table="producer.events")
    message = rf"payload_json jsonb.*--outbox-table and {own[1]}.*--arrival poll"
    with pytest.raises(ConfigurationError, match=message) as caught:
        names(box)
    assert caught.value.code == "outbox_missing"
    database.rows(f"ALTER TABLE {own[0]} DROP COLUMN last_error")
    with pytest.raises(ConfigurationError, match="last_error"):
        outbox(database, own).fail(Event(str(uuid.uuid4()), "x", "y", {}, 0), NOT_YET)


@pytest.mark.parametrize(
    ("url", "said", "code"),
    [
        ("postgresql://user:hunter2@127.0.0.1:1/outbox", "127.0.0.1:1 does not answer", 75),
        ("mysql://user:hunter2@host/outbox", "the database URL is not valid", 78),
    ],
)
def test_an_outbox_that_cannot_be_reached_is_named_as_such(own, url, said, code):
    with pytest.raises(TelecineError, match=said) as caught:
        names(outbox(StepSettings(), own, url=SecretStr(url)))
    assert caught.value.exit_code == code
    assert caught.value.message.startswith("the outbox: ")
    assert "TELECINE_DATABASE_URL" not in caught.value.message
    assert "hunter2" not in caught.value.message

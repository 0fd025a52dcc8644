"""Ingest and verify over S3: requests, races, refused access and throttling."""

from __future__ import annotations

import json
import uuid

import pytest

from jobs.screenalytics.reading.source import open_source
from jobs.screenalytics.settings import IngestSettings, ReplaySettings, VerifySettings
from jobs.screenalytics.steps import ingest, replay, verify
from shared.errors import AccessDenied, ConfigurationError, UsageError
from shared.storage import _s3_client, close_stores
from tests.emptied_database import database
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.s3_faults import error
from tests.fakes.s3_proxy import S3Proxy
from tests.postgres_server import postgres
from tests.s3_server import s3_process, s3_server
from tests.screenalytics_bucket import BUCKET, ProxiedBucket
from tests.screenalytics_runs import make_run

__all__ = ["database", "postgres", "s3_process", "s3_server"]

pytestmark = pytest.mark.xdist_group("s3")


class Place(ProxiedBucket):
    """A bucket behind a proxy, and a database."""

    def delete(self, run_id):
        self.server.client.delete_object(Bucket=BUCKET, Key=f"derived/runs/{run_id}/manifest.json")

    def tell(self, run_id, payload=None, kind="screenalytics.run.completed"):
        event_id = str(uuid.uuid4())
        self.database.rows(
            "INSERT INTO screenalytics.outbox_events (event_id, event_type, aggregate_id, payload_json)"
            " VALUES (%s, %s, %s, %s)",
            event_id,
            kind,
            run_id,
            json.dumps(payload or {}),
        )
        return event_id

    def event(self, event_id):
        (row,) = self.database.rows(
            "SELECT delivered_at IS NOT NULL, delivery_attempts FROM screenalytics.outbox_events WHERE event_id = %s",
            event_id,
        )
        return row

    def runs(self):
        return dict(self.database.rows("SELECT run_id, status FROM screenalytics.runs"))

    def persons(self, run_id):
        return len(self.database.rows("SELECT 1 FROM screenalytics.person_metrics WHERE run_id = %s", run_id))

    def items(self):
        return dict(self.database.rows("SELECT run_id, state FROM screenalytics.ingest_items"))

    def asked(self):
        """Return the requests to S3 since the last call: LIST, or method and key."""
        seen = [
            "LIST" if "list-type=2" in each.path else f"{each.method} {each.path.partition('/derived/runs/')[2]}"
            for each in self.proxy.requests
        ]
        self.proxy.requests.clear()
        return seen


@pytest.fixture
def place(s3_server, database, monkeypatch):
    monkeypatch.setattr(_s3_client, "pause", lambda _seconds, _stop: None)
    with S3Proxy(s3_server.endpoint_url) as proxy:
        yield Place(s3_server, proxy, database)
        close_stores()


def _gets(name):
    return lambda seen: seen.method == "GET" and name in seen.path and "list-type" not in seen.path


def _lists(seen):
    return "list-type=2" in seen.path


def _codes(report):
    return {failure.item: failure.code for failure in report.failures}


def test_an_event_is_ingested_without_a_listing(place):
    place.put("run-1", "run-2")
    event_id = place.tell("run-1", {"manifest_key": "derived/runs/run-1/manifest.json", "schema_version": "1.0"})
    report = place.ingest(arrival="events")
    assert (report.counts["ingested"], report.counts["events"], report.exit_code) == (1, 1, 0)
    assert place.event(event_id) == (True, 0)
    assert place.asked() == [
        "HEAD run-1/manifest.json",
        "GET run-1/manifest.json",
        "GET run-1/analytics/screentime.json",
    ]
    assert place.runs() == {"run-1": "ingested"}
    assert place.persons("run-1") == 3


def test_case_56_what_events_told_of_is_not_polled_again_and_duplicates_are_acknowledged(place):
    place.put("run-1", "run-2")
    events = [place.tell("run-1") for _ in range(3)]
    report = place.ingest()
    assert (report.counts["ingested"], report.counts["events"], report.exit_code) == (2, 3, 0)
    assert [place.event(each) for each in events] == [(True, 0)] * 3
    asked = place.asked()
    assert asked.count("GET run-1/manifest.json") == asked.count("GET run-2/manifest.json") == 1
    assert asked.count("LIST") == 1
    before = place.database.rows("SELECT xmin::text, t::text FROM screenalytics.runs t ORDER BY 2")
    late = place.tell("run-1")
    report = place.ingest()
    assert (report.counts["unchanged"], report.counts["known"]) == (1, 1)
    assert place.event(late) == (True, 0)
    assert place.database.rows("SELECT xmin::text, t::text FROM screenalytics.runs t ORDER BY 2") == before


def test_case_63_known_runs_beyond_one_page_cost_a_listing_and_no_get(place):
    count = 1_050
    keys = [f"derived/runs/run-{number:04}/manifest.json" for number in range(count)]
    place.server.fill(BUCKET, dict.fromkeys(keys, b"{}"))
    etag = place.server.client.head_object(Bucket=BUCKET, Key=keys[0])["ETag"].strip('"')
    place.database.rows(
        "INSERT INTO screenalytics.ingest_items (source, manifest_key, run_id, state, etag, pipeline_run_id)"
        " SELECT %s, key, split_part(key, '/', 3), 'ingested', %s, 'x' FROM unnest(%s::text[]) key",
        f"s3://{BUCKET}",
        etag,
        keys[:-1],
    )
    place.put("run-1049")
    place.asked()
    report = place.ingest(arrival="poll")
    assert (report.counts["known"], report.counts["ingested"], report.exit_code) == (count - 1, 1, 0)
    assert place.asked() == ["LIST", "LIST", "GET run-1049/manifest.json", "GET run-1049/analytics/screentime.json"]


def test_case_51_a_manifest_that_is_replaced_after_the_listing_is_read_as_it_is_then(place):
    place.put("run-1", persons=5)
    place.proxy.rule(_gets("run-1/manifest"), hook=lambda _: place.put("run-1", persons=2), times=1)
    report = place.ingest()
    assert (report.counts["ingested"], report.exit_code) == (1, 0)
    assert place.persons("run-1") == 2
    (etag,) = place.database.rows("SELECT manifest_etag FROM screenalytics.runs")[0]
    head = place.server.client.head_object(Bucket=BUCKET, Key="derived/runs/run-1/manifest.json")
    assert etag == head["ETag"].strip('"')
    assert place.ingest().counts["known"] == 1


def test_case_51_a_manifest_that_is_replaced_at_every_read_is_tried_again_later(place):
    place.put("run-1", "run-2")
    number = iter(range(4, 100))
    place.proxy.rule(
        lambda seen: _gets("run-1/manifest")(seen) and "if-match" in seen.headers,
        hook=lambda _: place.put("run-1", persons=next(number)),
    )
    report = place.ingest()
    assert (_codes(report), report.exit_code) == ({"run-1": "object_changed"}, 75)
    assert place.runs() == {"run-2": "ingested"}
    place.proxy.clear()
    assert place.ingest().counts["ingested"] == 1


def test_case_18_51_an_artifact_that_is_replaced_in_mid_read_is_read_once_more(place):
    good = make_run("run-1")
    artifact = "derived/runs/run-1/analytics/screentime.json"
    place.server.fill(BUCKET, {**good, artifact: good[artifact].replace(b"Person 1", b"Person 7")})
    place.proxy.rule(_gets("screentime"), cut=100, times=1)
    place.proxy.rule(_gets("screentime"), hook=lambda _: place.server.fill(BUCKET, good), times=1)
    report = place.ingest()
    assert (report.counts["ingested"], report.exit_code) == (1, 0)
    names = place.database.rows("SELECT name FROM screenalytics.person_metrics ORDER BY 1")
    assert [name for (name,) in names] == ["Person 1", "Person 2", "Person 3"]


def test_case_59_a_run_that_is_deleted_while_it_is_read_leaves_no_row(place):
    place.put("before", "during", "sound")
    place.proxy.rule(_gets("before/manifest"), hook=lambda _: place.delete("before"), times=1)
    place.proxy.rule(
        _gets("during/analytics"),
        error(404, "NoSuchKey"),
        hook=lambda _: place.delete("during"),
    )
    report = place.ingest()
    assert set(_codes(report).values()) <= {"SOURCE_DELETED"}
    assert place.runs() == {"sound": "ingested"}
    assert place.ingest().exit_code == 0


def test_case_59_an_event_of_an_ingested_run_whose_manifest_is_gone_marks_it(place):
    place.put("run-1")
    place.ingest()
    place.delete("run-1")
    event_id = place.tell("run-1")
    report = place.ingest()
    assert report.exit_code == 0
    assert place.event(event_id) == (True, 0)
    assert place.runs() == {"run-1": "source_deleted"}
    assert place.persons("run-1") == 3
    # The same content has the same ETag here: the marked run must still be read again.
    place.put("run-1")
    report = place.ingest()
    assert (report.counts["unchanged"], report.exit_code) == (1, 0)
    assert place.runs() == {"run-1": "ingested"}
    assert place.ingest().counts["known"] == 1


def test_case_57_an_event_before_its_manifest_waits_and_is_set_aside_at_last(place):
    early, lost = place.tell("early"), place.tell("lost")
    report = place.ingest(max_attempts=3)
    assert (report.counts["deferred"], report.exit_code) == (2, 0)
    assert place.event(early) == (False, 1)
    place.put("early")
    assert place.ingest(max_attempts=3).counts["ingested"] == 1
    assert place.event(early) == (True, 1)
    report = place.ingest(max_attempts=3)
    assert (_codes(report), report.exit_code) == ({"lost": "MANIFEST_MISSING"}, 65)
    assert place.event(lost) == (False, 3)
    assert place.ingest(max_attempts=3).exit_code == 0


def test_case_58_a_poison_event_does_not_hold_up_the_next(place):
    place.put("run-1")
    poison = [place.tell("run-1", kind="unheard.of"), place.tell("../x"), place.tell("run-1", {"manifest_key": "x"})]
    good = place.tell("run-1")
    report = place.ingest(max_attempts=2, arrival="events")
    assert sorted(report.rejects) == ["EVENT_INVALID", "KEY_ESCAPE", "UNKNOWN_EVENT"]
    assert (report.counts["ingested"], report.exit_code) == (1, 65)
    assert place.event(good) == (True, 0)
    place.ingest(max_attempts=2, arrival="events")
    assert [place.event(each) for each in poison] == [(False, 2)] * 3
    place.asked()
    assert place.ingest(max_attempts=2, arrival="events").exit_code == 0
    assert place.asked() == []


def test_case_55_what_was_committed_but_not_acknowledged_is_no_news(place, monkeypatch):
    place.put("run-1")
    event_id = place.tell("run-1")

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "acknowledge", die)
        with pytest.raises(Killed):
            place.ingest()
    assert place.event(event_id) == (False, 0)
    before = place.database.rows("SELECT xmin::text, t::text FROM screenalytics.person_metrics t ORDER BY 2")
    assert len(before) == 3
    report = place.ingest()
    assert (report.counts["unchanged"], report.exit_code) == (1, 0)
    assert place.event(event_id) == (True, 0)
    assert place.database.rows("SELECT xmin::text, t::text FROM screenalytics.person_metrics t ORDER BY 2") == before


def test_case_63_throttling_beyond_all_retries_fails_that_run_for_now(place):
    place.put("run-1", "run-2", "run-3")
    place.proxy.rule(_gets("run-2/analytics"), error(503, "SlowDown"))
    report = place.ingest()
    assert (_codes(report), report.exit_code) == ({"run-2": "store_unavailable"}, 75)
    assert place.runs() == {"run-1": "ingested", "run-3": "ingested"}
    assert "run-2" not in place.items()
    place.proxy.clear()
    place.proxy.rule(_gets("run-2/"), error(503, "SlowDown"), times=1)
    report = place.ingest()
    assert (report.counts["ingested"], report.exit_code) == (1, 0)


@pytest.mark.parametrize("what", [_lists, _gets("/manifest.json")], ids=["listing", "first manifest"])
@pytest.mark.parametrize("code", ["ExpiredToken", "AccessDenied"])
def test_case_63_credentials_that_are_refused_are_one_error(place, what, code):
    place.put("run-1", "run-2", "run-3")
    place.proxy.rule(what, error(400 if code == "ExpiredToken" else 403, code))
    stage_run = MemoryStageRun(pipeline="screenalytics")
    with pytest.raises(AccessDenied) as caught:
        ingest.run(IngestSettings(**place.values), stage_run)
    assert caught.value.exit_code == 78
    assert stage_run.errors == []
    assert (place.runs(), place.items()) == ({}, {})


def test_case_17_one_artifact_that_is_refused_is_that_run_s_own_error(place):
    place.put("run-1", "run-2")
    place.proxy.rule(_gets("run-1/analytics"), error(403, "AccessDenied"))
    report = place.ingest()
    assert (_codes(report), report.exit_code) == ({"run-1": "ACCESS_DENIED"}, 65)
    assert "s3:ListBucket" in report.failures[0].message
    assert place.runs() == {"run-2": "ingested"}


def test_verify_asks_once_for_each_object_and_quickly_for_none(place):
    place.put("run-1", "run-2")
    place.ingest()
    place.asked()
    settings = VerifySettings(**place.values)
    assert verify.run(settings, MemoryStageRun()).exit_code == 0
    asked = place.asked()
    assert asked[0] == "LIST"
    names = ("manifest.json", "analytics/screentime.json")
    assert sorted(each for each in asked if each.startswith("GET")) == sorted(
        f"GET run-{number}/{name}" for number in (1, 2) for name in names
    )
    assert verify.run(settings.model_copy(update={"quick": True}), MemoryStageRun()).exit_code == 0
    assert place.asked() == ["LIST"]
    # The same content uploaded again has the same ETag here, so nothing is reported.
    place.put("run-1")
    assert verify.run(settings, MemoryStageRun()).exit_code == 0


def _authorization(place, **values):
    settings = ReplaySettings(**{**place.values, **values})
    list(open_source(settings).list())
    seen = place.proxy.requests[-1].headers
    place.proxy.requests.clear()
    return seen.get("authorization", "")


def test_the_bucket_is_read_as_auth_says(place, monkeypatch, tmp_path):
    files = tmp_path / "credentials"
    files.write_text("[theirs]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = hidden\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files))
    assert "Credential=test/" in _authorization(place)
    static = {"auth": "static", "access_key_id": "STATICKEY", "secret_access_key": "hidden"}
    assert "Credential=STATICKEY/" in _authorization(place, **static)
    assert "x-amz-security-token" in _authorization(place, **static, session_token="token")
    assert "Credential=PROFILEKEY/" in _authorization(place, auth="profile", profile="theirs")
    assert _authorization(place, auth="anonymous") == ""
    with pytest.raises(ConfigurationError, match="theirs"):
        _authorization(place, auth="profile", profile="nobody")


LACKING = {
    "profile": ({"auth": "profile"}, "--auth profile needs --profile .TELECINE_SCREENALYTICS_PROFILE."),
    "key": ({"auth": "static", "secret_access_key": "s3cret"}, "--access-key-id"),
    "secret": ({"auth": "static", "access_key_id": "key"}, "--secret-access-key .TELECINE_SCREENALYTICS_SECRET_ACC"),
}


@pytest.mark.parametrize(("values", "said"), LACKING.values(), ids=LACKING)
def test_a_strategy_that_lacks_something_says_what(values, said):
    with pytest.raises(UsageError, match=said) as caught:
        open_source(IngestSettings(bucket="s3://runs-of-tests", **values))
    assert "s3cret" not in str(caught.value)


def test_case_64_a_stage_that_is_off_asks_nobody(place):
    place.put("run-1")
    event_id = place.tell("run-1")
    place.asked()
    report = place.ingest(enabled=False)
    assert (report.status, report.exit_code) == ("skipped", 0)
    assert place.asked() == []
    assert place.event(event_id) == (False, 0)
    dry = place.ingest(dry_run=True)
    assert (dry.counts["ingested"], dry.exit_code) == (1, 0)
    assert place.event(event_id) == (False, 0)
    assert (place.runs(), place.items()) == ({}, {})


def test_a_replay_asks_for_its_run_only(place):
    place.put("run-1", "run-2", manifest={"schema_version": "9.9"})
    place.ingest()
    place.put("run-1", "run-2")
    place.asked()
    settings = ReplaySettings(**place.values, run="run-2")
    assert replay.run(settings, MemoryStageRun()).counts["ingested"] == 1
    assert all("run-2/" in each for each in place.asked())

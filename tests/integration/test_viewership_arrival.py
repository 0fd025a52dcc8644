"""Uploads that have arrived: events first, then the listing; each settled once, each failure counted."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.arrival import delivery as delivery_module
from jobs.viewership.arrival import listing as listing_module
from jobs.viewership.arrival import search as search_module
from jobs.viewership.arrival.delivery import begin, refuse_event, settle
from jobs.viewership.arrival.events import Arrival, BadEvent
from jobs.viewership.arrival.search import arrivals, named_arrival
from jobs.viewership.errors import refuse
from jobs.viewership.phases.upload import Taken
from jobs.viewership.steps import upload as upload_module
from shared.errors import (
    AccessDenied,
    BucketMissing,
    ConfigurationError,
    DataError,
    EndpointUnreachable,
    StorageFull,
    StoreUnavailable,
    TransientError,
    UsageError,
)
from shared.failure import Failure
from shared.outbox import table as table_module
from tests.fakes.store import MemoryStore
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.s3_server import s3_process, s3_server  # noqa: F401
from tests.viewership_arrivals import Uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database
    from tests.s3_server import S3Server

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

A, B = "uploads/a.csv", "uploads/b.csv"


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    folder = tmp_path / "viewership"
    folder.mkdir()
    return Uploads(database, folder)


def keys(found: list[Arrival | BadEvent]) -> list[str]:
    return [each.error.code if isinstance(each, BadEvent) else each.key for each in found]


def test_events_come_first_and_the_listing_leaves_out_what_they_named(uploads):
    for key in (A, B, "uploads/2025/c.csv", "other/d.csv"):
        uploads.write(key)
    event_id = uploads.announce({"key": B, "format": "roku", "sha256": hashlib.sha256(b"x").hexdigest()})
    first, *rest = uploads.find()
    assert keys([first, *rest]) == [B, "uploads/2025/c.csv", A]
    assert isinstance(first, Arrival)
    assert (first.event.event_id, first.overrides) == (event_id, {"format": "roku"})
    assert (first.size, first.sha256) == (8, hashlib.sha256(b"x").hexdigest())
    assert first.uri == f"file://{os.path.realpath(uploads.folder)}/{B}"
    assert all(each.event is None and each.etag and each.size == 8 for each in rest)
    assert keys(uploads.find(arrival="events")) == [B]
    assert sorted(keys(uploads.find(arrival="poll"))) == ["uploads/2025/c.csv", A, B]
    assert keys(uploads.find(arrival="poll", prefix="other")) == ["other/d.csv"]


def test_an_event_may_name_an_object_outside_the_prefix(uploads):
    uploads.write("deliveries/x.csv")
    uploads.announce({"uri": f"file://{uploads.folder}/deliveries/x.csv"})
    assert uploads.poll() == ["deliveries/x.csv"]
    assert uploads.poll() == []


def test_what_was_taken_waits_or_was_refused_is_settled_until_its_bytes_change(uploads):
    for outcome in ("taken", "waiting", "refused"):
        uploads.write(f"uploads/{outcome}.csv")
        (found,) = uploads.find()
        uploads.settle(found, outcome, code=None if outcome == "taken" else "WHY", message="a message")
        assert uploads.find() == []
    assert [row[1:] for row in uploads.rows("uri, status, attempts, code, message, pipeline_run_id")] == [
        ("refused", 1, "WHY", "a message", "run-1"),
        ("taken", 1, None, "a message", "run-1"),
        ("waiting", 1, "WHY", "a message", "run-1"),
    ]
    uploads.write("uploads/refused.csv", b"other bytes", age=30)
    assert uploads.poll() == ["uploads/refused.csv"]
    assert uploads.find() == []
    assert uploads.rows("status, size_bytes, code")[0] == ("taken", 11, None)


def test_a_failed_object_is_tried_again_until_its_attempts_are_used_up(uploads):
    uploads.write(A)
    for attempt in (1, 2, 3):
        (found,) = uploads.find(max_attempts=3)
        assert uploads.settle(found, "failed", code="internal", message="it broke", max_attempts=3) is (attempt == 3)
        assert uploads.rows("attempts, status") == [(attempt, "failed")]
    assert uploads.find(max_attempts=3) == []
    assert keys(uploads.find(max_attempts=4)) == [A]
    uploads.write(A, b"new", age=5)
    (found,) = uploads.find(max_attempts=3)
    uploads.settle(found, "failed", code="internal", max_attempts=3)
    assert uploads.rows("attempts") == [(1,)], "other bytes have their own attempts"
    uploads.poll(max_attempts=3)
    uploads.write(A, b"newer", age=4)
    (found,) = uploads.find(max_attempts=3)
    uploads.settle(found, "failed", code="internal", max_attempts=3)
    assert uploads.rows("attempts") == [(1,)], "and so has a failure after a success"


@pytest.mark.parametrize("outcome", ["taken", "waiting", "refused"])
def test_an_event_is_delivered_once_its_object_is_settled(uploads, outcome):
    uploads.write(A)
    event_id = uploads.announce({"key": A})
    assert uploads.poll(outcome, code="WHY") == [A]
    assert uploads.event(event_id) == (True, 0, None)
    assert uploads.find() == []


def test_an_event_fails_with_its_object_and_is_set_aside_with_it(uploads):
    uploads.write(A)
    event_id = uploads.announce({"key": A})
    for attempt in (1, 2):
        (found,) = uploads.find(max_attempts=2)
        aside = uploads.settle(found, "failed", code="SHA256_MISMATCH", message="other bytes", max_attempts=2)
        assert aside is (attempt == 2)
        assert uploads.event(event_id) == (False, attempt, "SHA256_MISMATCH: other bytes")
    assert uploads.find(max_attempts=2) == []


def test_an_event_of_an_object_that_is_stored_is_delivered_without_being_read(uploads):
    uploads.write(A)
    assert uploads.poll(arrival="poll") == [A]
    late = uploads.announce({"key": A})
    assert uploads.find() == []
    assert uploads.event(late) == (True, 0, None)
    uploads.write(A, b"other bytes", age=30)
    uploads.announce({"key": A})
    assert uploads.poll(arrival="events") == [A], "other bytes were not stored"
    # One that asks for something is taken up, and so is one of an object that was not stored.
    asks = uploads.announce({"key": A, "period": "2025-07"})
    assert uploads.poll("refused", code="WHY") == [A]
    again = uploads.announce({"key": A})
    assert uploads.poll() == [A]
    assert [uploads.event(each)[0] for each in (asks, again)] == [True, True]


def test_an_object_of_a_waiting_upload_is_taken_up_by_an_event_with_a_choice(uploads):
    uploads.write(A)
    uploads.poll("waiting", code="NEEDS_CHOICE")
    uploads.announce({"key": A, "choices": {"date_order": "dmy"}})
    (found,) = uploads.find()
    assert isinstance(found, Arrival)
    assert found.overrides == {"date_order": "dmy"}
    uploads.settle(found)
    assert uploads.rows("status, code") == [("taken", None)]


HOSTILE: dict[str, tuple[Any, str]] = {
    "1 MB": ({"key": A, "domain": "y" * (1 << 20)}, "EVENT_INVALID"),
    "nested": ('{"key": "uploads/a.csv", "choices": ' + "[" * 5000 + "]" * 5000 + "}", "EVENT_INVALID"),
    "up": ({"key": "uploads/../../../etc/passwd"}, "KEY_ESCAPE"),
    "another bucket": ({"uri": "s3://other/uploads/a.csv"}, "KEY_ESCAPE"),
    "another folder": ({"uri": "file:///etc/passwd"}, "KEY_ESCAPE"),
    "a link": ({"key": "uploads/link.csv"}, "KEY_ESCAPE"),
    "a template": ({"key": "uploads/$(NAME)-{{inputs}}.csv"}, "NOT_YET"),
    "a folder": ({"key": "uploads/2025"}, "NOT_YET"),
    "an empty file": ({"key": "uploads/empty.csv"}, "NOT_YET"),
    "a name that no file has": ({"key": "uploads/" + "x" * 300}, "KEY_ESCAPE"),
    "a list": ("[]", "EVENT_INVALID"),
}


def test_bad_events_are_counted_until_they_are_set_aside_and_stop_nothing(uploads):
    uploads.write("uploads/2025/c.csv")
    uploads.write("uploads/empty.csv", b"")
    (uploads.folder / "uploads" / "link.csv").symlink_to("/etc/passwd")
    names = {uploads.announce(payload): name for name, (payload, _) in HOSTILE.items()}
    other = uploads.announce({"key": A}, event_type="viewership.upload.gone")
    good = uploads.announce({"key": "uploads/2025/c.csv"})
    for attempt in (1, 2):
        found = [each for each in uploads.find(max_attempts=2) if isinstance(each, BadEvent)]
        codes = {names[each.event.event_id]: each.error.code for each in found if each.event.event_id in names}
        assert codes == {name: code for name, (_, code) in HOSTILE.items()}
        for each in found:
            assert refuse_event(uploads.settings(max_attempts=2), each) is (attempt == 2)
    for event_id, name in names.items():
        delivered, attempts, said = uploads.event(event_id)
        assert (delivered, attempts) == (False, 2)
        assert said.startswith(f"{HOSTILE[name][1]}: ")
        assert "root:" not in said
    assert uploads.event(other)[2].startswith("UNKNOWN_EVENT: ")
    assert uploads.poll(max_attempts=2) == ["uploads/2025/c.csv"]
    assert uploads.event(good)[0]


def test_the_listing_leaves_an_object_alone_while_its_event_is_retried(uploads):
    uploads.write(A)
    event_id = uploads.announce({"key": A, "period": "July"})
    for _ in range(2):
        assert uploads.poll(max_attempts=2) == ["EVENT_INVALID"]
    assert uploads.poll(max_attempts=2) == [A], "without the event, the object is an upload like others"
    assert uploads.event(event_id)[:2] == (False, 2)


def test_an_event_set_aside_is_delivered_once_its_object_was_taken(uploads):
    event_id = uploads.announce({"key": A})
    assert uploads.poll(max_attempts=1) == ["NOT_YET"]
    assert uploads.event(event_id)[:2] == (False, 1)
    uploads.write(A)
    assert uploads.poll(max_attempts=1) == [A]
    assert uploads.event(event_id) == (True, 1, None)
    second = uploads.announce({"key": B})
    uploads.poll(max_attempts=1)
    uploads.write(B)
    uploads.poll("waiting", code="OVERLAP", max_attempts=1)
    assert uploads.event(second)[:2] == (False, 1), "one that waits was not taken"


def test_a_poll_with_many_events_still_lists_and_the_next_poll_continues(uploads, monkeypatch, caplog):
    monkeypatch.setattr(search_module, "_MOST_EVENTS", 3)
    monkeypatch.setattr(search_module, "_MOST_NAMED", 2)
    bad = [uploads.announce({"key": f"uploads/{number}"}, event_type="x") for number in range(3)]
    uploads.write(A)
    uploads.write(B)
    late = uploads.announce({"key": B, "choices": {"date_order": "mdy"}})
    assert uploads.poll(max_attempts=2) == ["UNKNOWN_EVENT"] * 3 + [A], "a later event still keeps its file"
    assert "more than 3 events are pending; the next poll takes the rest" in caplog.text
    assert uploads.event(late)[1] == 0
    assert uploads.poll(max_attempts=2) == ["UNKNOWN_EVENT"] * 3
    assert uploads.poll(max_attempts=2) == [B]
    assert uploads.event(late)[0]
    assert [uploads.event(each)[1] for each in bad] == [2, 2, 2]
    for number in range(5):
        uploads.announce({"key": f"uploads/{number}"}, event_type="x")
    uploads.write("uploads/c.csv")
    uploads.announce({"key": "uploads/c.csv"})
    assert uploads.poll()[3:] == ["uploads/c.csv"], "a flood of events keeps no file waiting"


def test_a_poll_takes_a_limited_number_of_files_and_the_next_one_the_rest(uploads, monkeypatch, caplog):
    monkeypatch.setattr(listing_module, "_MOST", 3)
    monkeypatch.setattr(listing_module, "_BATCH", 2)
    keys = [f"uploads/{number}.csv" for number in range(5)]
    for key in keys:
        uploads.write(key)
    assert uploads.poll() == keys[:3]
    assert "more than 3 files have arrived; the next poll takes the rest" in caplog.text
    caplog.clear()
    assert uploads.poll() == keys[3:]
    for key in keys[:3]:
        uploads.write(key, b"other", age=9)
    assert uploads.poll() == keys[:3]
    assert "more than" not in caplog.text


def test_each_poll_checks_some_of_many_events_that_were_set_aside(uploads, monkeypatch):
    monkeypatch.setattr(delivery_module, "_MOST_DEAD", 4)
    monkeypatch.setattr(table_module, "_PAGE", 2)
    for number in range(12):
        uploads.announce({"key": f"uploads/{number:02}.csv"})
    uploads.poll(max_attempts=1)
    for number in range(12):
        uploads.write(f"uploads/{number:02}.csv")
    count = "SELECT count(*) FROM viewership.outbox_events WHERE delivered_at IS NOT NULL"
    uploads.poll(max_attempts=1, arrival="poll")
    before, polls = 0, 0
    while before < 12:
        uploads.poll(max_attempts=1)
        [(now,)] = uploads.database.rows(count)
        assert 1 <= now - before <= 4
        before, polls = now, polls + 1
    assert polls >= 3


def test_only_as_many_failures_are_kept_as_a_report_shows(uploads, monkeypatch):
    def fake(settings: Any, place: str, run_id: str, *, sha256: str | None = None) -> Taken:
        name = place.rpartition("/")[2]
        failures = tuple(Failure(f"{name}:{line}", "BAD_VALUE", "x", data={"line": line}) for line in range(40))
        return Taken(number(uploads), name, "stored", 1, failures=failures, rejected=60)

    monkeypatch.setattr(upload_module, "take", fake)
    for index in range(4):
        uploads.write(f"uploads/{index}.csv")
    step = Step()
    taken = upload_module.take_files(uploads.settings(), step)
    assert [len(one.failures) for one in taken.taken] == [40, 40, 1, 1]
    assert len(step.errors) == 160
    report = upload_module.upload_report(uploads.settings(), taken)
    assert [failure.item for failure in report.failures[:5]] == [
        *("0.csv:0", "1.csv:0", "2.csv:0", "3.csv:0"),
        "0.csv:1",
    ]
    assert (len(report.failures), len(report.failures) + report.failures_truncated) == (50, 240)


def test_markers_locks_and_empty_files_are_no_uploads(uploads):
    for key in ("uploads/.DS_Store", "uploads/~$book.xlsx", "uploads/x_$folder$", "uploads/.~lock.a.csv#"):
        uploads.write(key)
    uploads.write("uploads/empty.csv", b"")
    uploads.write(A)
    assert uploads.poll() == [A]
    uploads.write("uploads/empty.csv", b"no longer")
    assert uploads.poll() == ["uploads/empty.csv"]


def test_a_file_that_is_still_being_written_waits_for_the_next_poll(uploads, monkeypatch):
    monkeypatch.setattr(listing_module, "_QUIET_S", 0.5)
    quiet = uploads.write(A, age=0)
    growing = uploads.write(B, age=0)
    gone = uploads.write("uploads/c.csv", age=0)
    uploads.write("uploads/old.csv")
    found: list[Arrival | BadEvent] = []
    began = time.monotonic()
    for each in arrivals(uploads.settings()):
        if not found:
            with growing.open("ab") as file:
                file.write(b"3,4\n")
            gone.unlink()
        found.append(each)
    assert keys(found) == ["uploads/old.csv", A], "what is old is not held up"
    assert 0.2 < time.monotonic() - began < 5
    assert quiet.stat().st_size == found[1].size
    time.sleep(0.6)
    assert keys(uploads.find()) == [A, B, "uploads/old.csv"]
    os.utime(growing, (time.time() + 3600, time.time() + 3600))
    began = time.monotonic()
    assert keys(uploads.find())[-1] == B, "a clock that is ahead delays nothing by more than the pause"
    assert time.monotonic() - began < 3


def test_many_objects_are_compared_batch_by_batch(uploads, monkeypatch):
    monkeypatch.setattr(listing_module, "_BATCH", 4)
    for number in range(10):
        uploads.write(f"uploads/{number}.csv")
    assert len(uploads.poll()) == 10
    uploads.write("uploads/5.csv", b"changed", age=9)
    assert uploads.poll() == ["uploads/5.csv"]


def test_the_store_refuses_one_object_or_everything(uploads, monkeypatch):
    store = MemoryStore({A: b"x", B: b"y"}, uri="s3://viewership")
    monkeypatch.setattr(search_module, "open_store", lambda *_: store)
    there = Uploads(uploads.database, uploads.folder, "s3://viewership")
    event_id = there.announce({"key": A})
    store.fail("stat", AccessDenied("403", bucket="s3://viewership"), key=A)
    assert there.poll() == ["NOT_READABLE", B]
    assert there.event(event_id)[1] == 1
    store.fail("stat", AccessDenied("403", bucket="s3://viewership"), key=A)
    store.fail("list", AccessDenied("403", bucket="s3://viewership"))
    with pytest.raises(AccessDenied):
        there.find(arrival="events")
    assert there.event(event_id)[1] == 1
    store.fail("stat", EndpointUnreachable("gone"), key=A)
    with pytest.raises(EndpointUnreachable):
        there.find()
    store.fail("stat", StoreUnavailable("slow down"), key=A)
    assert there.poll() == ["store_unavailable"]
    assert there.event(event_id)[1] == 1, "neither an outage nor missing rights are the event's fault"
    assert there.poll() == [A]


def test_a_producers_outbox_that_does_not_answer_does_not_hold_up_the_listing(uploads):
    uploads.write(A)
    away = {"outbox_url": "postgresql://u:hush-hush@127.0.0.1:1/x", "outbox_table": "their.events"}
    found = uploads.find(**away)
    assert keys(found) == ["database_unreachable", A]
    assert isinstance(found[0], BadEvent)
    assert found[0].event is None
    assert isinstance(found[0].error, TransientError)
    assert "hush-hush" not in found[0].error.message
    with pytest.raises(TransientError):
        uploads.find(**away, arrival="events")
    with pytest.raises(ConfigurationError, match="TELECINE_VIEWERSHIP_OUTBOX_URL"):
        uploads.find(outbox_table="their.events")


def test_a_bucket_that_does_not_exist_is_named(uploads):
    with pytest.raises(BucketMissing, match="nowhere"):
        uploads.find(bucket=f"file://{uploads.folder}/nowhere")


def test_a_named_file_is_settled_too_if_a_poll_would_find_it(uploads, monkeypatch):
    path = uploads.write(A)
    uploads.write("raw/aa/x")
    settings = uploads.settings()
    monkeypatch.chdir(uploads.folder)
    (uploads.folder.parent / "link").symlink_to(uploads.folder)
    (listed,) = uploads.find()
    for place in (str(path), f"file://{path}", A, f"{uploads.folder.parent}/link/{A}"):
        assert named_arrival(settings, place) == listed, place
    for place in ("raw/aa/x", "/etc/passwd", "uploads/none.csv", "uploads/", "s3://other/uploads/a.csv", "http://x/y"):
        assert named_arrival(settings, place) is None, place
    uploads.poll("waiting", code="NEEDS_CHOICE")
    uploads.settle(named_arrival(settings, str(path)))
    assert uploads.rows("status") == [("taken",)]
    assert uploads.find() == []


def test_an_object_that_kills_the_step_is_set_aside_in_the_end(uploads):
    uploads.write(A)
    event_id = uploads.announce({"key": A, "format": "roku"})
    for attempt in (1, 2):
        (found,) = uploads.find(max_attempts=2)
        assert isinstance(found, Arrival)
        begin(uploads.settings(), found, "run-1")
        assert uploads.rows("status, attempts") == [("reading", attempt)]
    assert uploads.find(max_attempts=2, arrival="poll") == []
    assert uploads.poll(max_attempts=2) == ["INTERRUPTED"]
    assert uploads.event(event_id)[1] == 1
    uploads.write(A, b"other bytes", age=9)
    (found,) = uploads.find(max_attempts=2)
    assert isinstance(found, Arrival)
    begin(uploads.settings(), found, "run-2")
    assert uploads.rows("status, attempts") == [("reading", 1)]
    uploads.settle(found)
    assert uploads.find(max_attempts=2) == []


def test_an_attempt_is_counted_once_and_taken_back_if_the_object_is_not_at_fault(uploads):
    uploads.write(A)
    event_id = uploads.announce({"key": A})
    (found,) = uploads.find()

    def attempt(*, counted: bool) -> tuple[Any, ...]:
        begin(uploads.settings(), found, "run-1")
        failed = {"upload_id": None, "code": "why", "message": "because", "run_id": "run-1"}
        assert settle(uploads.settings(), found, "failed", **failed, counted=counted) is False
        return uploads.rows("status, attempts, code")[0]

    assert attempt(counted=False) == ("failed", 0, "why")
    assert uploads.event(event_id) == (False, 0, None)
    assert [attempt(counted=each) for each in (True, False, True)] == [
        ("failed", 1, "why"),
        ("failed", 1, "why"),
        ("failed", 2, "why"),
    ]
    assert uploads.event(event_id) == (False, 1, "why: because"), "the same event is counted once"


@dataclass
class Step:
    """The stage of a run, of which nothing is asked here."""

    run_id: str = "run-1"
    progress: Any = field(default_factory=lambda: SimpleNamespace(start=lambda *_: None, advance=lambda *_: None))
    errors: list[Any] = field(default_factory=list)

    def record_errors(self, failures: Any) -> None:
        self.errors += failures


def take_all(uploads: Uploads, monkeypatch: pytest.MonkeyPatch, errors: dict[str, Exception], **values: Any) -> Any:
    """Run the step with files of which some raise, and the others are stored."""

    def fake(settings: Any, place: str, run_id: str, *, sha256: str | None = None) -> Taken:
        name = place.rpartition("/")[2]
        if name in errors:
            raise errors[name]
        return Taken(number(uploads), name, "stored", 1)

    monkeypatch.setattr(upload_module, "take", fake)
    return upload_module.take_files(uploads.settings(**values), Step())


def number(uploads: Uploads) -> int:
    return int(
        uploads.database.rows(
            "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, status, pipeline_run_id)"
            " VALUES (md5(random()::text) || md5(random()::text), 'raw/aa/a', 'a.csv', 1, 'received', 'run-1')"
            " RETURNING upload_id"
        )[0][0]
    )


@pytest.mark.parametrize(
    ("error", "row"),
    [
        (ZeroDivisionError("a bug"), ("failed", 1, "internal")),
        (DataError("bad", code="BAD"), ("failed", 1, "BAD")),
        (refuse("LIMIT", "too large"), ("refused", 1, "LIMIT")),
        (StoreUnavailable("slow down"), ("failed", 0, "store_unavailable")),
        (AccessDenied("403", bucket="b"), ("failed", 0, "access_denied")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_one_file_that_has_arrived_does_not_stop_the_others(uploads, monkeypatch, error, row):
    uploads.write(A)
    uploads.write(B)
    told = take_all(uploads, monkeypatch, {"a.csv": error})
    assert ([one.filename for one in told.taken], [one.code for one in told.failed]) == (["b.csv"], [row[2]])
    assert uploads.rows("status, attempts, code") == [row, ("taken", 1, None)]
    assert told.set_aside == 0


@pytest.mark.parametrize(
    "error",
    [EndpointUnreachable("gone"), StorageFull("no space"), BucketMissing("no bucket"), ConfigurationError("wrong")],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_all_files_would_meet_ends_the_step_and_counts_for_none(uploads, monkeypatch, error):
    uploads.write(A)
    uploads.write(B)
    event_id = uploads.announce({"key": A})
    for _ in range(3):
        with pytest.raises(type(error)):
            take_all(uploads, monkeypatch, {"a.csv": error}, max_attempts=2)
    assert uploads.rows("status, attempts") == [("failed", 0)]
    assert uploads.event(event_id) == (False, 0, None)
    assert len(take_all(uploads, monkeypatch, {}, max_attempts=2).taken) == 2


def test_a_wrong_flag_for_a_named_file_changes_nothing_for_the_next_poll(uploads, monkeypatch):
    path = str(uploads.write(A))
    uploads.poll("waiting", code="NEEDS_CHOICE")
    before = uploads.rows("status, attempts, code, last_seen")
    with pytest.raises(UsageError):
        take_all(uploads, monkeypatch, {"a.csv": UsageError("--map")}, files=(path,))
    assert uploads.rows("status, attempts, code, last_seen") == before
    take_all(uploads, monkeypatch, {}, files=(path,))
    assert uploads.rows("status, attempts, code") == [("taken", 1, None)]


def test_a_bucket_in_s3(database, tmp_path, s3_server: S3Server):
    s3_server.create_bucket("viewership")
    for key, body in ((A, b"a,b\n1,2\n"), ("uploads/", b""), ("uploads/$(X)/{{y}}.csv", b"1"), ("raw/aa/bb", b"raw")):
        s3_server.client.put_object(Bucket="viewership", Key=key, Body=body)
    uploads = Uploads(database, tmp_path, "s3://viewership")
    uploads.announce({"uri": f"s3://viewership/{A}", "period": "2025-07"})
    uploads.announce({"uri": f"s3://viewership-2/{A}"})
    found = uploads.find()
    assert keys(found) == [A, "KEY_ESCAPE", "uploads/$(X)/{{y}}.csv"]
    assert isinstance(found[0], Arrival)
    assert (found[0].uri, found[0].etag) == (f"s3://viewership/{A}", hashlib.md5(b"a,b\n1,2\n").hexdigest())
    uploads.poll()
    assert keys(uploads.find()) == ["KEY_ESCAPE"]
    assert {row[0] for row in uploads.rows("uri")} == {f"s3://viewership/{A}", "s3://viewership/uploads/$(X)/{{y}}.csv"}
    s3_server.client.put_object(Bucket="viewership", Key=A, Body=b"changed")
    assert keys(uploads.find()) == ["KEY_ESCAPE", A]
    below = Uploads(database, tmp_path, "s3://viewership/raw")
    assert keys(below.find(arrival="poll", prefix="aa")) == ["aa/bb"]

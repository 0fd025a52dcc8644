"""RetryPolicy alone: a table of decisions, without a store and without a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jobs.screenalytics.arrival.events import Candidate, Event
from jobs.screenalytics.errors import reject
from jobs.screenalytics.intake.retry_policy import RetryPolicy
from jobs.screenalytics.model import ManifestObject, ManifestRef, ScreenalyticsRun, SkippedRun
from jobs.screenalytics.reading.candidate import ReadResult
from jobs.screenalytics.tables.ingest_items import IngestItem, Lookup
from jobs.screenalytics.tables.runs import KnownRun
from shared.errors import DatabaseUnreachable, DataError, EndpointUnreachable, StoreUnavailable

if TYPE_CHECKING:
    from jobs.screenalytics.intake.decision import Decision

SOURCE = "s3://memory"
KEY = "derived/runs/r1/manifest.json"
NOW = datetime(2026, 1, 5, tzinfo=UTC)
NEW, OLD = "a" * 64, "b" * 64
RUN = ScreenalyticsRun("r1", "show-s01e01", KEY, NEW, "e1", "1.0", 1, None, None, None, (), ())
SKIPPED = SkippedRun("r1", "show-s01e01", "failed", NEW)


def candidate(arrival: str = "poll", *, attempts: int = 0, sha256: str | None = None) -> Candidate:
    ref = ManifestRef("r1", KEY, *(("e1", NOW) if arrival == "poll" else ()))
    event = Event("id", "screenalytics.run.completed", "r1", {}, attempts) if arrival == "event" else None
    return Candidate(ref, arrival, event, sha256)  # type: ignore[arg-type]


def manifest(sha256: str = NEW) -> ManifestObject:
    return ManifestObject(ManifestRef("r1", KEY), b"{}", sha256, "e1", NOW)


def known(sha256: str = NEW, *, key: str = KEY, status: str = "ingested", source: str = SOURCE) -> KnownRun:
    return KnownRun("show-s01e01", source, key, sha256, "hash", 1, status)


def lookup(item: IngestItem | None = None, run: KnownRun | None = None) -> Lookup:
    return Lookup(NOW, item, run)


@dataclass
class Case:
    """A situation, and the decision it leads to.

    Attributes:
        expected: outcome, new state of the item, attempt, attempts allowed.
        code: of the failure or the deferral.
        dead: whether the message says that the run is set aside.
    """

    error: Exception
    expected: tuple[str, str | None, int, int]
    code: str
    candidate: Candidate
    read: ReadResult
    lookup: Lookup
    most: int | None = 5
    dead: bool = False


def case(
    error: Exception | str,
    expected: tuple[Any, ...],
    code: str = "",
    *,
    of: Candidate | None = None,
    read: ReadResult | None = None,
    seen: Lookup | None = None,
    **more: Any,
) -> Any:
    raised = reject(error, "it is bad") if isinstance(error, str) else error
    wanted = code or getattr(raised, "code", "internal")
    result = ReadResult(manifest=manifest(), lookup=seen or lookup()) if read is None else read
    return Case(raised, expected, wanted, of or candidate(), result, seen or lookup(), **more)  # type: ignore[arg-type]


UNREAD = ReadResult()
FAILED = IngestItem("rejected", 3, "e1")
REFUSALS = {
    "bad for the first time": case("FIELD_INVALID", ("failed", "rejected", 1, 5)),
    "bad again": case("FIELD_INVALID", ("failed", "rejected", 4, 5), seen=lookup(FAILED)),
    "bad for the last time": case(
        "FIELD_INVALID", ("failed", "rejected", 5, 5), seen=lookup(IngestItem("rejected", 4, "e1")), dead=True
    ),
    "bad with other content": case(
        "FIELD_INVALID", ("failed", "rejected", 1, 5), seen=lookup(IngestItem("dead", 5, "e0"))
    ),
    "bad in a replay": case("FIELD_INVALID", ("failed", "rejected", 1, 1 << 30), seen=lookup(FAILED), most=None),
    "bad with one attempt allowed": case("FIELD_INVALID", ("failed", "rejected", 1, 1), most=1, dead=True),
    "a manifest that is never read": case("TOO_LARGE", ("failed", "rejected", 4, 5), read=UNREAD, seen=lookup(FAILED)),
    "an error of another module": case(DataError("odd"), ("failed", "rejected", 1, 5)),
    "changed": case("MANIFEST_CHANGED", ("failed", "quarantined", 1, 5), seen=lookup(run=known(OLD))),
    "still running": case("RUN_RUNNING", ("deferred", "deferred", 0, 1)),
    "an artifact not uploaded yet": case("ARTIFACT_NOT_YET", ("deferred", "deferred", 0, 1)),
    "an artifact that never came": case("ARTIFACT_MISSING", ("failed", "rejected", 1, 5)),
    "listed, then gone": case("SOURCE_DELETED", ("failed", "source_deleted", 0, 1), read=UNREAD, most=1),
    "gone while its artifacts were read": case("SOURCE_DELETED", ("failed", "source_deleted", 0, 1)),
    "gone while its artifacts were read, for an event": case(
        "SOURCE_DELETED", ("failed", "source_deleted", 0, 1), of=candidate("event", attempts=9)
    ),
    "gone, and the tables have another run of this id": case(
        "SOURCE_DELETED", ("failed", "source_deleted", 0, 1), read=UNREAD, seen=lookup(run=known(key="other"))
    ),
    "an event before its manifest": case(
        "MANIFEST_NOT_YET", ("deferred", "deferred", 0, 1), of=candidate("event", attempts=3), read=UNREAD
    ),
    "an event whose manifest was listed and is gone": case(
        "SOURCE_DELETED", ("deferred", "deferred", 0, 1), "MANIFEST_NOT_YET", of=candidate("event"), read=UNREAD
    ),
    "an event whose manifest never came": case(
        "MANIFEST_NOT_YET",
        ("failed", "rejected", 1, 1),
        "MANIFEST_MISSING",
        of=candidate("event", attempts=4),
        read=UNREAD,
        dead=True,
    ),
    "a replay of an unknown run": case(
        "MANIFEST_NOT_YET", ("failed", None, 0, 1), "MANIFEST_MISSING", of=candidate("replay"), read=UNREAD, most=None
    ),
    "a replay of a run that failed and is gone": case(
        "MANIFEST_NOT_YET",
        ("failed", "rejected", 1, 1 << 30),
        "MANIFEST_MISSING",
        of=candidate("replay"),
        read=UNREAD,
        seen=lookup(FAILED),
        most=None,
    ),
    "a stale event": case("CHECKSUM_MISMATCH", ("failed", None, 0, 1), of=candidate("event", sha256=OLD)),
    "a stale event for the last time": case(
        "CHECKSUM_MISMATCH", ("failed", None, 0, 1), of=candidate("event", attempts=4, sha256=OLD), dead=True
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_candidate_that_was_refused(name):
    it = REFUSALS[name]
    decision = RetryPolicy(SOURCE, it.most).refuse(it.candidate, it.read, it.error, it.lookup)
    result = decision.result
    assert (result.outcome, decision.state, decision.attempt, decision.max_attempts) == it.expected
    assert result.note == it.code
    assert (decision.run, decision.mark) == (None, None)
    assert (decision.entry is None) is (decision.state is None)
    if result.failure is not None:
        assert ("is set aside" in result.failure.message) is it.dead
        assert not result.failure.retryable
        assert (result.failure.item, result.failure.data["manifest_key"]) == ("r1", KEY)
        assert result.failure_class == ("quarantine" if it.code == "MANIFEST_CHANGED" else "permanent")
    if decision.entry is not None:
        expected = {"deferred": "deferred", "quarantined": "quarantined"}.get(it.expected[1] or "", "rejected")
        assert (decision.entry.outcome, decision.entry.code) == (expected, it.code)
        assert "set aside" not in (decision.entry.message or ""), "the item keeps the reason, not the advice"


def test_only_the_delivery_of_a_stale_event_counts():
    stale = candidate("event", attempts=2, sha256=OLD)
    decision = RetryPolicy(SOURCE, 5).refuse(stale, ReadResult(manifest()), reject("CHECKSUM_MISMATCH", "x"), lookup())
    assert decision.result.failure is not None
    assert (decision.result.failure.attempt, decision.result.event_only) == (3, True)
    assert not decision.writes


def test_a_stale_event_of_a_run_that_was_written_meanwhile_is_no_failure():
    seen = lookup(run=known(NEW))
    stale = candidate("event", sha256=OLD)
    decision = RetryPolicy(SOURCE, 5).refuse(stale, ReadResult(manifest()), reject("CHECKSUM_MISMATCH", "x"), seen)
    assert (decision.result.outcome, decision.result.output_hash, decision.writes) == ("unchanged", "hash", False)


@pytest.mark.parametrize("code", ["SOURCE_DELETED", "MANIFEST_NOT_YET", "MANIFEST_MISSING"])
@pytest.mark.parametrize("arrival", ["poll", "event", "replay"])
def test_a_run_that_was_ingested_from_a_manifest_that_is_gone_is_marked(code, arrival):
    error, seen = reject(code, "gone"), lookup(FAILED, known())
    decision = RetryPolicy(SOURCE, 1).refuse(candidate(arrival), UNREAD, error, seen)
    assert (decision.result.outcome, decision.result.ep_id, decision.mark) == (
        "source_deleted",
        "show-s01e01",
        "deleted",
    )
    assert (decision.entry, decision.run) == (None, None)


@pytest.mark.parametrize(
    ("error", "failure_class", "recorded"),
    [
        (StoreUnavailable("503"), "transient", True),
        (EndpointUnreachable("gone"), "transient", False),
        (DatabaseUnreachable("gone"), "transient", False),
        (ZeroDivisionError("a bug"), "internal", True),
    ],
)
def test_a_failure_that_is_not_the_run_s_own_is_not_counted(error, failure_class, recorded):
    policy, read = RetryPolicy(SOURCE, 1), ReadResult(manifest(), lookup(FAILED))
    decision = policy.refuse(candidate(), read, error, None)
    assert not policy.needs_lookup(candidate(), UNREAD, error)
    assert (decision.result.outcome, decision.result.failure_class) == ("failed", failure_class)
    assert (decision.state, decision.attempt, decision.writes) == (None, 0, recorded)
    if recorded:
        assert decision.is_dispensable


def test_an_error_of_ours_while_writing_is_internal_even_if_it_is_typed():
    decision = RetryPolicy(SOURCE, 5).retry_later(candidate(), ReadResult(manifest()), DataError("odd"))
    assert (decision.result.failure_class, decision.is_dispensable) == ("internal", True)


@pytest.mark.parametrize(
    ("of", "read", "expected"),
    [
        (candidate(), UNREAD, True),
        (candidate(), ReadResult(manifest(), lookup()), False),
        (candidate("event", sha256=OLD), ReadResult(manifest(), lookup()), True),
        (candidate("event", sha256=NEW), ReadResult(manifest(), lookup()), False),
    ],
)
def test_when_the_tables_are_asked_again(of, read, expected):
    assert RetryPolicy(SOURCE, 5).needs_lookup(of, read, reject("TOO_LARGE", "x")) is expected


def accepted(read: ReadResult) -> Decision:
    return RetryPolicy(SOURCE, 5).accept(candidate(), read)


@pytest.mark.parametrize(("run", "outcome"), [(None, "ingested"), (known(OLD), "replaced")])
def test_a_run_that_was_read_is_written(run, outcome):
    decision = accepted(ReadResult(manifest(), lookup(FAILED, run), RUN))
    assert (decision.run, decision.state, decision.mark) == (RUN, "ingested", None)
    assert (decision.result.outcome, decision.result.output_hash) == (outcome, RUN.output_hash)
    assert decision.entry is not None
    assert (decision.entry.outcome, decision.attempt) == (outcome, 0)


def test_a_run_without_success_is_skipped():
    decision = accepted(ReadResult(manifest(), lookup(), SKIPPED))
    assert (decision.result.outcome, decision.result.note, decision.state) == ("skipped", "failed", "skipped")


def test_what_is_set_aside_stays_so():
    read = ReadResult(manifest(), lookup(IngestItem("dead", 5, "e1")), verdict="set_aside")
    assert (accepted(read).result.outcome, accepted(read).writes) == ("set_aside", False)


@pytest.mark.parametrize(
    ("item", "run", "mark", "state"),
    [
        (IngestItem("ingested", 0, "e1"), known(), None, None),
        (IngestItem("ingested", 0, "e0"), known(), None, "ingested"),
        (IngestItem("quarantined", 1, "e1"), known(), None, "ingested"),
        (None, known(), None, "ingested"),
        (IngestItem("source_deleted", 0, "e1"), known(status="source_deleted"), "present", "ingested"),
        (IngestItem("ingested", 0, "e1"), known(status="source_deleted", key="other"), None, None),
        (IngestItem("ingested", 0, "e1"), known(status="source_deleted", source="s3://other"), None, None),
    ],
)
def test_a_run_that_is_known_with_this_content(item, run, mark, state):
    decision = accepted(ReadResult(manifest(), lookup(item, run), verdict="unchanged"))
    assert (decision.result.outcome, decision.result.output_hash) == ("unchanged", "hash")
    assert (decision.mark, decision.state, decision.run) == (mark, state, None)
    assert decision.writes is (state is not None)

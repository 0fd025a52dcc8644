"""write-manifest names every stage manifest and every time that it cannot use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobs.screenalytics.model import ScreenalyticsRun
from jobs.screenalytics.settings import WriteManifestSettings
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import DROP, EP_ID, RUN_ID, cast_row, encode, read_files
from tests.unit.screenalytics.steps.test_write_manifest import (
    CANONICAL,
    KEY,
    LOCAL,
    SUMMARY,
    body_of,
    code,
    producer,
    stage_manifest,
    write,
)

if TYPE_CHECKING:
    from shared.report import Report

OTHER = f"{CANONICAL}manifests/faces.json"
DECISIVE = f"{CANONICAL}manifests/screentime.json"
UNUSABLE = {
    "cut": (encode(stage_manifest({}))[:50], "ARTIFACT_PARSE", "is not valid JSON"),
    "empty": (b"", "ARTIFACT_PARSE", "is not valid JSON"),
    "too large": (b" " * 1_000_001, "TOO_LARGE", "has 1,000,001 bytes, more than 1,000,000"),
    "of another run": (
        encode(stage_manifest({}, run_id="r9")),
        "ID_MISMATCH",
        f"the run_id 'r9' instead of '{RUN_ID}'",
    ),
    "of no run": (encode(stage_manifest({}, run_id=DROP)), "ID_MISMATCH", f"the run_id null instead of '{RUN_ID}'"),
    "no stage": (b"{}", "FIELD_MISSING", "names no stage"),
    "a list": (b"[]", "FIELD_MISSING", "names no stage"),
}


def note(report: Report) -> Any:
    return report.sections[0].rows[0][-1]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_stage_manifest_that_decides_on_success_and_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    body, expected, reason = UNUSABLE[name]
    store = producer()
    store.set(DECISIVE, body)
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert code(report) == expected
    message = report.failures[0].message
    assert f"the stage manifest {DECISIVE} " in message
    assert reason in message
    assert message.endswith("Upload the stage manifest again, or delete it if the run succeeded")
    assert KEY not in store.objects
    store.objects.pop(DECISIVE)
    assert write(store, monkeypatch, ep_id=EP_ID).exit_code == 0


def test_the_manifest_of_another_stage_under_the_decisive_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer(stage="faces")
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert code(report) == "ID_MISMATCH"
    assert f"{DECISIVE} is of the stage 'faces'" in report.failures[0].message


@pytest.mark.parametrize("name", UNUSABLE)
def test_another_stage_manifest_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    body, _, reason = UNUSABLE[name]
    store = producer()
    store.set(OTHER, body)
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert (report.exit_code, report.counts["written"]) == (0, 1)
    assert note(report).startswith(f"ignored: {OTHER} ")
    assert reason in note(report)
    assert [record.levelname for record in caplog.records if f"ignored: {OTHER}" in record.getMessage()] == ["WARNING"]


def test_usable_stage_manifests_lead_to_no_note(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = producer()
    store.set(OTHER, encode(stage_manifest({}, stage="faces")))
    # Replaced earlier on demand: it need not be a stage manifest.
    store.set(f"{CANONICAL}manifest.replaced-0123456789ab.json", b"{")
    assert note(write(store, monkeypatch, ep_id=EP_ID)) is None
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(
    ("body", "ignored"),
    [
        (encode(stage_manifest({}, run_id="r9")), f"ignored: {KEY} has the run_id 'r9' instead of '{RUN_ID}'"),
        (b"{", f"ignored: {KEY}, which is not JSON"),
    ],
)
def test_a_replaced_document_that_says_nothing_of_this_run_is_named(
    monkeypatch: pytest.MonkeyPatch, body: bytes, ignored: str
) -> None:
    store = producer()
    store.set(KEY, body)
    report = write(store, monkeypatch, ep_id=EP_ID, replace=True)
    assert (report.counts["replaced"], note(report)) == (1, ignored)


@pytest.mark.parametrize(
    ("artifacts", "ignored"),
    [
        ({"a": 1}, "the artifacts of {}, which are an object of 1 instead of a list"),
        ([1, {"path": 2}, {"path": "/srv/tracks.jsonl"}], "2 of the artifacts of {}, which have no path"),
    ],
)
def test_entries_of_a_stage_manifest_that_cannot_be_read_are_counted(
    monkeypatch: pytest.MonkeyPatch, artifacts: Any, ignored: str
) -> None:
    report = write(producer(artifacts=artifacts), monkeypatch, ep_id=EP_ID)
    assert (report.exit_code, note(report)) == (0, f"ignored: {ignored.format(DECISIVE)}")


def test_a_digest_that_is_not_text_does_not_count_as_no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"logical_name": "x", "path": f"{LOCAL}analytics/screentime.json", "sha256": 7}
    assert code(write(producer(artifacts=[entry]), monkeypatch, ep_id=EP_ID)) == "CHECKSUM_MISMATCH"


@pytest.mark.parametrize("finished_at", [None, "soon"])
def test_of_two_statuses_without_a_time_none_is_chosen(monkeypatch: pytest.MonkeyPatch, finished_at: Any) -> None:
    """A stage that was repeated and is still in progress has no finished_at."""
    store = producer()
    store.put(KEY, encode(stage_manifest({}, status="RUNNING", finished_at=finished_at)))
    report = write(store, monkeypatch, ep_id=EP_ID, replace=True)
    assert code(report) == "FIELD_INVALID"
    assert f"the finished_at of {KEY} is " in report.failures[0].message
    # The same status in both decides nothing.
    store.set(KEY, encode(stage_manifest({}, finished_at=finished_at)))
    assert write(store, monkeypatch, ep_id=EP_ID, replace=True).exit_code == 0


def test_an_unknown_status_has_one_message_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    report = write(producer(status="degraded"), monkeypatch, ep_id=EP_ID)
    assert code(report) == "UNKNOWN_STATUS"
    message = report.failures[0].message
    assert message.startswith(f"the status of the stage manifest {DECISIVE} is 'degraded'; expected success, ")
    assert "/artifacts" not in message
    assert code(write(producer(status=None), monkeypatch, ep_id=EP_ID)) == "UNKNOWN_STATUS"


def test_a_summary_that_cannot_be_read_is_not_reported_as_a_missing_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore({f"derived/runs/{RUN_ID}/analytics/screentime.json": SUMMARY[:-9]})
    assert code(write(store, monkeypatch)) == "ARTIFACT_PARSE"


NAIVE = {"started_at": "2025-12-23T15:15:00", "finished_at": "2025-12-23T15:16:10.5"}


@pytest.mark.parametrize("names", [["started_at"], ["finished_at"], ["started_at", "finished_at"]])
def test_times_without_an_offset_are_taken_with_the_offset_that_the_message_names(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    store = producer(**{name: NAIVE[name] for name in names})
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert report.exit_code == 65
    assert report.failures[0].message.endswith(
        f"If the producer's times are in UTC, run: telecine screenalytics write-manifest {RUN_ID} --utc-offset Z"
    )
    assert KEY not in store.objects
    assert write(store, monkeypatch, ep_id=EP_ID, utc_offset="Z").exit_code == 0
    made = json.loads(body_of(store))
    for name, field in (("started_at", "started_at"), ("finished_at", "completed_at")):
        assert made[field] == (f"{NAIVE[name]}Z" if name in names else stage_manifest({})[name])
    assert isinstance(read_files(store), ScreenalyticsRun)


def test_an_offset_is_added_to_no_time_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer(started_at="2025-12-23T10:15:00-05:00")
    assert write(store, monkeypatch, ep_id=EP_ID, utc_offset="+09:00").exit_code == 0
    assert json.loads(body_of(store))["started_at"] == "2025-12-23T10:15:00-05:00"
    bare = MemoryStore({f"{CANONICAL}person_metrics.json": encode([cast_row(1)])})
    local = {"completed_at": "2026-04-07T18:20:31", "utc_offset": "-05:00"}
    assert write(bare, monkeypatch, ep_id=EP_ID, **local).exit_code == 0
    assert json.loads(body_of(bare))["completed_at"] == "2026-04-07T18:20:31-05:00"


@pytest.mark.parametrize("value", ["5", "+5", "+0500", "UTC", "+24:00", "Z "])
def test_what_is_no_offset(value: str) -> None:
    with pytest.raises(ValueError, match="expected Z or an offset such as -05:00"):
        WriteManifestSettings(run=RUN_ID, utc_offset=value)

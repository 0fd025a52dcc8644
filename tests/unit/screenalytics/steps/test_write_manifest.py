from __future__ import annotations

import gzip
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from jobs.screenalytics.errors import Rejected
from jobs.screenalytics.model import ScreenalyticsRun, SkippedRun
from jobs.screenalytics.settings import WriteManifestSettings
from jobs.screenalytics.steps import _view, write_manifest
from shared.errors import RequestRefused, StoreUnavailable, UsageError
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import (
    DROP,
    EP_ID,
    RUN_ID,
    cast_row,
    encode,
    make_run,
    read_files,
    screentime,
    screentime_row,
)

if TYPE_CHECKING:
    from shared.report import Report

KEY = f"derived/runs/{RUN_ID}/manifest.json"
CANONICAL = f"runs/rhoslc/s06/e11/{RUN_ID}/"
LOCAL = f"/srv/screenalytics/data/manifests/{EP_ID}/runs/{RUN_ID}/"


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def stage_manifest(files: dict[str, bytes | None], **changes: Any) -> dict[str, Any]:
    """Return a stage manifest as the current producer writes it: local paths, digests of local files."""
    document = {
        "schema_version": "1.0",
        "episode_id": EP_ID,
        "run_id": RUN_ID,
        "stage": "screentime",
        "status": "SUCCESS",
        "started_at": "2025-12-23T15:15:00Z",
        "finished_at": "2025-12-23T15:16:10Z",
        "duration_s": 70.0,
        "inputs": {"artifacts": []},
        "model_versions": {},
        "thresholds": {"quality_min": 0.7},
        "counts": {"metrics": 3},
        "artifacts": [
            {"logical_name": name, "path": LOCAL + name, "sha256": None if body is None else sha256(body)}
            for name, body in files.items()
        ],
    }
    document |= changes
    return {name: value for name, value in document.items() if value is not DROP}


SUMMARY = encode(screentime([screentime_row(number) for number in (1, 2, 3)]))
TRACKS = b'{"track_id": 1}\n'


def producer(folder: str = CANONICAL, **changes: Any) -> MemoryStore:
    """Return a bucket as the current producer leaves it."""
    stage = stage_manifest({"analytics/screentime.json": SUMMARY, "tracks.jsonl": TRACKS}, **changes)
    return MemoryStore(
        {
            f"{folder}analytics/screentime.json": SUMMARY,
            f"{folder}analytics/screentime.csv": b"name\n",
            f"{folder}tracks.jsonl": TRACKS,
            f"{folder}manifests/screentime.json": encode(stage),
        }
    )


def write(store: MemoryStore, monkeypatch: pytest.MonkeyPatch, run: str = RUN_ID, **values: Any) -> Report:
    monkeypatch.setattr(write_manifest, "open_source", lambda settings: store)
    return write_manifest.run(
        WriteManifestSettings(run=run, bucket="s3://memory", **values), MemoryStageRun(pipeline="screenalytics")
    )


def body_of(store: MemoryStore, key: str = KEY) -> bytes:
    return store.objects[key][0]


def code(report: Report) -> str:
    (failure,) = report.failures
    assert (report.exit_code, report.status) == (65, "failed")
    return failure.code


def test_a_manifest_from_the_current_producers_files(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert (report.exit_code, report.counts["written"], report.failures) == (0, 1, [])
    assert json.loads(body_of(store)) == {
        "schema_version": "1.0",
        "run_id": RUN_ID,
        "ep_id": EP_ID,
        "status": "success",
        "attempt": 3,
        "started_at": "2025-12-23T15:15:00Z",
        "completed_at": "2025-12-23T15:16:10Z",
        "artifacts": [
            {
                "artifact_key": "screentime",
                "artifact_kind": "person_metrics",
                "s3_key": f"{CANONICAL}analytics/screentime.json",
                "schema_version": "screentime.v1",
                "content_type": "application/json",
                "size_bytes": len(SUMMARY),
                "checksum_sha256": sha256(SUMMARY),
                "row_count": 3,
            },
            {
                "artifact_key": "tracks.jsonl",
                "artifact_kind": "tracks.jsonl",
                "s3_key": f"{CANONICAL}tracks.jsonl",
                "schema_version": "unversioned",
                "size_bytes": len(TRACKS),
                "checksum_sha256": sha256(TRACKS),
            },
        ],
    }
    run = read_files(store)
    assert isinstance(run, ScreenalyticsRun)
    assert (len(run.metrics), run.warnings, run.attempt) == (3, (), 3)


def test_the_episode_comes_from_the_files_in_the_folder_of_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer(f"derived/runs/{RUN_ID}/")
    assert write(store, monkeypatch).counts["written"] == 1
    assert json.loads(body_of(store))["ep_id"] == EP_ID
    # Without stage manifests, the episode and the time come from the summary alone.
    bare = MemoryStore({f"derived/runs/{RUN_ID}/analytics/screentime.json": SUMMARY})
    assert write(bare, monkeypatch).exit_code == 0
    manifest = json.loads(body_of(bare))
    assert (manifest["ep_id"], manifest["completed_at"]) == (EP_ID, "2025-12-23T15:16:09.412Z")
    assert isinstance(read_files(bare), ScreenalyticsRun)


def test_a_stage_manifest_at_the_key_is_replaced_only_on_demand_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    stage = store.objects.pop(f"{CANONICAL}manifests/screentime.json")[0]
    store.set(KEY, stage)
    before = dict(store.objects)
    report = write(store, monkeypatch)
    assert code(report) == "MANIFEST_EXISTS"
    assert "is a stage manifest; nothing was written" in report.failures[0].message
    assert f"write-manifest {RUN_ID} --replace" in report.failures[0].message
    assert store.objects == before
    # The stage manifest determines the episode, and therefore the folder by show.
    assert write(store, monkeypatch, replace=True).counts["replaced"] == 1
    assert body_of(store, f"derived/runs/{RUN_ID}/manifest.replaced-{sha256(stage)[:12]}.json") == stage
    assert isinstance(read_files(store), ScreenalyticsRun)


def test_writing_the_same_manifest_again_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    write(store, monkeypatch, ep_id=EP_ID)
    before = dict(store.objects)
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert (report.exit_code, report.counts["unchanged"], store.objects) == (0, 1, before)


def test_a_manifest_with_different_content_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(make_run())
    report = write(store, monkeypatch)
    assert code(report) == "MANIFEST_EXISTS"
    assert "a RunManifest 1.0" in report.failures[0].message
    for body, named in ((b"{", "another document"), (encode({"artifact_schema_version": "x"}), "in another format")):
        other = producer()
        other.set(KEY, body)
        report = write(other, monkeypatch, ep_id=EP_ID)
        assert code(report) == "MANIFEST_EXISTS"
        assert named in report.failures[0].message
        assert body_of(other) == body


def test_the_format_with_one_entry_per_person(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, folder = "0f9c2c1e-6c0e-4a53-9b39-5d0f2f6f7a10", "derived/runs/0f9c2c1e-6c0e-4a53-9b39-5d0f2f6f7a10/"
    own = {
        "artifact_schema_version": "cast_screentime.v1",
        "evidence_count": 880,
        "generated_at": "2026-04-07T18:20:31.001+00:00",
        "run_id": run_id,
        "segment_count": 880,
    }
    store = MemoryStore(
        {f"{folder}manifest.json": encode(own), f"{folder}person_metrics.json": encode([cast_row(1), cast_row(2)])}
    )
    report = write(store, monkeypatch, run_id, replace=True)
    assert code(report) == "FIELD_MISSING"
    assert "--ep-id" in report.failures[0].message
    assert write(store, monkeypatch, run_id, replace=True, ep_id=EP_ID).counts["replaced"] == 1
    run = read_files(store, run_id=run_id)
    assert isinstance(run, ScreenalyticsRun)
    assert (len(run.metrics), run.attempt, run.artifacts[0].row_count) == (2, None, 2)
    assert run.artifacts[0].schema_version == "cast_screentime.v1"


def test_a_compressed_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore({f"{CANONICAL}analytics/screentime.json.gz": gzip.compress(SUMMARY)})
    assert write(store, monkeypatch, ep_id=EP_ID).exit_code == 0
    run = read_files(store)
    assert isinstance(run, ScreenalyticsRun)
    assert (run.artifacts[0].content_type, len(run.metrics)) == ("application/gzip", 3)


def test_a_summary_that_compresses_well(monkeypatch: pytest.MonkeyPatch) -> None:
    body = SUMMARY + b" " * 4_000_000
    store = MemoryStore({f"{CANONICAL}analytics/screentime.json.gz": gzip.compress(body)})
    assert write(store, monkeypatch, ep_id=EP_ID).exit_code == 0
    store = MemoryStore({f"{CANONICAL}analytics/screentime.json.gz": gzip.compress(b'{"a": "' + b" " * 2_000_000)})
    assert code(write(store, monkeypatch, ep_id=EP_ID, max_artifact_mb=1)) == "ARTIFACT_PARSE"
    store = MemoryStore({f"{CANONICAL}analytics/screentime.json.gz": gzip.compress(SUMMARY)[:-9]})
    assert code(write(store, monkeypatch, ep_id=EP_ID)) == "DECODE"


def test_an_object_that_does_not_match_the_stage_manifest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that skips existing objects leaves the old one, whose digest would make it look correct."""
    store = producer()
    store.set(f"{CANONICAL}analytics/screentime.json", SUMMARY.replace(b"Person 1", b"Person 9"))
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert code(report) == "CHECKSUM_MISMATCH"
    assert KEY not in store.objects


def test_files_that_are_missing_or_old_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"analytics/screentime.json": None, "tracks.jsonl": b"new", "faces.jsonl": b"", "person_metrics": None}
    store = producer()
    store.set(f"{CANONICAL}manifests/screentime.json", encode(stage_manifest(files)))
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert report.exit_code == 0
    table = report.sections[0]
    assert table.rows[0][-1] == "not listed: tracks.jsonl, faces.jsonl, person_metrics"  # type: ignore[union-attr]
    assert len(json.loads(body_of(store))["artifacts"]) == 1


@pytest.mark.parametrize("status", ["FAILED", "BLOCKED"])
def test_a_run_that_did_not_succeed_has_a_manifest_that_says_so(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    store = producer(status=status)
    assert write(store, monkeypatch, ep_id=EP_ID).exit_code == 0
    run = read_files(store)
    assert isinstance(run, SkippedRun)
    assert run.status == status.lower()


def test_what_ingest_would_refuse_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = encode(screentime([screentime_row(1, visual_s=-1, face_visible_seconds=-1)]))
    for changes, expected in (
        ({f"{CANONICAL}analytics/screentime.json": bad}, "NEGATIVE"),
        ({f"{CANONICAL}analytics/screentime.json": b"[1"}, "ARTIFACT_PARSE"),
        ({f"{CANONICAL}analytics/screentime.json": b'{"generated_at": "2026-01-01T00:00:00Z"}'}, "FIELD_MISSING"),
        ({f"{CANONICAL}person_metrics.json": b"[]"}, "DUPLICATE_ARTIFACT"),
    ):
        store = producer()
        store.objects.pop(f"{CANONICAL}manifests/screentime.json")
        for key, body in changes.items():
            store.set(key, body)
        assert code(write(store, monkeypatch, ep_id=EP_ID)) == expected
        assert KEY not in store.objects
    for changed, expected in (
        ({"status": "RUNNING"}, "RUN_RUNNING"),
        ({"status": "degraded"}, "UNKNOWN_STATUS"),
        ({"finished_at": "2025-12-23T15:16:10"}, "NAIVE_TIMESTAMP"),
        ({"episode_id": "rhoslc-s06e12"}, "ID_MISMATCH"),
    ):
        store = producer(**changed)
        assert code(write(store, monkeypatch, ep_id=EP_ID)) == expected
        assert KEY not in store.objects


def test_one_of_two_summaries_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    store.set(f"{CANONICAL}person_metrics.json", b"[]")
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert code(report) == "DUPLICATE_ARTIFACT"
    assert f"--summary {CANONICAL}analytics/screentime.json" in report.failures[0].message
    assert write(store, monkeypatch, ep_id=EP_ID, summary=f"{CANONICAL}analytics/screentime.json").exit_code == 0
    assert code(write(producer(), monkeypatch, ep_id=EP_ID, summary=f"{CANONICAL}x.json")) == "ARTIFACT_MISSING"
    key = f"{CANONICAL}$(reboot)/screentime.json"
    store.set(key, b"[]")
    assert write(store, monkeypatch, ep_id=EP_ID).failures[0].message.endswith(f"--summary '{key}'")


def test_a_run_without_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code(write(MemoryStore({}), monkeypatch)) == "FIELD_MISSING"
    assert code(write(MemoryStore({}), monkeypatch, ep_id=EP_ID)) == "NO_SUMMARY"


def test_a_run_whose_files_have_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore({f"derived/runs/{RUN_ID}/person_metrics.json": encode([cast_row(1)])})
    report = write(store, monkeypatch, ep_id=EP_ID)
    assert code(report) == "FIELD_MISSING"
    assert "--completed-at" in report.failures[0].message
    assert write(store, monkeypatch, ep_id=EP_ID, completed_at="2026-04-07T18:20:31Z").exit_code == 0
    assert json.loads(body_of(store))["completed_at"] == "2026-04-07T18:20:31Z"


def test_several_runs_one_of_them_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    report = write(store, monkeypatch, f"{RUN_ID}, other", ep_id=EP_ID)
    assert (report.counts["written"], report.counts["failed"], report.exit_code) == (1, 1, 65)
    assert KEY in store.objects
    with pytest.raises(UsageError, match="is not a run id"):
        write(store, monkeypatch, "a,../b")


def test_a_dry_run_prints_the_manifest_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    before = dict(store.objects)
    report = write(store, monkeypatch, ep_id=EP_ID, dry_run=True)
    assert store.objects == before
    console = Console(file=io.StringIO(), width=200)
    _view.show_manifests(report, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    text, _, rest = shown.partition("\n}\n")
    assert json.loads(text + "\n}")["ep_id"] == EP_ID
    assert "dry run, nothing written: 1 written" in rest
    # It is printed even if another document is at the key.
    store.set(KEY, b"{}")
    report = write(store, monkeypatch, ep_id=EP_ID, dry_run=True)
    assert code(report) == "MANIFEST_EXISTS"
    assert len(report.sections) == 3
    assert write(store, monkeypatch, ep_id=EP_ID, dry_run=True, replace=True).exit_code == 0
    assert body_of(store) == b"{}"


def test_a_store_that_does_not_answer_ends_with_75(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    store.fail("list", StoreUnavailable("503"), times=float("inf"))
    with pytest.raises(StoreUnavailable) as caught:
        write(store, monkeypatch, ep_id=EP_ID)
    assert not isinstance(caught.value, Rejected)
    assert caught.value.exit_code == 75


def test_a_refused_file_of_one_run_stops_no_other_but_of_every_run_it_is_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = producer()
    for key in list(store.objects):
        store.set(key.replace(RUN_ID, "refused"), store.objects[key][0])
    for action in ("stat", "read", "stream"):
        for key in list(store.objects):
            if "/refused/" in key:
                store.fail(action, RequestRefused("restore it"), key=key, times=float("inf"))
    report = write(store, monkeypatch, f"refused,{RUN_ID}", ep_id=EP_ID)
    assert [(failure.item, failure.code) for failure in report.failures] == [("refused", "OBJECT_REFUSED")]
    assert (report.counts["written"], report.exit_code) == (1, 65)
    with pytest.raises(RequestRefused, match="restore it") as caught:
        write(store, monkeypatch, "refused", ep_id=EP_ID)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(("older", "newer"), [("FAILED", "SUCCESS"), ("SUCCESS", "FAILED")])
def test_the_manifest_of_a_repeated_stage_is_the_one_that_ended_last(
    older: str, newer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = producer(status=newer, finished_at="2025-12-23T10:16:10-05:00")
    before = stage_manifest({"analytics/screentime.json": b"old"}, status=older, finished_at="2025-12-23T15:16:09Z")
    store.put(KEY, encode(before))
    assert write(store, monkeypatch, replace=True).counts["replaced"] == 1
    made = json.loads(body_of(store))
    assert (made["status"], made["completed_at"]) == (newer.lower(), "2025-12-23T10:16:10-05:00")


def test_a_time_that_is_a_number_fails_its_run_only(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer(finished_at=1766503000.5)
    report = write(store, monkeypatch, run=f"{RUN_ID},nosuch", ep_id=EP_ID)
    assert [failure.code for failure in report.failures] == ["FIELD_INVALID", "NO_SUMMARY"]
    assert "/completed_at is '1766503000.5' (not a timestamp)" in report.failures[0].message
    assert KEY not in store.objects


@pytest.mark.parametrize("name", ["started_at", "finished_at"])
@pytest.mark.parametrize("value", [1.5, [1.5], {"a": [None]}])
def test_a_time_that_is_not_text_is_refused_and_stops_no_other_run(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    assert code(write(producer(**{name: value}), monkeypatch, ep_id=EP_ID)) == "FIELD_INVALID"


@pytest.mark.parametrize("ep_id", ["../../x", "a/b-s01e02", "x" * 256, f"x-s{'9' * 5000}e1", {"a": 1}])
def test_an_episode_that_is_no_id_leads_to_no_other_folder(monkeypatch: pytest.MonkeyPatch, ep_id: Any) -> None:
    store = producer(f"derived/runs/{RUN_ID}/", episode_id=ep_id)
    assert code(write(store, monkeypatch)) == "FIELD_INVALID"
    assert {key for name, key in store.calls if name == "list"} == {
        f"derived/runs/{RUN_ID}/",
        f"runs/unknown/{RUN_ID}/",
    }


def test_too_many_files_of_stage_manifests_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code(write(producer(artifacts=[{"path": "x"}] * 1001), monkeypatch, ep_id=EP_ID)) == "TOO_MANY"
    assert write(producer(artifacts=[{"path": "x"}] * 1000), monkeypatch, ep_id=EP_ID).exit_code == 0


@pytest.mark.parametrize(
    ("document", "expected", "what"),
    [
        (stage_manifest({"tracks.jsonl": TRACKS}), "FIELD_MISSING", "a stage manifest"),
        (
            {"run_id": RUN_ID, "artifact_schema_version": "1", "counts": {"persons": 2}},
            "MISSING_VERSION",
            "a manifest in another format",
        ),
    ],
)
def test_ingest_names_this_command_for_a_manifest_in_the_format_of_a_producer(
    document: dict[str, Any], expected: str, what: str
) -> None:
    store = producer()
    store.put(KEY, encode(document))
    with pytest.raises(Rejected) as caught:
        read_files(store)
    assert caught.value.code == expected
    assert caught.value.message.endswith(
        f". It is {what}; to make a RunManifest over the files of the run, run: telecine screenalytics write-manifest"
        f" {RUN_ID} --replace"
    )


def test_a_document_too_large_for_a_manifest_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    store = producer()
    store.set(KEY, b" " * 2_000_001)
    reads = store.count("read")
    report = write(store, monkeypatch, ep_id=EP_ID, replace=True, max_manifest_mb=2)
    assert code(report) == "TOO_LARGE"
    assert store.count("read") == reads

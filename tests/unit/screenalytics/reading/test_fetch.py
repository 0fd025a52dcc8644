from __future__ import annotations

import gzip
import hashlib
import tracemalloc
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.screenalytics.errors import Rejected
from jobs.screenalytics.model import ManifestRef, ScreenalyticsRun
from jobs.screenalytics.reading.fetch import fetch_manifest
from jobs.screenalytics.settings import IngestSettings
from shared.errors import AccessDenied, ObjectChanged, StoreUnavailable
from shared.storage import FileStore
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import (
    DROP,
    RUN_ID,
    encode,
    make_run,
    put_run,
    read_files,
    rejected,
    screentime,
    screentime_row,
)

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = f"derived/runs/{RUN_ID}"
KEY = f"{FOLDER}/manifest.json"
ARTIFACT = f"{FOLDER}/analytics/screentime.json"
DENIED = AccessDenied("access denied: s3:GetObject (403)")


def read_run(files: Any, **more: Any) -> ScreenalyticsRun:
    run = read_files(files, **more)
    assert isinstance(run, ScreenalyticsRun)
    return run


def with_artifact(body: bytes, **changes: Any) -> dict[str, bytes]:
    return make_run(document=body, artifact={"row_count": 3, **changes})


def good_body() -> bytes:
    return make_run()[ARTIFACT]


def test_a_listed_manifest_costs_one_request() -> None:
    store = MemoryStore(make_run())
    info = store.stat(KEY)
    store.calls.clear()
    found = fetch_manifest(store, ManifestRef(RUN_ID, KEY, info.etag, info.modified), IngestSettings())
    assert store.calls == [("stream", KEY)]
    assert (found.etag, found.modified) == (info.etag, info.modified)
    assert found.sha256 == hashlib.sha256(found.body).hexdigest()


def test_a_run_is_read_once() -> None:
    store = MemoryStore(make_run())
    run = read_run(store)
    assert store.calls == [("stat", KEY), ("stream", KEY), ("stream", ARTIFACT)]
    assert run.bytes_read == sum(map(len, make_run().values()))


def test_case_51_a_manifest_replaced_after_its_listing_is_read_anew() -> None:
    store = MemoryStore(make_run(attempt=1))
    info = store.stat(KEY)
    store.set(KEY, make_run(attempt=2)[KEY])
    found = fetch_manifest(store, ManifestRef(RUN_ID, KEY, info.etag, info.modified), IngestSettings())
    assert found.etag == store.stat(KEY).etag != info.etag
    assert found.body == make_run(attempt=2)[KEY]


def test_case_51_one_that_never_rests_is_for_another_time() -> None:
    store = MemoryStore(make_run())
    attempts = iter(range(9))
    store.on("stream", lambda key: store.set(KEY, make_run(attempt=next(attempts))[KEY]))
    with pytest.raises(ObjectChanged):
        read_files(store)


def test_case_51_an_artifact_that_changes_while_it_is_read_is_read_anew() -> None:
    store = MemoryStore(make_run())
    store.fail("stream", ObjectChanged("changed"), key=ARTIFACT)
    read_run(store)
    store.fail("stream", ObjectChanged("changed"), key=ARTIFACT, times=2)
    with pytest.raises(ObjectChanged):
        read_files(store)


def test_case_57_a_manifest_that_was_never_listed_is_waited_for() -> None:
    with pytest.raises(Rejected) as caught:
        fetch_manifest(MemoryStore(), ManifestRef(RUN_ID, KEY), IngestSettings())
    assert (caught.value.code, caught.value.kind) == ("MANIFEST_NOT_YET", "not_ready")


def test_case_59_one_that_was_listed_and_is_gone_was_deleted() -> None:
    store = MemoryStore(make_run())
    info = store.stat(KEY)
    store.delete(KEY)
    with pytest.raises(Rejected) as caught:
        fetch_manifest(store, ManifestRef(RUN_ID, KEY, info.etag, info.modified), IngestSettings())
    assert caught.value.code == "SOURCE_DELETED"


def test_case_16_a_missing_artifact_is_waited_for_within_the_grace() -> None:
    files = make_run()
    del files[ARTIFACT]
    store = MemoryStore(files)
    written = store.stat(KEY).modified
    early = rejected(store, now=written + timedelta(minutes=14))
    assert (early.code, early.kind) == ("ARTIFACT_NOT_YET", "not_ready")
    late = rejected(store, now=written + timedelta(minutes=15))
    assert (late.code, late.kind) == ("ARTIFACT_MISSING", "permanent")
    assert ARTIFACT in late.message


def test_case_17_one_artifact_that_is_refused_is_that_runs_error() -> None:
    store = MemoryStore(make_run())
    store.fail("stream", DENIED, key=ARTIFACT, times=9)
    error = rejected(store)
    assert (error.code, error.kind) == ("ACCESS_DENIED", "permanent")
    assert "s3:ListBucket" in error.message


def test_case_63_credentials_that_are_refused_for_the_manifest_too_end_the_stage() -> None:
    store = MemoryStore(make_run())
    store.fail("stream", DENIED, key=ARTIFACT, times=9)
    store.on("stream", lambda key: key == KEY and store.fail("stream", DENIED, key=KEY))
    with pytest.raises(AccessDenied, match="403"):
        read_files(store)
    refused = MemoryStore(make_run())
    refused.fail("stream", DENIED, key=KEY)
    with pytest.raises(AccessDenied):
        read_files(refused)


@pytest.mark.parametrize("key", [KEY, ARTIFACT])
def test_case_63_a_store_that_is_busy_is_for_another_time(key: str) -> None:
    store = MemoryStore(make_run())
    store.fail("stream", StoreUnavailable("SlowDown"), key=key)
    with pytest.raises(StoreUnavailable):
        read_files(store)


def test_case_18_another_checksum_is_read_once_more() -> None:
    wrong = "0" * 64
    store = MemoryStore(make_run(artifact={"checksum_sha256": wrong}))
    error = rejected(store)
    assert (error.code, error.data["expected"]) == ("CHECKSUM_MISMATCH", wrong)
    assert error.data["actual"] == hashlib.sha256(good_body()).hexdigest()
    assert store.calls.count(("stream", ARTIFACT)) == 2


def test_case_18_one_that_is_right_at_the_second_look_is_taken() -> None:
    files = make_run()
    store = MemoryStore(files | {ARTIFACT: encode(screentime([screentime_row(9)]))})
    looks = iter((None, files[ARTIFACT]))
    store.on("stream", lambda key: key == ARTIFACT and (body := next(looks)) and store.set(ARTIFACT, body))
    assert len(read_run(store).metrics) == 3


@pytest.mark.parametrize("off", [-1, 1])
def test_case_20_another_size_is_read_once_more(off: int) -> None:
    size = len(good_body())
    store = MemoryStore(make_run(artifact={"size_bytes": size + off}))
    error = rejected(store)
    assert (error.code, error.data["expected"], error.data["actual"]) == ("SIZE_MISMATCH", size + off, size)
    assert store.calls.count(("stream", ARTIFACT)) == 2


def test_case_20_size_and_row_count_may_be_left_out() -> None:
    run = read_run(make_run(artifact={"size_bytes": DROP, "row_count": None}))
    assert (run.artifacts[0].size_bytes, run.artifacts[0].row_count) == (None, None)


def test_a_gzip_file_is_unpacked_and_its_checksum_is_of_what_is_stored() -> None:
    body = gzip.compress(good_body())
    run = read_run(with_artifact(body))
    assert run.metrics == read_run(make_run()).metrics
    assert run.artifacts[0].size_bytes == len(body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(gzip.compress(good_body())[:-20], "truncated", id="case 21: cut short"),
        pytest.param(gzip.compress(good_body())[:-8], "truncated", id="case 21: without its trailer"),
        pytest.param(gzip.compress(good_body())[:-8] + b"\0" * 8, "incorrect", id="case 21: wrong CRC"),
        pytest.param(gzip.compress(good_body()) + b"\0", "1 bytes after", id="case 21: a trailing byte"),
        pytest.param(gzip.compress(good_body()) * 2, "after the end", id="case 21: two members"),
        pytest.param(b"\x1f\x8b", "truncated", id="case 21: two bytes"),
        pytest.param(b"\x1f\x8b\x09" + b"\0" * 20, "gzip", id="case 21: an unknown method"),
    ],
)
def test_a_broken_gzip_file(body: bytes, says: str) -> None:
    error = rejected(with_artifact(body))
    assert error.code == "DECODE"
    assert says in error.message


@pytest.mark.parametrize("changes", [{"content_type": "application/gzip"}, {"content_type": "application/x-gzip"}])
def test_case_21_what_is_declared_as_gzip_and_is_none(changes: dict[str, Any]) -> None:
    assert rejected(make_run(artifact=changes)).code == "DECODE"


def test_case_22_a_gzip_bomb() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b" " * 1_000_000
    body = b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()
    assert len(body) < 250_000
    files = with_artifact(body)
    tracemalloc.start()
    try:
        assert rejected(files).code == "TOO_LARGE"
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_case_22_a_large_artifact_is_not_asked_for_when_the_manifest_says_so() -> None:
    store = MemoryStore(make_run(artifact={"size_bytes": 5_000_000_000}))
    assert rejected(store).code == "TOO_LARGE"
    assert store.count("stream") == 1


def test_case_22_and_is_given_up_early_when_it_does_not(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    put_run(store, make_run(document=b" " * 9_000_000, artifact={"size_bytes": None}))
    assert rejected(store, max_artifact_mb=1).code == "TOO_LARGE"
    assert store.metrics.snapshot()["bytes_read"] < 3_000_000


def test_an_artifact_of_the_largest_size() -> None:
    body = good_body().ljust(1_000_000)
    assert len(read_run(with_artifact(body), max_artifact_mb=1).metrics) == 3
    assert rejected(with_artifact(body + b" "), max_artifact_mb=1).code == "TOO_LARGE"
    assert len(read_run(with_artifact(gzip.compress(body)), max_artifact_mb=1).metrics) == 3
    assert rejected(with_artifact(gzip.compress(body + b" ")), max_artifact_mb=1).code == "TOO_LARGE"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"name,cast_id\nAna,6a1f\n", "ARTIFACT_PARSE", id="case 24"),
        pytest.param(b"", "ARTIFACT_PARSE", id="case 24: empty"),
        pytest.param(b'{"metrics": [], "metrics": []}', "DUPLICATE_KEY", id="case 10: in an artifact"),
        pytest.param(b'{"metrics": [{"visual_s": NaN}]}', "NON_FINITE", id="case 11: in an artifact"),
        pytest.param(b'{"metrics": [{"visual_s": 1e999}]}', "NON_FINITE", id="case 11: 1e999 in an artifact"),
        pytest.param(b"[]", "NOT_AN_OBJECT", id="case 13: in an artifact"),
    ],
)
def test_what_is_no_summary(body: bytes, code: str) -> None:
    error = rejected(with_artifact(body))
    assert (error.code, error.data["artifact_key"]) == (code, "screentime")


def test_a_folder_as_the_store(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    put_run(store, make_run())
    assert read_run(store).metrics == read_run(make_run()).metrics


@pytest.mark.parametrize("name", ["x" * 300, "analytics", "analytics/screentime.json/x"])
def test_a_key_that_a_folder_cannot_hold_is_the_runs_error(tmp_path: Path, name: str) -> None:
    store = FileStore(tmp_path)
    put_run(store, make_run())
    put_run(store, {KEY: make_run(artifact={"s3_key": f"{FOLDER}/{name}"})[KEY]})
    assert rejected(store, now=store.stat(KEY).modified + timedelta(hours=1)).code in {
        "ARTIFACT_MISSING",
        "NOT_AN_OBJECT_KEY",
    }


def test_a_link_that_leads_out_of_the_folder_is_the_runs_error(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes(good_body())
    store = FileStore(tmp_path / "store")
    put_run(store, make_run())
    link = tmp_path / "store" / ARTIFACT
    link.unlink()
    link.symlink_to(tmp_path / "secret.json")
    assert rejected(store).code == "ACCESS_DENIED"

from __future__ import annotations

import pytest

from jobs.gamedata.extraction.batches import Batch, Item, RunContext
from jobs.gamedata.extraction.worker import extract_batch
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.parts.store import list_parts, read_parts, write_part
from jobs.gamedata.settings import VerifySettings
from jobs.gamedata.steps import verify
from shared.errors import BucketMissing
from shared.storage import open_store
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.sessions import extract_fake

KEYS = ("a/1.tar", "a/2.tar", "b/3.tar")


@pytest.fixture
def store(tmp_path):
    source = open_store(f"file://{tmp_path}/in", create=True)
    target = open_store(f"file://{tmp_path}/out", create=True)
    for key in KEYS:
        source.put(key, key.encode())
    source.put("bad.tar", b"bad")
    items = tuple(Item(info.key, info.size, info.etag) for info in source.list())
    context = RunContext(SamplingSpec(), store=True, run_id="run", generation=1, version="0")
    extract = extract_fake(fail={b"bad": "video_missing"})
    extract_batch(Batch(0, items), context, source=source, target=target, extract=extract)
    return target


def check(store, **flags):
    return verify.run(VerifySettings(manifest_bucket=store.uri, **flags), MemoryStageRun())


def keys(store):
    return sorted(read_parts(store, ["s3_key"])["s3_key"].to_pylist())


def flip(store, key, *, keep_etag=False, monkeypatch=None):
    body = bytearray(store.read(key))
    body[len(body) // 2] ^= 1
    store.put(key, bytes(body))


def test_what_matches_is_left_as_it_is(store):
    before = [(info.key, info.etag) for info in store.list()]
    report = check(store)
    assert (report.exit_code, report.status) == (0, "success")
    assert report.counts == {"checked": 3, "sound": 3, "retired": 0}
    assert [(info.key, info.etag) for info in store.list()] == before


@pytest.mark.parametrize("quick", [False, True])
def test_rows_of_lost_and_changed_files_are_retired(store, quick):
    store.delete("a/1.pt")
    flip(store, "b/3.pt")
    report = check(store, quick=quick)
    assert report.rejects["pt_missing"] == 1
    assert report.rejects["pt_changed"] == 1
    assert report.counts == {"checked": 3, "sound": 1, "retired": 2}
    assert keys(store) == ["a/2.tar", "bad.tar"]
    assert len(list_parts(store)) == 1
    assert store.stat("b/3.pt")
    assert check(store, quick=quick).counts["retired"] == 0


def test_a_copied_bucket_is_taken_over(store):
    body = store.read("a/1.pt")
    store.delete("a/1.pt")
    store.put("a/1.pt", body)
    report = check(store)
    assert report.rejects == {"pt_moved": 1}
    assert check(store).status == "success"
    row = next(row for row in read_parts(store).to_pylist() if row["s3_key"] == "a/1.tar")
    assert row["pt_etag"] == store.stat("a/1.pt").etag


def test_a_dry_run_changes_nothing_and_exits_with_65(store):
    store.delete("a/1.pt")
    before = [(info.key, info.etag) for info in store.list()]
    report = check(store, dry_run=True)
    assert (report.exit_code, report.counts["to_retire"]) == (65, 1)
    assert [(info.key, info.etag) for info in store.list()] == before


def test_a_prefix_limits_what_is_looked_at(store):
    store.delete("a/1.pt")
    store.delete("b/3.pt")
    report = check(store, prefix="b/")
    assert (report.counts["checked"], report.counts["retired"]) == (1, 1)
    assert keys(store) == ["a/1.tar", "a/2.tar", "bad.tar"]


def test_files_that_nobody_recorded_are_named_and_kept(store):
    store.put("own.pt", store.read("a/1.pt"))
    store.put("old.pt", b"\x80\x02}.")
    store.put("junk.pt", b"junk")
    report = check(store)
    assert report.rejects == {"pt_invalid": 1, "pt_legacy": 1, "pt_unrecorded": 1}
    assert report.counts["retired"] == 0
    assert store.stat("junk.pt")


def test_a_broken_part_goes(store):
    store.put("_stats/00000009-broken.parquet", b"junk")
    report = check(store)
    assert report.rejects == {"part_broken": 1}
    assert len(list_parts(store)) == 1


def test_a_part_whose_rows_are_all_retired_goes(store):
    for key in ("a/1.pt", "a/2.pt", "b/3.pt"):
        store.delete(key)
    check(store)
    assert keys(store) == ["bad.tar"]


def test_damage_under_the_same_etag_is_found_by_reading(store, monkeypatch):
    stream = type(store).stream

    def damaged(self, key, **more):
        for chunk in stream(self, key, **more):
            yield chunk if key != "a/2.pt" else chunk[:-1] + b"!"

    monkeypatch.setattr(type(store), "stream", damaged)
    assert check(store, quick=True).status == "success"
    assert check(store).rejects == {"pt_damaged": 1}


def test_a_missing_bucket_is_named(tmp_path):
    with pytest.raises(BucketMissing):
        verify.run(VerifySettings(manifest_bucket=f"{tmp_path}/none"), MemoryStageRun())


@pytest.mark.parametrize("pt_key", [None, "", "../out/a/1.pt", "a\0b", "a//b", "x" * 2000])
def test_a_row_whose_file_cannot_exist_is_retired(store, pt_key):
    write_part(store, [parts.part_row("c.tar", stored=True, pt_key=pt_key, pt_size=1, pt_etag="e", pt_sha256="0")])
    report = check(store)
    assert (report.exit_code, report.rejects) == (65, {"pt_missing": 1})
    assert keys(store) == ["a/1.tar", "a/2.tar", "b/3.tar", "bad.tar"]

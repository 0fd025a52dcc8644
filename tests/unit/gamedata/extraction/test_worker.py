from __future__ import annotations

import dataclasses
import hashlib
import json
import math

import numpy as np
import pytest

from jobs.gamedata import load
from jobs.gamedata.errors import item_error
from jobs.gamedata.extraction.batches import Batch, Item, RunContext
from jobs.gamedata.extraction.worker import commit_failures, extract_batch, extract_item
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.parts.store import list_parts, read_parts
from jobs.gamedata.ranges.object_source import ObjectSource
from shared.errors import AccessDenied, EndpointUnreachable, ItemError, RequestRefused, StorageFull, StoreUnavailable
from tests.fakes.sessions import extract_fake, make_session, make_statistics
from tests.fakes.store import MemoryStore

CONTEXT = RunContext(spec=SamplingSpec(), store=True, run_id="run", generation=3, version="1.2", revision="abc")


def buckets(*keys):
    source = MemoryStore({key: f"body of {key}".encode() for key in keys}, uri="s3://source")
    return source, MemoryStore(uri="s3://target")


def items(source):
    return tuple(Item(info.key, info.size, info.etag) for info in source.list())


def work(source, target, context=CONTEXT, **fake):
    batch = Batch(4, items(source))
    return extract_batch(batch, context, source=source, target=target, extract=extract_fake(**fake))


def rows(target):
    return {row["s3_key"]: row for row in read_parts(target).to_pylist()}


def test_a_batch_leaves_a_pt_for_each_tar_and_one_part():
    source, target = buckets("a/b.tar", "c.tar")
    result = work(source, target)
    assert sorted(target.objects) == [result.part, "a/b.pt", "c.pt"]
    assert [each.item.key for each in result.items] == ["a/b.tar", "c.tar"]
    assert all(each.code is None and each.sampled == 35 and each.duration_s == 600 for each in result.items)
    assert (result.number, result.worker.count(":")) == (4, 1)


def test_a_row_records_the_stored_file():
    source, target = buckets("a.tar")
    work(source, target)
    row = rows(target)["a.tar"]
    body = target.objects["a.pt"][0]
    assert row["pt_sha256"] == hashlib.sha256(body).hexdigest()
    assert (row["pt_key"], row["pt_size"], row["pt_etag"]) == ("a.pt", len(body), target.stat("a.pt").etag)
    assert (row["source_etag"], row["source_size"]) == (source.stat("a.tar").etag, 13)
    assert (row["generation"], row["attempt"], row["run_id"]) == (3, 1, "run")
    assert (row["version"], row["revision"], row["device"]) == ("1.2", "abc", "cpu")
    assert row["bytes_read"] == 13
    data = load(body)
    assert (data.s3_key, data.source_etag) == ("a.tar", row["source_etag"])
    assert json.loads(row["video_metadata"]) == data.video_metadata
    assert row["extracted_at"].isoformat() == data.extracted_at


def test_the_pt_is_put_before_the_part():
    source, target = buckets("a.tar", "b.tar")
    work(source, target)
    puts = [key for action, key in target.calls if action == "put"]
    assert puts[:2] == ["a.pt", "b.pt"]
    assert puts[2].startswith("_stats/")


@pytest.mark.parametrize(
    "change",
    [
        {"reader": ["ranges"]},
        {"reader": "\ud800"},
        {"decoded": 2**80},
        {"duration_s": "ten"},
        {"warnings": 5},
        {"statistics": dataclasses.replace(make_statistics(np.arange(35.0)), luma_mean=np.zeros(2, np.float32))},
        {"statistics": dataclasses.replace(make_statistics(np.arange(35.0)), signature=np.zeros(7, np.uint8))},
    ],
    ids=["list", "surrogate", "number", "text", "no list", "fewer values", "part of a thumbnail"],
)
def test_a_session_with_wrong_types_fails_alone(change):
    """A compromised decoder process may send such values."""
    source, target = buckets("a.tar", "b.tar")

    def extract(tar, spec):
        session = make_session(spec=spec)
        return dataclasses.replace(session, **change) if tar.read(0, 9) == b"body of b" else session

    result = extract_batch(Batch(4, items(source)), CONTEXT, source=source, target=target, extract=extract)
    assert [each.code for each in result.items] == [None, "decode_crashed" if "warnings" not in change else "internal"]
    assert rows(target)["a.tar"]["outcome"] == "ok"


def test_one_bad_of_three_is_an_error_row(caplog):
    source, target = buckets("a.tar", "b.tar", "c.tar")
    result = work(source, target, fail={b"body of b": "video_multiple"})
    assert [each.code for each in result.items] == [None, "video_multiple", None]
    assert {key for key in target.objects if key.endswith(".pt")} == {"a.pt", "c.pt"}
    row = rows(target)["b.tar"]
    assert (row["outcome"], row["error_code"], row["error_retryable"]) == ("error", "video_multiple", False)
    assert row["error_message"] == "video_multiple as asked"
    assert "ItemError" in row["error_traceback"]
    assert row["stored"] is False
    assert row["frame_time_s"] is None
    assert "b.tar" in caplog.text


def test_the_traceback_in_a_row_shows_no_secret():
    source, target = buckets("a.tar")

    def extract(tar, spec):
        raise ValueError("cannot connect to postgresql://u:hunter2hunter2@host/db")

    extract_batch(Batch(1, items(source)), CONTEXT, source=source, target=target, extract=extract)
    row = rows(target)["a.tar"]
    assert "postgresql://u:***@host/db" in row["error_traceback"]
    assert "hunter2" not in row["error_traceback"].splitlines()[-1] + row["error_message"]


def test_a_bug_triggered_by_one_tar_does_not_stop_the_batch():
    source, target = buckets("a.tar", "b.tar")

    def hook(body):
        if body.endswith(b"a.tar"):
            raise ZeroDivisionError("oops")

    result = work(source, target, hook=hook)
    assert [each.code for each in result.items] == ["internal", None]
    row = rows(target)["a.tar"]
    assert row["error_message"] == "ZeroDivisionError: oops"
    assert row["error_retryable"] is True


def test_a_store_that_fails_for_one_tar_is_a_retryable_error_row():
    source, target = buckets("a.tar", "b.tar")
    source.fail("read", StoreUnavailable("503"), key="a.tar")
    assert [(each.code, each.retryable) for each in work(source, target).items] == [
        ("store_unavailable", True),
        (None, False),
    ]


@pytest.mark.parametrize("error", [AccessDenied("no"), EndpointUnreachable("no"), StorageFull("no")])
def test_an_error_that_hits_every_tar_ends_the_batch_and_commits_finished_ones(error):
    source, target = buckets("a.tar", "b.tar", "c.tar")
    target.fail("put", error, key="b.pt")
    with pytest.raises(type(error)):
        work(source, target)
    assert list(rows(target)) == ["a.tar"]


def test_a_tar_that_the_store_refuses_costs_only_that_tar():
    source, target = buckets("a.tar", "b.tar", "c.tar")
    for action in ("read", "stream"):
        source.fail(action, RequestRefused("s3://source/a.tar is archived"), key="a.tar", times=math.inf)
    result = work(source, target)
    assert [(item.item.key, item.code) for item in result.items] == [
        ("a.tar", "tar_refused"),
        ("b.tar", None),
        ("c.tar", None),
    ]
    assert rows(target)["a.tar"]["error_message"] == "s3://source/a.tar is archived; restore it or make it readable"


@pytest.mark.parametrize("listing", [True, False])
def test_a_store_that_refuses_every_tar_or_may_not_be_listed_ends_the_batch(listing):
    source, target = buckets("a.tar", "b.tar")
    batch = Batch(4, items(source))
    for action in ("read", "stream") if listing else ("read", "list"):
        source.fail(action, AccessDenied("no s3:GetObject"), times=math.inf)
    with pytest.raises(AccessDenied, match="no s3:GetObject"):
        extract_batch(batch, CONTEXT, source=source, target=target, extract=extract_fake())


def test_no_store_writes_rows_but_no_pt():
    source, target = buckets("a.tar")
    result = work(source, target, RunContext(SamplingSpec(), store=False, run_id="r", generation=1, version="0"))
    assert list(target.objects) == [result.part]
    row = rows(target)["a.tar"]
    assert (row["outcome"], row["stored"], row["pt_key"], row["sampled"]) == ("ok", False, None, 35)


def test_measurements_do_not_depend_on_storing():
    source, stored = buckets("a.tar")
    other = MemoryStore()
    work(source, stored)
    work(source, other, RunContext(SamplingSpec(), store=False, run_id="run", generation=3, version="1.2"))
    kept = {name for name in rows(stored)["a.tar"] if name.startswith(("frame_", "input_", "video_", "session_"))}
    assert {name: rows(stored)["a.tar"][name] for name in kept} == {name: rows(other)["a.tar"][name] for name in kept}


def test_an_item_alone_writes_no_part():
    source, target = buckets("a.tar")
    (item,) = items(source)
    row, result = extract_item(item, CONTEXT, source=source, target=target, extract=extract_fake())
    assert row["outcome"] == "ok"
    assert result.bytes_written == row["pt_size"]
    assert list_parts(target) == []


def test_metrics_cover_only_this_batch():
    source, target = buckets("a.tar")
    work(source, target)
    again = work(source, target)
    assert again.metrics[0]["bytes_read"] == 13


def test_the_driver_commits_items_that_no_worker_could_read():
    target = MemoryStore()
    error = item_error("tar_missing", "not there")
    (result,) = commit_failures([(Item("x.tar", 0, ""), error)], CONTEXT, target)
    assert (result.code, result.message) == ("tar_missing", "not there")
    assert rows(target)["x.tar"]["error_code"] == "tar_missing"
    assert commit_failures([], CONTEXT, target) == []


def source_of(body=b"0123456789"):
    store = MemoryStore({"v.tar": body})
    info = store.stat("v.tar")
    return store, ObjectSource(store, "v.tar", size=info.size, etag=info.etag)


def test_a_source_returns_ranges_in_the_requested_order():
    _, source = source_of()
    assert source.read(2, 3) == b"234"
    assert source.read_many([(8, 5), (0, 2), (4, 0), (20, 3)]) == [b"89", b"01", b"", b""]
    assert source.size == 10
    assert source.bytes_read >= 7
    assert source.seconds > 0


def test_adjacent_ranges_are_one_request():
    store, source = source_of(bytes(100_000))
    source.read_many([(0, 10), (20, 10), (90_000, 10)])
    assert len(store.ranges) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [(lambda store: store.set("v.tar", b"another"), "tar_changed"), (lambda s: s.delete("v.tar"), "tar_missing")],
)
def test_a_tar_that_is_no_longer_the_one_listed_is_a_typed_error(change, code):
    store, source = source_of()
    change(store)
    with pytest.raises(ItemError) as caught:
        source.read(0, 1)
    assert caught.value.code == code

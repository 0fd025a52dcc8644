from __future__ import annotations

import contextlib
import io
import threading
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.gamedata.extraction._rows import session_columns
from jobs.gamedata.parts.compaction import compact
from jobs.gamedata.parts.schema import ADDED_COLUMNS, FRAME_COLUMNS, PART_SCHEMA
from jobs.gamedata.parts.store import (
    PARTS,
    broken_parts,
    list_parts,
    next_generation,
    read_part,
    read_parts,
    read_rows,
    rewrite_part,
    write_part,
)
from shared.errors import ObjectMissing
from tests.fakes.sessions import make_session
from tests.fakes.store import MemoryStore

PT = b"some frames"


def row(key="v.tar", generation=1, outcome="ok", *, pt_etag=None, **more):
    base = {
        "s3_key": key,
        "source_etag": "tag",
        "source_size": 5,
        "spec_digest": "spec",
        "generation": generation,
        "attempt": 1,
        "run_id": "run",
        "extracted_at": datetime(2026, 1, 1, tzinfo=UTC),
        "version": "0",
        "outcome": outcome,
        "stored": pt_etag is not None,
        "bytes_read": 1,
        "seconds": 0.5,
    }
    if pt_etag is not None:
        base |= {"pt_key": key.replace(".tar", ".pt"), "pt_etag": pt_etag, "pt_size": len(PT)}
    if outcome == "error":
        base |= {"error_code": "video_missing", "error_message": "none", "error_retryable": False}
    return {**base, **more}


def latest(store, **arguments):
    return {found["s3_key"]: found for found in read_parts(store, **arguments).to_pylist()}


def test_a_row_comes_back_with_all_its_columns():
    store = MemoryStore()
    session = make_session()
    write_part(store, [row(**session_columns(session))])
    (found,) = read_parts(store).to_pylist()
    statistics = session.statistics
    assert found["frame_time_s"] == statistics.time_s.tolist()
    assert np.float32(found["frame_luma_mean"]).tolist() == statistics.luma_mean.tolist()
    assert found["frame_corrupt"] == [False] * 29
    signature = np.frombuffer(found["frame_signature"], np.uint8).reshape(29, 9, 16, 3)
    assert np.array_equal(signature, statistics.signature)
    assert (found["input_events"], found["input_integer_timestamps"]) == (100, False)
    assert (found["sampled"], found["video_id"], found["reader"]) == (35, "recording", "ranges")
    assert found["extracted_at"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_every_statistic_of_the_model_has_its_column():
    names = {column.name.removeprefix("frame_") for column in FRAME_COLUMNS}
    assert names == set(make_session().statistics.__slots__)
    inputs = {name.removeprefix("input_") for name in PART_SCHEMA.names if name.startswith("input_")}
    assert inputs == set(make_session().inputs.__slots__)


def test_no_inputs_are_null_columns():
    store = MemoryStore()
    write_part(store, [row(**session_columns(make_session(inputs=False)))])
    (found,) = read_parts(store).to_pylist()
    assert all(found[name] is None for name in PART_SCHEMA.names if name.startswith("input_"))


def test_names_that_are_not_utf8_can_be_stored():
    store = MemoryStore()
    session = make_session(video_id="a\udcff")
    write_part(store, [row(**session_columns(session))])
    assert read_parts(store).to_pylist()[0]["video_id"] == "a?"


def test_the_same_rows_have_the_same_key():
    store = MemoryStore()
    rows = [row("a.tar", 7), row("b.tar", 7)]
    key = write_part(store, rows)
    assert key == write_part(store, rows)
    assert key.startswith("_stats/00000007-")
    assert key != write_part(store, [row("a.tar", 7, run_id="other"), rows[1]])
    assert next_generation(store) == 8


def test_an_empty_bucket_has_no_rows():
    store = MemoryStore()
    assert len(read_parts(store)) == 0
    assert read_parts(store).schema.names == PART_SCHEMA.names
    assert next_generation(store) == 1


@pytest.mark.parametrize("number", ["9" * 25, "9223372036854775807", "\u0663" * 8])
def test_a_part_of_another_program_does_not_raise_the_generation_beyond_a_column(number):
    store = MemoryStore()
    write_part(store, [row("a.tar", 7)])
    store.set(f"{PARTS}{number}-x.parquet", b"junk")
    assert next_generation(store) == 8


def test_the_later_generation_wins():
    store = MemoryStore()
    write_part(store, [row(generation=2, outcome="error")])
    write_part(store, [row(generation=1)])
    assert latest(store)["v.tar"]["outcome"] == "error"


def test_a_row_with_its_pt_in_the_bucket_wins_over_later_ones():
    store = MemoryStore()
    etag = store.set("v.pt", PT).etag
    write_part(store, [row(generation=1, pt_etag=etag)])
    write_part(store, [row(generation=2, pt_etag="replaced")])
    write_part(store, [row(generation=3, outcome="error")])
    assert latest(store)["v.tar"]["generation"] == 1
    store.delete("v.pt")
    assert latest(store)["v.tar"]["generation"] == 3


def test_success_wins_over_failure_of_the_same_generation():
    store = MemoryStore()
    write_part(store, [row(outcome="error", run_id="z")])
    write_part(store, [row(run_id="a")])
    assert latest(store)["v.tar"]["outcome"] == "ok"


def test_a_prefix_applies_to_tar_keys():
    store = MemoryStore()
    write_part(store, [row("a/v.tar"), row("b/v.tar")])
    assert list(latest(store, prefix="a/")) == ["a/v.tar"]


def test_only_the_requested_columns_and_the_key_are_read():
    store = MemoryStore()
    write_part(store, [row()])
    assert read_parts(store, ["duration_s"]).schema.names == ["s3_key", "duration_s"]


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans(), st.booleans()), min_size=2, max_size=10))
def test_the_order_of_parts_does_not_matter(entries):
    store = MemoryStore()
    etag = store.set("0.pt", PT).etag
    rows = [
        row(f"{key}.tar", generation, "ok" if ok else "error", pt_etag=etag if ok and stored else None, run_id=str(n))
        for n, (key, generation, ok, stored) in enumerate(entries)
    ]
    for each in rows:
        write_part(store, [each])
    together = MemoryStore({"0.pt": PT})
    write_part(together, rows[::-1])
    assert latest(store) == latest(together)


@pytest.mark.parametrize("body", [b"", b"not parquet", b"PAR1" + bytes(50) + b"PAR1"])
def test_a_broken_part_is_named_and_the_others_are_read(body, caplog):
    store = MemoryStore()
    write_part(store, [row()])
    store.set("_stats/00000009-broken.parquet", body)
    table = read_parts(store)
    assert len(table) == 1
    assert broken_parts(table) == ["_stats/00000009-broken.parquet"]
    assert "_stats/00000009-broken.parquet" in caplog.text
    assert "verify" in caplog.text


def test_a_part_from_before_a_column_was_added_reads_as_if_it_were_null(caplog):
    store = MemoryStore()
    older = pa.Table.from_pylist([row("old.tar")], schema=PART_SCHEMA).drop_columns(sorted(ADDED_COLUMNS))
    rewrite_part(store, older)
    write_part(store, [row("new.tar", input_desk_s=5, input_gamepad_s=0)])
    assert not caplog.text
    found = read_rows(store)
    assert found.schema.names == PART_SCHEMA.names
    assert sorted(zip(found["s3_key"].to_pylist(), found["input_desk_s"].to_pylist(), strict=True)) == [
        ("new.tar", 5),
        ("old.tar", None),
    ]
    assert read_rows(store, ["input_gamepad_s"])["input_gamepad_s"].null_count == 1
    assert compact(store, many=1) == 2
    assert read_parts(store, ["input_desk_s"]).num_rows == 2


def test_a_part_that_lacks_another_column_is_broken():
    store = MemoryStore()
    rewrite_part(store, pa.Table.from_pylist([row()], schema=PART_SCHEMA).drop_columns(["input_mouse"]))
    assert len(broken_parts(read_rows(store))) == 1


def test_a_part_of_a_later_telecine_is_named(caplog):
    store = MemoryStore()
    later = pa.Table.from_pylist([row()], schema=PART_SCHEMA).replace_schema_metadata({"telecine.part_version": "2"})
    stream = io.BytesIO()
    pq.write_table(later, stream)
    store.set("_stats/00000001-later.parquet", stream.getvalue())
    assert len(read_parts(store)) == 0
    assert "version 2, this telecine reads version 1" in caplog.text


def test_a_part_merged_while_it_is_read_is_found_in_the_merged_one():
    store = MemoryStore()
    keys = [write_part(store, [row(f"{number}.tar")]) for number in range(3)]
    merged = []

    def compacted(key):
        if key == keys[1] and not merged:
            merged.append(key)
            compact(store, many=1)

    store.on("read", compacted)
    assert set(latest(store)) == {"0.tar", "1.tar", "2.tar"}
    assert len(list_parts(store)) == 1


def test_few_parts_are_left_alone():
    store = MemoryStore()
    for number in range(3):
        write_part(store, [row(f"{number}.tar")])
    assert compact(store, many=3) == 0
    assert len(list_parts(store)) == 3


def test_compaction_keeps_what_holds_and_two_failures():
    store = MemoryStore()
    etag = store.set("v.pt", PT).etag
    write_part(store, [row(generation=1, pt_etag=etag)])
    for generation in range(2, 6):
        write_part(store, [row(generation=generation, outcome="error", attempt=generation)])
    for generation in range(2, 6):
        write_part(store, [row(generation=generation, pt_etag=f"gone {generation}")])
    before = latest(store)
    assert compact(store, many=2) == 9
    (part,) = list_parts(store)
    assert part.key.startswith("_stats/00000005-")
    assert latest(store) == before
    kept = read_rows(store).to_pylist()
    assert sorted(found["generation"] for found in kept if found["outcome"] == "error") == [4, 5]
    assert next_generation(store) == 6


def test_a_broken_part_is_not_merged_away():
    store = MemoryStore({"_stats/00000001-broken.parquet": b"junk"})
    for number in range(3):
        write_part(store, [row(f"{number}.tar")])
    assert compact(store, many=1) == 3
    assert "_stats/00000001-broken.parquet" in store.objects


@settings(max_examples=15)
@given(st.integers(2, 8), st.integers(0, 40), st.sampled_from(["read", "put", "delete", "list"]))
def test_interrupted_and_concurrent_compactions_lose_nothing(count, moment, action):
    store = MemoryStore()
    for number in range(count):
        write_part(store, [row(f"{number}.tar", generation=number + 1)])
    before = latest(store)
    calls = []

    def interfere(key):
        calls.append(key)
        if len(calls) == moment:
            compact(store, many=1)
        if len(calls) == moment + 3:
            raise KeyboardInterrupt

    store.on(action, interfere)
    with contextlib.suppress(KeyboardInterrupt):
        compact(store, many=1)
    calls[:] = [None] * 1000
    assert latest(store) == before


def test_a_missing_part_is_raised():
    with pytest.raises(ObjectMissing):
        read_part(MemoryStore(), f"{PARTS}none.parquet")


def test_many_parts_are_read_within_the_budget_of_one_listing():
    store = MemoryStore()
    for number in range(50):
        write_part(store, [row(f"{number}.tar")])
    store.calls.clear()
    assert len(read_rows(store, ["s3_key"])) == 50
    assert store.count("list") == 1


def test_a_merged_part_keeps_the_schema():
    store = MemoryStore()
    rewrite_part(store, pa.Table.from_pylist([row()], schema=PART_SCHEMA))
    assert read_rows(store).schema.equals(PART_SCHEMA, check_metadata=False)


@pytest.fixture
def large():
    """A bucket with one part of 2 MB, mostly incompressible thumbnails."""
    random = np.random.default_rng(0)
    store = MemoryStore()
    rows = [row(f"{number}.tar", frame_signature=random.bytes(12_528)) for number in range(160)]
    key = write_part(store, rows)
    store.ranges.clear()
    (info,) = list_parts(store)
    return store, key, info


@pytest.mark.parametrize("columns", [["s3_key", "duration_s"], ["frame_time_s", "warnings"], ["frame_signature"]])
def test_only_the_requested_columns_of_a_large_part_are_fetched(large, columns):
    store, key, info = large
    found = read_part(store, key, columns, info=info)
    fetched = sum(length for _, _, length in store.ranges)
    assert found.equals(read_part(store, key).select(columns))
    assert (fetched < 0.2 * info.size) == ("frame_signature" not in columns)


def test_a_large_part_that_was_rewritten_is_read_as_it_is_now(large):
    store, key, info = large
    stale = replace(info, etag="other")
    assert len(read_part(store, key, ["s3_key"], info=stale)) == 160


def test_a_missing_large_part_is_raised(large):
    store, key, info = large
    del store.objects[key]
    with pytest.raises(ObjectMissing):
        read_part(store, key, ["s3_key"], info=info)


@pytest.mark.parametrize("cut", [0, 100])
def test_a_damaged_large_part_is_named(large, caplog, cut):
    store, key, _ = large
    body = store.objects[key][0]
    store.set(key, body[: len(body) // 2] + bytes(len(body) // 2 - cut))
    assert len(read_parts(store, ["duration_s"])) == 0
    assert key in caplog.text


def test_parts_are_read_concurrently():
    store = MemoryStore()
    for number in range(8):
        write_part(store, [row(f"{number}.tar")])
    together = threading.Barrier(4, timeout=10)
    store.on("read", lambda _: together.wait())
    assert len(read_rows(store, ["s3_key"])) == 8

"""One suite for every store: a folder, an S3 bucket, a folder of keys in a bucket, and the fake that tests use."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.errors import BucketMissing, DataError, ObjectChanged, ObjectMissing
from shared.storage import CachedStore, ObjectStore, open_store
from tests.fakes.store import MemoryStore
from tests.s3_server import s3_process, s3_server  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("s3")

ODD_KEYS = [
    "a b.tar",
    "a+b.tar",
    "a%20b.tar",
    "a&b=c?d#e.tar",
    "ünï/çødé ☃.tar",
    "日本/🎬.tar",
    "quote'\"<>.tar",
    "back\\slash.tar",
    "~tilde/*.tar",
    " leading and trailing ",
]


def make_store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if kind == "memory":
        return MemoryStore()
    if kind == "file":
        return open_store(f"file://{tmp_path}")
    server = request.getfixturevalue("s3_server")
    uri = server.create_bucket("bucket")
    if kind == "cached":
        return CachedStore(open_store(uri), tmp_path / "cache", 100)
    return open_store(uri if kind == "s3" else f"{uri}/some/folder")


@pytest.fixture(params=["file", "s3", "s3-folder", "cached", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return make_store(request.param, request, tmp_path)


@pytest.fixture(params=["file", "s3", "s3-folder", "cached"])
def real_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return make_store(request.param, request, tmp_path)


def test_put_then_stat_list_and_read_agree(store):
    before = datetime.now(UTC) - timedelta(seconds=5)
    put = store.put("a/v.tar", b"0123456789")
    stat = store.stat("a/v.tar")
    (listed,) = store.list()
    assert stat == listed
    assert (put.key, put.size, put.etag) == ("a/v.tar", 10, stat.etag)
    assert '"' not in put.etag
    assert stat.modified.tzinfo is not None
    if not isinstance(store, MemoryStore):
        assert before <= stat.modified <= datetime.now(UTC) + timedelta(seconds=5)
        assert abs(put.modified - stat.modified) < timedelta(seconds=2)
    assert store.read("a/v.tar") == b"0123456789"


def test_ranges_end_where_the_object_ends(store):
    store.put("k", b"0123456789")
    for offset, length, expected in (
        (0, None, b"0123456789"),
        (0, 10, b"0123456789"),
        (3, 4, b"3456"),
        (3, None, b"3456789"),
        (8, 100, b"89"),
        (9, 1, b"9"),
        (10, 1, b""),
        (10, None, b""),
        (1000, 5, b""),
        (1000, None, b""),
        (0, 0, b""),
        (5, 0, b""),
    ):
        assert store.read("k", offset=offset, length=length) == expected, (offset, length)


def test_negative_ranges_are_a_bug_of_the_caller(store):
    store.put("k", b"0123456789")
    for offset, length in ((-1, None), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            store.read("k", offset=offset, length=length)


def test_many_ranges_come_in_the_order_asked(store):
    content = bytes(range(256)) * 40
    store.put("k", content)
    ranges = [(start, 37) for start in range(10_000, 0, -333)] + [(0, 0), (10_239, 5), (99_999, 1)]
    assert store.read_ranges("k", ranges) == [content[start : start + length] for start, length in ranges]
    assert store.read_ranges("k", []) == []
    assert store.read_ranges("k", [(1, 2)]) == [content[1:3]]


def test_empty_objects_are_objects(store):
    info = store.put("empty", b"")
    assert info.size == 0
    assert store.stat("empty").size == 0
    assert store.read("empty") == b""
    assert store.read("empty", offset=5, length=5) == b""
    assert list(store.stream("empty")) == []
    assert [found.key for found in store.list()] == ["empty"]


def test_stream_gives_whole_chunks(store):
    content = bytes(range(256)) * 400
    store.put("k", content)
    chunks = list(store.stream("k", chunk_size=1000))
    assert b"".join(chunks) == content
    assert {len(chunk) for chunk in chunks[:-1]} == {1000}
    assert chunks[-1]


def test_a_stream_left_early_harms_no_later_call(store):
    store.put("k", bytes(1_000_000))
    for _ in range(30):
        stream = store.stream("k", chunk_size=1000)
        assert len(next(stream)) == 1000
        stream.close()
    assert len(store.read("k")) == 1_000_000


def test_every_kind_of_body(store):
    for body in (
        b"0123456789",
        bytearray(b"0123456789"),
        memoryview(b"0123456789"),
        memoryview(b"-0123456789-")[1:-1],
        memoryview(b"0123456789").cast("B", (2, 5)),
        io.BytesIO(b"0123456789"),
    ):
        store.delete("k")
        assert store.put("k", body).size == 10
        assert store.read("k") == b"0123456789"


class Trickle(io.RawIOBase):
    """A pipe: gives less than it is asked for, cannot be sought, has no size."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        piece, self._left = self._left[: min(7777, len(buffer))], self._left[min(7777, len(buffer)) :]
        buffer[: len(piece)] = piece
        return len(piece)


def test_put_from_a_pipe(real_store):
    content = bytes(range(256)) * 400
    assert real_store.put("k", Trickle(content)).size == len(content)
    assert real_store.read("k") == content


def test_put_replaces_and_changes_the_etag(store):
    first = store.put("k", b"one")
    second = store.put("k", b"two")
    assert first.etag != second.etag
    assert store.read("k") == b"two"
    assert [info.etag for info in store.list()] == [second.etag]


def test_reads_of_another_version_raise(store):
    old = store.put("k", b"0123456789")
    assert store.read("k", offset=2, length=3, etag=old.etag) == b"234"
    assert store.read_ranges("k", [(0, 1), (5, 2)], etag=old.etag) == [b"0", b"56"]
    assert b"".join(store.stream("k", etag=old.etag)) == b"0123456789"
    store.put("k", b"abcdefghijk")
    reads = [
        lambda: store.read("k", offset=1, length=2, etag=old.etag),
        lambda: store.read("k", length=0, etag=old.etag),
        lambda: store.read("k", offset=500, etag=old.etag),
        lambda: store.read_ranges("k", [(0, 1), (5, 2)], etag=old.etag),
        lambda: list(store.stream("k", etag=old.etag)),
    ]
    # A cache has the old version whole, and that is what was asked for.
    for read in [] if isinstance(store, CachedStore) else reads:
        with pytest.raises(ObjectChanged, match=r"changed|has ETag") as caught:
            read()
        assert caught.value.data["expected"] == old.etag


def test_missing_objects(store):
    store.put("there", b"x")
    for action in (
        lambda: store.stat("a/none.tar"),
        lambda: store.read("a/none.tar"),
        lambda: store.read("a/none.tar", offset=5, length=5),
        lambda: store.read("a/none.tar", length=0),
        lambda: store.read_ranges("a/none.tar", [(0, 1), (2, 1)]),
        lambda: list(store.stream("a/none.tar")),
    ):
        with pytest.raises(ObjectMissing, match=r"a/none\.tar"):
            action()


def test_delete(store):
    store.put("a/k", b"x")
    store.delete("a/k")
    store.delete("a/k")
    store.delete("never/was")
    assert list(store.list()) == []


def test_list_is_in_byte_order_and_prefixes_may_end_anywhere(store):
    keys = ["a", "a-b", "a.b/c", "b/a.tar", "b/a/v.tar", "b/a0.tar", "b/ab.tar", "b!", "c/é", "c/z", "c/🎬", "Z"]
    for key in keys:
        if key != "a":
            store.put(key, b"x")
    expected = sorted((key for key in keys if key != "a"), key=str.encode)
    assert [info.key for info in store.list()] == expected
    for prefix in (
        "",
        "b",
        "b/",
        "b/a",
        "b/a/",
        "b/a.",
        "c/",
        "c/é",
        "none",
        "b/none/x",
        "Z",
        "b//",
        "/",
        "../",
        "b/.",
    ):
        assert [info.key for info in store.list(prefix)] == [key for key in expected if key.startswith(prefix)], prefix


def test_folders_are_the_first_level_with_objects_below(store):
    for key in ("b/runs/r1/manifest.json", "b/x", "a/y/z", "c", "ü/k", "b-/k"):
        store.put(key, b"x")
    assert store.folders() == ["a/", "b-/", "b/", "ü/"]
    assert store.folders("b/") == ["b/runs/"]
    assert store.folders("b/runs/") == ["b/runs/r1/"]
    assert store.folders("nothing/") == []
    store.delete("a/y/z")
    assert store.folders() == ["b-/", "b/", "ü/"]


def test_odd_keys_come_back_as_they_went(store):
    for number, key in enumerate(ODD_KEYS):
        store.put(key, str(number).encode())
    assert [info.key for info in store.list()] == sorted(ODD_KEYS, key=str.encode)
    for number, key in enumerate(ODD_KEYS):
        assert store.read(key) == str(number).encode()
        assert store.stat(key).key == key
        assert [info.key for info in store.list(key[:-1])] == [key]
        store.delete(key)
    assert list(store.list()) == []


def test_keys_that_could_name_something_else_are_refused(real_store):
    for key in ("", "..", "../x", "a/../b", "a/./b", ".", "a\0b", "x" * 1025, "lone \ud800"):
        for action in (real_store.read, real_store.stat, real_store.delete, lambda key: real_store.put(key, b"x")):
            with pytest.raises(DataError) as caught:
                action(key)
            assert caught.value.code == "key_invalid", key


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_listing_is_read_page_by_page(kind, request, tmp_path):
    store = make_store(kind, request, tmp_path)
    keys = [f"p/{number:05d}" for number in range(2105)]
    if kind == "s3":
        request.getfixturevalue("s3_server").fill("bucket", dict.fromkeys(keys, b"x"))
    else:
        (tmp_path / "p").mkdir()
        for key in keys:
            (tmp_path / key).write_bytes(b"x")
    listed = store.list("p/")
    assert isinstance(listed, Iterator)
    assert next(listed).key == keys[0]
    assert store.metrics.snapshot()["calls"] == 1, "the first page is enough for the first key"
    assert [info.key for info in listed] == keys[1:]
    assert store.metrics.snapshot()["calls"] == 3
    assert sum(1 for _ in store.list("p/001")) == 100


def test_a_copy_through_pickle_reads_the_same(real_store):
    real_store.put("k", b"x")
    copy = pickle.loads(pickle.dumps(real_store))
    assert copy.uri == real_store.uri
    assert copy.read("k") == b"x"
    assert copy.metrics.snapshot()["calls"] > 0


def test_threads_share_a_store(store):
    contents = {f"k{number}": bytes([number]) * 5000 for number in range(24)}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(store.put, contents, contents.values()))
        assert list(threads.map(store.read, contents)) == list(contents.values())


def test_metrics_count_bytes(store):
    store.metrics.snapshot(reset=True)
    store.put("k", b"0123456789")
    store.read("k", offset=2, length=3)
    snapshot = store.metrics.snapshot()
    assert snapshot["bytes_written"] == 10
    assert snapshot["bytes_read"] == 3
    assert snapshot["errors"] == snapshot["retries"] == 0
    assert snapshot["p95_s"] >= snapshot["p50_s"] > 0


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_missing_bucket_is_not_a_missing_object(kind, request, tmp_path):
    if kind == "s3":
        request.getfixturevalue("s3_server")
    store = open_store("s3://nowhere" if kind == "s3" else f"file://{tmp_path}/nowhere")
    for action in (
        lambda: list(store.list()),
        lambda: list(store.list("a/b")),
        lambda: store.stat("k"),
        lambda: store.read("k"),
        lambda: list(store.stream("k")),
        lambda: store.delete("k"),
    ):
        with pytest.raises(BucketMissing, match="nowhere") as caught:
            action()
        assert caught.value.exit_code == 78
    if kind == "s3":
        with pytest.raises(BucketMissing, match="create it"):
            store.put("k", b"x")

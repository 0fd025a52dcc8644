from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import ConfigurationError, ObjectMissing
from shared.storage import CachedStore
from tests.fakes.store import MemoryStore


@pytest.fixture
def behind() -> MemoryStore:
    return MemoryStore({f"k{number}": bytes([number]) * 100_000 for number in range(20)})


def test_a_second_read_takes_nothing_from_the_store_behind(behind, tmp_path):
    store = CachedStore(behind, tmp_path, 10)
    etag = behind.stat("k1").etag
    behind.calls.clear()
    assert store.read("k1", etag=etag) == store.read("k1", etag=etag) == bytes([1]) * 100_000
    assert store.read("k1", offset=99_990, length=50, etag=etag) == bytes([1]) * 10
    assert store.read_ranges("k1", [(0, 2), (99_999, 5)], etag=etag) == [b"\1\1", b"\1"]
    assert b"".join(store.stream("k1", etag=etag)) == bytes([1]) * 100_000
    assert behind.calls == [("read", "k1")]
    assert (store.hits, store.misses) == (4, 1)


def test_a_changed_object_is_read_anew(behind, tmp_path):
    store = CachedStore(behind, tmp_path, 10)
    assert store.read("k1")[:1] == b"\1"
    behind.set("k1", b"new")
    assert store.read("k1") == b"new"
    behind.delete("k1")
    with pytest.raises(ObjectMissing):
        store.read("k1")


def test_ranges_of_what_is_not_cached_are_read_as_ranges(behind, tmp_path):
    store = CachedStore(behind, tmp_path, 10)
    assert store.read("k3", offset=5, length=2) == b"\3\3"
    assert store.read_ranges("k3", [(5, 2)]) == [b"\3\3"]
    assert behind.ranges == [("k3", 5, 2), ("k3", 5, 2)]
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_go_first_and_other_files_stay(behind, tmp_path):
    (tmp_path / "mine.txt").write_bytes(bytes(5_000_000))
    store = CachedStore(behind, tmp_path, 1)
    for number in range(9):
        store.read(f"k{number}")
        for age, path in enumerate(sorted(tmp_path.glob("*.telecine-cached"), key=lambda path: path.stat().st_mtime)):
            os.utime(path, (age, age))
    store.read("k0")
    for number in range(9, 12):
        store.read(f"k{number}")
    size = sum(path.stat().st_size for path in tmp_path.glob("*.telecine-cached"))
    assert size <= 1_000_000
    behind.calls.clear()
    store.read("k0")
    store.read("k11")
    assert behind.count("read") == 0
    store.read("k1")
    assert behind.count("read") == 1
    assert (tmp_path / "mine.txt").exists()


def test_objects_larger_than_the_cache_pass_by(behind, tmp_path):
    behind.set("big", bytes(2_000_000))
    store = CachedStore(behind, tmp_path, 1)
    assert len(store.read("big")) == 2_000_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:50] + b"?" + data[51:], lambda _: b""])
def test_a_damaged_file_is_fetched_anew(behind, tmp_path, damage):
    store = CachedStore(behind, tmp_path, 10)
    store.read("k1")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert store.read("k1") == bytes([1]) * 100_000
    assert behind.count("read") == 2
    assert store.read("k1") == bytes([1]) * 100_000
    assert behind.count("read") == 2


def test_a_folder_that_takes_nothing_costs_speed_and_one_warning(behind, tmp_path, caplog, monkeypatch):
    store = CachedStore(behind, tmp_path / "cache", 10)
    (tmp_path / "cache").rmdir()
    assert store.read("k1") == store.read("k1") == bytes([1]) * 100_000
    assert caplog.text.count("cannot write to the cache folder") == 1


def test_a_folder_that_cannot_be_made_is_said_at_once(behind, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="--cache-dir"):
        CachedStore(behind, tmp_path / "file" / "cache", 10)


def test_leftovers_of_killed_processes_are_swept(behind, tmp_path):
    for name, age in (("old", 0), ("young", None)):
        path = tmp_path / f"{name}.telecine-caching"
        path.write_bytes(b"x")
        if age is not None:
            os.utime(path, (age, age))
    CachedStore(behind, tmp_path, 10).read("k1")
    assert [path.name for path in tmp_path.glob("*.telecine-caching")] == ["young.telecine-caching"]


def test_threads_share_a_folder(behind, tmp_path):
    stores = [CachedStore(behind, tmp_path, 1) for _ in range(4)]

    def read(number: int) -> bool:
        return stores[number % 4].read(f"k{number % 20}") == bytes([number % 20]) * 100_000

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(400)))

from __future__ import annotations

import errno
import io
import logging
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import AccessDenied, DataError, ObjectChanged, ObjectMissing, StorageFull, StoreUnavailable
from shared.storage import FileStore


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_links_are_followed_only_within_the_folder(tmp_path, caplog):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "real").mkdir(parents=True)
    outside.mkdir()
    (root / "real" / "v").write_bytes(b"inside")
    (outside / "secret").write_bytes(b"secret")
    (root / "file-in").symlink_to(root / "real" / "v")
    (root / "folder-in").symlink_to("real")
    (root / "file-out").symlink_to(outside / "secret")
    (root / "folder-out").symlink_to(outside)
    (root / "nothing").symlink_to("gone")
    (root / "real" / "loop").symlink_to(root)
    store = FileStore(root)
    with caplog.at_level(logging.WARNING):
        assert [info.key for info in store.list()] == ["file-in", "folder-in/v", "real/v"]
    assert "file-out: the link points outside" in caplog.text
    assert list(store.list("folder-out/")) == []
    assert store.read("folder-in/v") == b"inside"
    for key in ("file-out", "folder-out/secret"):
        with pytest.raises(AccessDenied, match="link that points outside"):
            store.read(key)
    for action in (lambda: store.put("folder-out/x", b""), lambda: store.delete("folder-out/secret")):
        with pytest.raises(AccessDenied):
            action()
    assert files_below(outside) == ["secret"]
    store.put("file-out", b"mine")  # replaces the link, not what it led to
    assert (outside / "secret").read_bytes() == b"secret"
    assert store.read("file-out") == b"mine"


SWAPPED = {
    "a file, read": ("a/k", lambda store: store.read("a/k")),
    "a file, its size": ("a/k", lambda store: store.stat("a/k")),
    "a folder, read": ("a", lambda store: store.read("a/k")),
    "a folder, written": ("a", lambda store: store.put("a/k", b"mine")),
    "a folder, written below": ("a", lambda store: store.put("a/b/c", b"mine")),
    "a folder, deleted": ("a", lambda store: store.delete("a/k")),
}


@pytest.mark.parametrize("name", SWAPPED)
@pytest.mark.parametrize("times", [1, 100])
def test_a_link_set_between_check_and_use_is_not_followed(tmp_path, monkeypatch, name, times):
    part, act = SWAPPED[name]
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a").mkdir(parents=True)
    outside.mkdir()
    (root / "a" / "k").write_bytes(b"inside")
    (outside / "k").write_bytes(b"secret")
    target = outside / "k" if part == "a/k" else outside
    realpath = os.path.realpath
    left = [times]

    def resolve(path, **options):
        """Resolve a path, then make a part of it a link, as another process would at the worst moment."""
        found = realpath(path, **options)
        if str(path).startswith(f"{root}/") and left[0]:
            left[0] -= 1
            (root / "old").mkdir(exist_ok=True)
            (root / part).rename(root / "old" / str(left[0]))
            (root / part).symlink_to(target)
        return found

    monkeypatch.setattr(os.path, "realpath", resolve)
    with pytest.raises((AccessDenied, ObjectMissing, DataError)):
        act(FileStore(root))
    assert [path.name for path in outside.iterdir()] == ["k"]
    assert (outside / "k").read_bytes() == b"secret"


def test_a_link_replaced_by_another_one_within_the_folder_is_followed(tmp_path, monkeypatch):
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "k").write_bytes(version.encode())
    (tmp_path / "now").symlink_to("1")
    realpath = os.path.realpath
    swapped = []

    def resolve(path, **options):
        found = realpath(path, **options)
        if str(path).endswith("now/k") and not swapped:
            # The resolved folder becomes a link, as a mounted ConfigMap's does.
            swapped.append(path)
            (tmp_path / "1").rename(tmp_path / "0")
            (tmp_path / "1").symlink_to("2")
        return found

    monkeypatch.setattr(os.path, "realpath", resolve)
    assert FileStore(tmp_path).read("now/k") == b"2"


def test_opening_leaves_no_descriptor_behind(tmp_path):
    store = FileStore(tmp_path)
    store.put("a/b/c/k", b"x")
    (tmp_path / "a" / "loop").symlink_to("loop")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        store.read("a/b/c/k")
        store.put("a/b/d/k", b"y")
        store.delete("a/b/d/k")
        for key in ("a/b", "a/none/k", "a/loop/k", "a/loop", "a/b/c/k/x"):
            with pytest.raises(ObjectMissing):
                store.read(key)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = FileStore(tmp_path / "link")
    store.put("a/b", b"x")
    assert [info.key for info in store.list()] == ["a/b"]
    assert store.uri == f"file://{tmp_path}/link"


def test_a_put_that_breaks_leaves_the_old_object_and_no_rest(tmp_path):
    store = FileStore(tmp_path)
    store.put("k", b"old")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 5 << 20:
                message = "the source broke"
                raise RuntimeError(message)
            return super().read(size)

    with pytest.raises(RuntimeError, match="the source broke"):
        store.put("k", Broken(bytes(9 << 20)))
    assert store.read("k") == b"old"
    assert files_below(tmp_path) == ["k"]


def test_readers_see_the_old_or_the_new_object_never_a_mixture(tmp_path):
    store = FileStore(tmp_path)
    store.put("k", b"a" * 100_000)
    writer = (
        "import sys; from shared.storage import FileStore; s = FileStore(sys.argv[1])\n"
        "for n in range(60): s.put('k', b'ab'[n % 2:n % 2 + 1] * 100_000)"
    )
    with subprocess.Popen([sys.executable, "-c", writer, str(tmp_path)]) as process:
        seen = set()
        while process.poll() is None:
            content = store.read("k")
            seen.add((content[:1], len(content), len(set(content))))
    assert process.returncode == 0
    assert seen <= {(b"a", 100_000, 1), (b"b", 100_000, 1)}


def test_a_killed_put_is_invisible_and_swept_a_day_later(tmp_path):
    store = FileStore(tmp_path)
    writer = (
        "import sys, os, io; from shared.storage import FileStore\n"
        "class Slow(io.BytesIO):\n"
        "    def read(self, n=-1):\n"
        "        data = super().read(n)\n"
        "        if not data: os.kill(os.getpid(), 9)\n"
        "        return data\n"
        "FileStore(sys.argv[1]).put('a/k', Slow(b'x' * 100))"
    )
    assert subprocess.run([sys.executable, "-c", writer, str(tmp_path)], check=False).returncode == -9
    (rest,) = (tmp_path / "a").iterdir()
    assert list(store.list()) == []
    assert rest.exists(), "a young one may be a put that runs"
    old = time.time() - 25 * 3600
    os.utime(rest, (old, old))
    assert list(store.list()) == []
    assert not rest.exists()
    with pytest.raises(DataError, match="temporary"):
        store.put(f"a/{rest.name}", b"")


def test_new_files_have_the_mode_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        FileStore(tmp_path).put("a/k", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "k").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("number", "kind", "exit_code"),
    [
        (errno.ENOSPC, StorageFull, 75),
        (errno.EDQUOT, StorageFull, 75),
        (errno.EROFS, AccessDenied, 78),
        (errno.EACCES, AccessDenied, 78),
        (errno.EIO, StoreUnavailable, 75),
        (errno.ESTALE, StoreUnavailable, 75),
    ],
)
def test_what_the_system_refuses_is_typed_and_leaves_no_rest(tmp_path, monkeypatch, number, kind, exit_code):
    store = FileStore(tmp_path)

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(kind) as caught:
        store.put("a/k", b"x")
    monkeypatch.undo()
    assert caught.value.exit_code == exit_code
    assert f"cannot put file://{tmp_path}/a/k" in str(caught.value)
    assert files_below(tmp_path) == []


AS_SOMEBODY = """
import os, sys
from shared.errors import TelecineError
from shared.storage.file import FileStore
if os.getuid() == 0:  # root may do anything: run as another user
    os.setuid(65534)
store = FileStore(sys.argv[1])
for call in (lambda key: list(store.list()), store.read, lambda key: store.put(key, b""), store.delete):
    try:
        call("k")
        print("done")
    except TelecineError as error:
        print(type(error).__name__, error.exit_code)
"""


@pytest.mark.parametrize(
    ("mode", "place", "said"),
    [
        (0o000, "", ["AccessDenied 78"] * 4),
        (0o000, "below", ["AccessDenied 78"] * 4),
        (0o555, "", ["done", "done", "AccessDenied 78", "AccessDenied 78"]),
    ],
)
def test_a_folder_that_may_not_be_read_or_written(mode, place, said):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        (folder / "below").mkdir(parents=True)
        (folder / "k").write_bytes(b"x")
        Path(name).chmod(0o755)
        folder.chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", AS_SOMEBODY, str(folder / place)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONPATH": "."},
        )
        folder.chmod(0o755)
    assert done.stdout.splitlines() == said, done.stderr


def test_keys_that_are_no_files(tmp_path):
    store = FileStore(tmp_path)
    store.put("folder/file", b"x")
    for key in ("folder", "folder/file/below"):
        with pytest.raises(ObjectMissing):
            store.read(key)
        with pytest.raises(DataError, match="part of the path is a file, or a folder has the file's name"):
            store.put(key, b"")
        store.delete(key)
    for key in ("/a", "a/", "a//b"):
        with pytest.raises(DataError, match="cannot have an empty part"):
            store.put(key, b"")
    with pytest.raises(DataError, match="at most 255 bytes"):
        store.put("x" * 256, b"")
    os.mkfifo(tmp_path / "pipe")
    assert [info.key for info in store.list()] == ["folder/file"]
    with pytest.raises(ObjectMissing):
        store.read("pipe")


def test_names_that_are_not_utf8_are_left_out_and_named(tmp_path, caplog):
    (tmp_path / os.fsdecode(b"b\xff")).write_bytes(b"x")
    (tmp_path / "a").write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        assert [info.key for info in FileStore(tmp_path).list()] == ["a"]
    assert "not UTF-8" in caplog.text


def test_a_file_changed_in_place_is_noticed(tmp_path):
    store = FileStore(tmp_path)
    info = store.put("k", b"0123456789")
    stream = store.stream("k", chunk_size=4)
    next(stream)
    with (tmp_path / "k").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ObjectChanged):
        list(stream)
    with pytest.raises(ObjectChanged):
        store.read("k", etag=info.etag)


def test_files_deleted_while_they_are_listed_are_left_out(tmp_path):
    store = FileStore(tmp_path)
    for folder in "ab":
        for number in range(3):
            store.put(f"{folder}/{number}", b"")
    listing = store.list()
    store.delete("b/1")
    assert [info.key for info in listing] == ["a/0", "a/1", "a/2", "b/0", "b/2"]


def test_the_etag_differs_between_equal_contents_written_twice(tmp_path):
    store = FileStore(tmp_path)
    assert len({store.put("k", b"same").etag for _ in range(2)}) == 2


@settings(deadline=None, max_examples=50)  # the disk's speed is not what is tested
@given(st.sets(st.text("ab/.é-🎬", min_size=1, max_size=6), max_size=12), st.text("ab/.é-🎬", max_size=3))
def test_listing_equals_a_sorted_set_of_keys(tmp_path_factory, keys, prefix):
    root = tmp_path_factory.mktemp("store")
    store = FileStore(root)
    store.make_root()
    kept = set()
    for key in sorted(keys):
        try:
            store.put(key, b"")
        except DataError:
            continue
        kept.add(key)
    assert [info.key for info in store.list(prefix)] == sorted(
        (key for key in kept if key.startswith(prefix)), key=str.encode
    )

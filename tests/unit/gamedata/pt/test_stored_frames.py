"""Frames of a .pt file read by ranges: the same as loads() returns, and never code from the file."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.pt import file as pt
from jobs.gamedata.pt.measure import distinct_frames
from jobs.gamedata.pt.stored_frames import StoredFrames
from shared.errors import ItemError, ObjectChanged
from tests.fakes.sessions import make_session
from tests.fakes.store import MemoryStore

KEY = "a/v.pt"


def dumped(*, mode="auto", frames="rgb", **values) -> bytes:
    spec = SamplingSpec(mode=mode, frames=frames)
    session = make_session(spec=spec, **values)
    return bytes(
        pt.dump(session, s3_key="a/v.tar", source_etag="e", spec=spec, extracted_at="2026-01-01T00:00:00+00:00")
    )


def stored(body: bytes) -> tuple[StoredFrames, MemoryStore]:
    store = MemoryStore()
    return StoredFrames(store, store.set(KEY, body)), store


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"gop_s": 4.0},
        {"duration_s": 40.0},
        {"duration_s": 2.0},
        {"size": (640, 360)},
        {"gop_s": 45.0, "size": (8, 6)},
    ],
)
def test_frames_equal_those_of_the_whole_file(values):
    body = dumped(**values)
    times, frames = distinct_frames(pt.loads(body))
    found, _ = stored(body)
    assert found.times_s.tolist() == times.tolist()
    read = list(found.read(found.times_s.tolist()))
    assert all(np.array_equal(a, b) for a, b in zip(read, frames, strict=True))
    assert not found.is_packets


def test_only_the_ends_and_the_wanted_frames_are_read():
    body = dumped(size=(640, 360))
    found, store = stored(body)
    assert list(found.read(found.times_s[[0, 7]].tolist()))
    assert len(store.ranges) == 2 + 2
    assert sum(length for _, _, length in store.ranges) == 2 * (32 << 10) + 2 * 640 * 360 * 3
    assert len(body) > 20_000_000


def test_packets_are_recognised_without_reading_them():
    found, _ = stored(dumped(frames="packets"))
    assert found.is_packets
    assert not len(found.times_s)


def test_a_file_that_was_replaced_is_not_read():
    store = MemoryStore()
    info = store.set(KEY, dumped())
    store.set(KEY, dumped(seed=1))
    with pytest.raises(ObjectChanged):
        StoredFrames(store, info)


def rezipped(body: bytes, change) -> bytes:
    """Change the pickle of a file: ``change(bytes) -> bytes``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(stream, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, change(data) if info.filename.endswith("data.pkl") else data)
    return stream.getvalue()


def executing(_: bytes) -> bytes:
    class Evil:
        def __reduce__(self):
            return (eval, ("1/0",))

    return pickle.dumps({"format": "telecine.gamedata", "x": Evil()}, 2)


@pytest.mark.parametrize(
    "change",
    [
        executing,
        # BUILD sets attributes of whatever is on the stack, such as one of our classes.
        lambda data: data[:-1] + b"ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00xK\x01sb.",
        lambda data: data[:-1] + b"r\xff\xff\xff\xff.",  # a memo of 32 GB
        lambda data: data[:-1],
        lambda data: data.replace(b"sampled_frames", b"sampled_framez"),
        lambda data: data.replace(b"M\x80\x02", b"M\xff\xff"),  # 640 pixels wide -> 65,535
        lambda data: data.replace(b"ByteStorage", b"Byt3Storage"),
        lambda data: data.replace(b"torch\nByteStorage", b"os\nsystem"),
        lambda _: b"",
        lambda _: b"\x80\x02X\x11\x00\x00\x00telecine.gamedata.",
    ],
)
def test_a_pickle_of_another_kind_is_refused(change):
    body = dumped(size=(640, 360))
    changed = rezipped(body, change)
    with pytest.raises(ItemError) as caught:
        stored(changed)
    assert caught.value.code == "pt_invalid"


def test_any_damaged_byte_is_refused_or_read_within_the_file():
    body = dumped(size=(16, 12), duration_s=100.0)
    random = np.random.default_rng(7)
    codes = set()
    for _ in range(150):
        damaged = bytearray(body)
        for place in random.integers(0, len(body), 3):
            damaged[place] = random.integers(0, 256)
        cut = bytes(damaged[: random.integers(0, len(body))]) if random.random() < 0.3 else bytes(damaged)
        try:
            found, _ = stored(cut)
            frames = list(found.read(found.times_s.tolist()))
        except ItemError as error:
            codes.add(error.code)
        else:
            assert all(frame.shape == (3, found.height, found.width) for frame in frames)
    assert codes == {"pt_invalid"}


def test_a_pickle_of_the_original_pipeline_is_named_so():
    with pytest.raises(ItemError) as caught:
        stored(pickle.dumps({"a": 1}))
    assert caught.value.code == "pt_legacy"


def test_a_time_without_a_frame_is_refused():
    found, _ = stored(dumped())
    with pytest.raises(ItemError, match=r"no frame at 0\.123 s"):
        list(found.read([0.123]))

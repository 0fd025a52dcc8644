from __future__ import annotations

import os
import random
import signal
import threading
import time

import numpy as np
import pytest

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session import child as child_module
from jobs.gamedata.session._child_protocol import pack, unpack
from jobs.gamedata.session.child import DecodeChild
from jobs.gamedata.session.decode import extract_session
from shared.errors import ItemError, StoreUnavailable, TransientError
from tests.media import cached_clip, numbered_clip, tar_bytes

SPEC = SamplingSpec()


@pytest.fixture(scope="module")
def tar():
    return tar_bytes(cached_clip(seconds=20))


@pytest.fixture(scope="module")
def decoder():
    with DecodeChild() as child:
        yield child


class Hooked(BytesSource):
    def __init__(self, data, hook):
        super().__init__(data)
        self.hook = hook

    def read_many(self, ranges):
        self.hook()
        return super().read_many(ranges)


def works(child, tar):
    assert len(child.extract(BytesSource(tar), SPEC).frames) == 6


@pytest.mark.parametrize("frames", ["rgb", "packets"])
def test_a_child_returns_the_same_session_as_this_process(decoder, tar, frames):
    spec = SamplingSpec(frames=frames)
    ours, theirs = decoder.extract(BytesSource(tar), spec), extract_session(BytesSource(tar), spec)
    first, second = [], []
    assert pack(ours, first) == pack(theirs, second)
    assert [bytes(buffer) for buffer in first] == [bytes(buffer) for buffer in second]


def test_a_session_survives_packing_and_unpacking(tar):
    session = extract_session(BytesSource(tar), SamplingSpec(frames="packets"))
    buffers = []
    document = pack(session, buffers)
    again = unpack(document, [bytearray(buffer) for buffer in buffers])
    assert again.frames.strides.keys() == session.frames.strides.keys()
    assert again.frames.packets.data == session.frames.packets.data
    assert np.array_equal(again.statistics.static_share, session.statistics.static_share, equal_nan=True)


def test_one_process_serves_many_items(decoder, tar):
    works(decoder, tar)
    pid = decoder.pid
    works(decoder, tar)
    assert decoder.pid == pid


def test_a_bad_item_is_a_typed_error_and_the_process_stays(decoder, tar):
    works(decoder, tar)
    pid = decoder.pid
    with pytest.raises(ItemError) as caught:
        decoder.extract(BytesSource(tar_bytes(None)), SPEC)
    assert caught.value.code == "video_missing"
    assert not caught.value.retryable
    assert decoder.pid == pid


def test_a_killed_child_is_a_typed_error_and_the_next_item_works(decoder, tar):
    works(decoder, tar)
    with pytest.raises(ItemError) as caught:
        decoder.extract(Hooked(tar, lambda: os.kill(decoder.pid, signal.SIGKILL)), SPEC)
    assert caught.value.code == "decode_crashed"
    assert caught.value.retryable
    assert "SIGKILL" in str(caught.value)
    works(decoder, tar)


def test_a_child_killed_between_items_is_replaced_silently(decoder, tar):
    works(decoder, tar)
    os.kill(decoder.pid, signal.SIGKILL)
    works(decoder, tar)


def test_a_hanging_decoder_is_killed(tar):
    with DecodeChild(timeout_s=0.5) as child:
        child.extract(BytesSource(tar), SPEC)
        pid = child.pid
        begun = time.monotonic()
        with pytest.raises(ItemError) as caught:
            child.extract(Hooked(tar, lambda: os.kill(pid, signal.SIGSTOP)), SPEC)
        assert caught.value.code == "decode_timeout"
        assert time.monotonic() - begun < 20
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_time_spent_in_the_source_does_not_count(tar):
    waited = threading.Event()
    with DecodeChild(timeout_s=1) as child:
        child.extract(BytesSource(tar), SPEC)
        session = child.extract(Hooked(tar, lambda: waited.wait(0.4)), SPEC)
    assert len(session.frames) == 6


def test_a_source_that_fails_keeps_its_error(decoder, tar):
    def changed():
        raise item_error("tar_changed", "it changed")

    def unavailable():
        raise StoreUnavailable("503")

    def broken():
        raise OSError("no such device")

    for hook, kind in ((changed, ItemError), (unavailable, StoreUnavailable), (broken, TransientError)):
        with pytest.raises(kind):
            decoder.extract(Hooked(tar, hook), SPEC)
    works(decoder, tar)


def test_memory_is_limited(tmp_path, tar):
    # The pixels of 20 frames at 2560x1440 take 220 MB; the limit is 150 MB above the idle process.
    large = tar_bytes(numbered_clip(tmp_path / "large.mp4", seconds=12, fps=2, gop=2, size=(2560, 1440), b_frames=0))
    spec = SamplingSpec(strides=((0.5, 24),), max_height=0, mode="exact")
    with DecodeChild(memory_mb=420) as child:
        with pytest.raises(ItemError) as caught:
            child.extract(BytesSource(large), spec)
        assert caught.value.code == "decode_memory"
        assert caught.value.retryable
        works(child, tar)


def test_large_frames_are_rejected(tar):
    with DecodeChild(max_pixels=100 * 50) as child, pytest.raises(ItemError) as caught:
        child.extract(BytesSource(tar), SPEC)
    assert caught.value.code == "pixels_exceeded"


def test_a_process_that_cannot_start_is_a_transient_error(tar):
    with DecodeChild(memory_mb=20) as child, pytest.raises(TransientError, match="no decoder process"):
        child.extract(BytesSource(tar), SPEC)


def test_a_process_is_replaced_after_its_number_of_items(tar):
    with DecodeChild(items=2) as child:
        pids = set()
        for _ in range(3):
            child._ready()
            pids.add(child.pid)
            works(child, tar)
    assert len(pids) == 2


def test_the_child_has_no_keys_and_no_heavy_libraries(monkeypatch, tar):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with DecodeChild() as child:
        works(child, tar)
        with open(f"/proc/{child.pid}/environ", "rb") as file:  # noqa: PTH123
            assert b"AWS_" not in file.read()
        with open(f"/proc/{child.pid}/maps") as file:  # noqa: PTH123
            maps = file.read()
    assert "libtorch" not in maps
    assert "ray/_raylet" not in maps


def test_the_child_imports_nothing_from_the_current_folder(monkeypatch, tmp_path, tar):
    for name in ("json", "numpy", "av"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('from the current folder')")
    monkeypatch.chdir(tmp_path)
    with DecodeChild() as child:
        works(child, tar)


def test_invalid_replies_of_a_child_are_rejected(tar):
    with DecodeChild() as child:
        works(child, tar)
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        for answer in (
            {"kind": "done", "value": {"class": "Popen", "of": {}}},
            {"kind": "done", "value": {"items": deep}},
            {"kind": "read", "ranges": [[0, float("inf")]]},
            {"kind": "error", "code": "x"},
            {},
        ):
            child._ready()
            child._channel.receive = lambda *, until, answer=answer: ({"kind": "?", **answer}, [])
            with pytest.raises(ItemError) as caught:
                child.extract(BytesSource(tar), SPEC)
            assert caught.value.code == "decode_crashed"
        works(child, tar)


def test_damaged_videos_cause_at_most_a_typed_error(decoder):
    whole = cached_clip(seconds=20).read_bytes()
    for seed in range(12):
        chance = random.Random(seed)
        damaged = bytearray(whole[: chance.choice([len(whole), len(whole) // 2])])
        for _ in range(chance.choice([1, 30, 300])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            session = decoder.extract(BytesSource(tar_bytes(bytes(damaged))), SPEC)
        except ItemError as error:
            assert error.code != "decode_crashed", error  # noqa: PT017
        else:
            assert len(session.statistics.corrupt) == len(session.frames)


def test_closing_twice_and_without_a_process_has_no_effect():
    child = child_module.DecodeChild()
    child.close()
    child.close()
    assert child.pid is None


@pytest.mark.parametrize("data", [{"message": 1, "code": 2, "self": 3, "retryable": 4}, {"cls": 1}, [], "x", None])
def test_facts_of_a_process_that_was_taken_over_name_no_argument(monkeypatch, data):
    document = {"kind": "error", "code": "video_invalid", "message": "m", "data": data}
    monkeypatch.setattr(DecodeChild, "_serve", lambda *_: child_module._Refused(document))
    with DecodeChild() as child, pytest.raises(ItemError) as caught:
        child.picture(b"")
    found = caught.value
    assert (found.code, found.message, found.retryable) == ("video_invalid", "m", False)
    assert found.data == (data if isinstance(data, dict) else {})


@pytest.mark.parametrize("code", [[1], {}, None, "other"])
def test_an_unknown_code_is_an_invalid_reply(monkeypatch, code):
    monkeypatch.setattr(DecodeChild, "_serve", lambda *_: child_module._Refused({"kind": "error", "code": code}))
    with DecodeChild() as child, pytest.raises(ItemError, match="invalid reply") as caught:
        child.picture(b"")
    assert caught.value.code == "decode_crashed"

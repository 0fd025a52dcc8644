from __future__ import annotations

import numpy as np
import pytest

from jobs.gamedata.frames.decoder import decode_runs
from jobs.gamedata.members.mp4 import NeedsFFmpeg
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session import decode as session_module
from jobs.gamedata.session.decode import extract_session
from tests.media import cached_clip, keyframe_numbers, read_number, tar_bytes

FPS = 10
# A keyframe each 4 s, as in the others; every fifth frame of theirs, because encoding all takes 2 s.
LONG_FPS = 2
LONG = {"seconds": 460, "fps": LONG_FPS, "gop": 4 * LONG_FPS, "audio": True}
OPEN_GOP = "log-level=none:scenecut=0:bframes=3:keyint=40:min-keyint=40:open-gop=1:pools=none"
REFRESH = "intra-refresh=1:keyint=40:min-keyint=40:scenecut=0"
KINDS = {
    "moov last": {},
    "moov first": {"faststart": True},
    "no B-frames": {"b_frames": 0},
    "hevc": {"codec": "libx265"},
    "hevc, open GOPs": {"codec": "libx265", "options": {"x265-params": OPEN_GOP}},
    "rotated": {"rotation": 90},
    "full range": {"full_range": True},
    "intra refresh": {"b_frames": 0, "options": {"x264-params": REFRESH}},
    "10 bits": {"pix_fmt": "yuv420p10le"},
    "variable rate": {"times": [0.1 * i + (10.0 if i > 150 else 0.0) for i in range(400)]},
}
OTHERS = {
    "fragments": {"fragmented": True},
    "matroska": {"suffix": "mkv"},
    "webm": {"suffix": "webm", "codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
    "transport stream": {"suffix": "ts"},
    "flash": {"suffix": "flv"},
    "H.264 in AVI": {"suffix": "avi"},
    "MPEG-4 Part 2 in AVI": {"suffix": "avi", "codec": "mpeg4"},
    "motion jpeg": {"suffix": "avi", "codec": "mjpeg", "b_frames": 0, "pix_fmt": "yuvj420p"},
}


def extract(mode="auto", *, frames="rgb", suffix="mp4", **clip):
    path = cached_clip(suffix=suffix, **{"seconds": 40, "fps": FPS, "gop": 40, **clip})
    source = BytesSource(tar_bytes(path, video_name=f"recording.{suffix}"))
    return extract_session(source, SamplingSpec(mode=mode, frames=frames))


def numbers(session):
    return np.array([read_number(image) for image in session.frames.images])


@pytest.fixture
def only_ffmpeg(monkeypatch):
    def refuse(_source):
        raise NeedsFFmpeg("a test")

    return lambda: monkeypatch.setattr(session_module, "read_index", refuse)


@pytest.mark.parametrize("reader", ["ranges", "ffmpeg"])
def test_exact_samples_the_frames_displayed_at_the_requested_times(reader, only_ffmpeg):
    if reader == "ffmpeg":
        only_ffmpeg()
    session = extract("exact", **LONG)
    assert session.reader == reader
    shown = numbers(session)
    for stride, count in ((3, 15), (30, 15), (60, 5)):
        samples = session.frames.strides[stride]
        assert samples.asked_s.tolist() == [stride * (i + 1) for i in range(count)]
        assert shown[samples.index].tolist() == [stride * LONG_FPS * (i + 1) for i in range(count)]
    assert len(session.frames) == 29
    assert session.repeated == 0


@pytest.mark.parametrize("reader", ["ranges", "ffmpeg"])
def test_auto_repeats_no_keyframe_in_a_stride_and_reports_true_times(reader, only_ffmpeg):
    if reader == "ffmpeg":
        only_ffmpeg()
    session = extract("auto", **LONG)
    shown = numbers(session)
    assert [len(session.frames.strides[stride].index) for stride in (3, 30, 60)] == [15, 15, 5]
    assert shown.tolist() == np.round(session.frames.time_s * LONG_FPS).astype(int).tolist()
    keys = set(keyframe_numbers(cached_clip(**LONG))) - {0}
    assert (session.frames.keyframe == np.isin(shown, sorted(keys))).all()
    for stride, samples in session.frames.strides.items():
        assert len(set(samples.index.tolist())) == len(samples.index)
        for asked, row in zip(samples.asked_s, samples.index, strict=True):
            assert abs(shown[row] / LONG_FPS - asked) <= 2.0, stride
            assert shown[row] in keys or shown[row] == round(asked * LONG_FPS)


def test_keyframe_samples_the_nearest_keyframes_and_counts_repeats():
    session = extract("keyframe", **LONG)
    shown = numbers(session)
    assert set(shown.tolist()) <= set(keyframe_numbers(cached_clip(**LONG)))
    assert session.frames.keyframe.all()
    assert session.decoded == len(session.frames) == len(set(shown.tolist()))
    rows = [samples.index for samples in session.frames.strides.values()]
    assert [len(row) for row in rows] == [15, 15, 5]
    assert session.repeated == sum(len(row) - len(set(row.tolist())) for row in rows) > 0


@pytest.mark.parametrize("mode", ["auto", "keyframe", "exact"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_readers_return_the_same_session(kind, mode, only_ffmpeg):
    by_index = extract(mode, **KINDS[kind])
    only_ffmpeg()
    by_ffmpeg = extract(mode, **KINDS[kind])
    assert (by_index.reader, by_ffmpeg.reader) == ("ranges", "ffmpeg")
    assert np.array_equal(by_index.frames.images, by_ffmpeg.frames.images)
    assert np.array_equal(by_index.frames.pts, by_ffmpeg.frames.pts)
    assert by_index.frames.time_base == by_ffmpeg.frames.time_base
    assert by_index.frames.rotation == by_ffmpeg.frames.rotation
    assert by_index.duration_s == pytest.approx(by_ffmpeg.duration_s, abs=1e-9)
    assert by_index.video_metadata == by_ffmpeg.video_metadata
    for name in ("time_s", "luma_mean", "static_share", "signature", "corrupt"):
        ours, theirs = getattr(by_index.statistics, name), getattr(by_ffmpeg.statistics, name)
        assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"), name


@pytest.mark.parametrize("kind", {**KINDS, **OTHERS})
def test_frames_show_the_number_of_their_time(kind):
    clip = {**KINDS, **OTHERS}[kind]
    session = extract("exact", **clip)
    assert session.reader == ("ranges" if kind in KINDS else "ffmpeg")
    times = clip.get("times") or [i / FPS for i in range(400)]
    shown = numbers(session)
    # Matroska and FLV store times in milliseconds.
    assert [times[number] for number in shown] == pytest.approx(session.frames.time_s.tolist(), abs=1e-3)
    for samples in session.frames.strides.values():
        for asked, number in zip(samples.asked_s, shown[samples.index], strict=True):
            assert times[number] <= asked + 1e-3
            assert number + 1 == len(times) or times[number + 1] > asked


@pytest.mark.parametrize("mode", ["auto", "exact"])
@pytest.mark.parametrize(
    "kind", ["moov last", "hevc, open GOPs", "rotated", "matroska", "intra refresh", "H.264 in AVI"]
)
def test_stored_packets_decode_to_the_same_pixels(kind, mode):
    clip = {**KINDS, **OTHERS}[kind]
    pixels = extract(mode, **clip).frames
    packets = extract(mode, frames="packets", **clip).frames
    assert packets.images is None
    images = decode_runs(packets.packets, packets.height, packets.width, packets.rotation)
    assert np.array_equal(images, pixels.images)
    assert np.array_equal(packets.pts, pixels.pts)


def test_a_video_shorter_than_the_strides_has_no_frames():
    frames = extract(seconds=2).frames
    assert frames.images.shape == (0, 3, 90, 160)
    assert [len(samples.index) for samples in frames.strides.values()] == [0, 0, 0]
    packets = extract(seconds=2, frames="packets").frames
    assert decode_runs(packets.packets, packets.height, packets.width, 0).shape == (0, 3, 90, 160)

"""Each stored frame equals that of a full decode or is marked, for videos that a naive reader decodes wrongly."""

from __future__ import annotations

import itertools
import struct

import av
import numpy as np
import pytest

from jobs.gamedata.frames import ffmpeg_reader
from jobs.gamedata.frames.conversion import FrameConverter
from jobs.gamedata.frames.decoder import decode_runs
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session import decode as session_module
from jobs.gamedata.session.decode import extract_session
from shared.errors import ItemError
from tests.media import cached_clip, read_number, tar_bytes

FPS = 10
SIZE = (176, 144)  # H.263 has no smaller one
STRIDES = ((2.0, 12), (7.0, 3))
SECONDS = 26


def clip(codec="libx264", suffix="mp4", **settings):
    return cached_clip(codec=codec, suffix=suffix, **{"seconds": SECONDS, "fps": FPS, "size": SIZE, **settings})


def extract(video, mode="exact", *, frames="rgb", suffix=None, strides=STRIDES):
    body = video if isinstance(video, bytes) else video.read_bytes()
    name = f"recording.{suffix or video.suffix[1:]}"
    return extract_session(BytesSource(tar_bytes(body, video_name=name)), SamplingSpec(strides, mode, frames=frames))


def images(session):
    frames = session.frames
    if frames.packets is None:
        return frames.images
    return decode_runs(frames.packets, frames.height, frames.width, frames.rotation)


def full_decode(path):
    """Return the frames of FFmpeg's own decoder by pts, without seeking, skipping or threads."""
    frames = {}
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_type, stream.codec_context.thread_count = "NONE", 1
        for packet in container.demux(stream):
            for frame in stream.codec_context.decode(packet if packet.size else None):
                frames[frame.pts] = frame
    return frames


def differences(session, truth):
    """Return each frame's largest difference from that of a full decode."""
    store = session.frames
    picture = FrameConverter(store.rotation)
    found = []
    for pts, image in zip(store.pts.tolist(), images(session), strict=True):
        expected = np.zeros_like(image)
        picture.rgb(truth[pts], store.height, store.width, expected)
        found.append(int(np.abs(expected.astype(int) - image).max()))
    return found


CODECS = {
    # Codecs that need the container's size, depth or tag, and codecs whose keyframes only the container marks.
    "H.263 in AVI, all listed as keyframes": ("h263", "avi", {"b_frames": 0}),
    "Sorenson Spark": ("flv", "flv", {"b_frames": 0}),
    "PNG in MOV": ("png", "mov", {"pix_fmt": "rgb24"}),
    "HuffYUV": ("huffyuv", "avi", {"pix_fmt": "yuv422p"}),
    "FFV1": ("ffv1", "mkv", {"options": {"strict": "-2"}}),
    "Ut Video": ("utvideo", "avi", {}),
    "Microsoft's MPEG-4": ("msmpeg4v2", "avi", {"b_frames": 0}),
    "WMV2": ("wmv2", "avi", {"b_frames": 0}),
    "raw video": ("rawvideo", "avi", {"pix_fmt": "bgr24"}),
    "QuickTime Animation": ("qtrle", "mov", {"pix_fmt": "rgb24"}),
    "RPZA, all listed as keyframes": ("rpza", "mov", {"pix_fmt": "rgb555le"}),
    "Cinepak": ("cinepak", "avi", {"pix_fmt": "rgb24", "size": (64, 48)}),  # its encoder is slow
    "MPEG-2": ("mpeg2video", "ts", {"fps": 24}),
    "H.264, open GOPs": ("libx264", "mkv", {"options": {"x264-params": "open-gop=1:keyint=40:bframes=3"}}),
    "intra refresh": ("libx264", "mp4", {"options": {"x264-params": "intra-refresh=1:keyint=24:bframes=0"}}),
}


@pytest.mark.parametrize("kind", CODECS)
def test_frames_equal_a_full_decode(kind):
    codec, suffix, settings = CODECS[kind]
    path = clip(codec, suffix, **settings)
    truth = full_decode(path)
    for mode, frames in itertools.product(("auto", "exact", "keyframe"), ("rgb", "packets")):
        session = extract(path, mode, frames=frames)
        assert not session.statistics.corrupt.any(), (mode, frames)
        assert max(differences(session, truth)) == 0, (mode, frames)
        if mode == "exact":
            for samples in session.frames.strides.values():
                assert session.frames.time_s[samples.index] == pytest.approx(samples.asked_s, abs=0.02)


REFRESH = {"x264-params": "intra-refresh=1:keyint=20:bframes=0"}


@pytest.mark.parametrize("mode", ["auto", "exact"])
@pytest.mark.parametrize("frames", ["rgb", "packets"])
def test_intra_refresh_far_from_a_keyframe_is_marked(monkeypatch, mode, frames):
    path = clip(b_frames=0, options=REFRESH)
    monkeypatch.setattr(session_module, "_REFRESH_PIXELS", SIZE[0] * SIZE[1] * 100)
    session = extract(path, mode, frames=frames, strides=((6.0, 4),))
    # The frames are those of the requested times, and frames after the first 100 are marked.
    assert session.frames.time_s.tolist() == [6.0, 12.0, 18.0, 24.0]
    assert session.statistics.corrupt.tolist() == [False, True, True, True]
    assert differences(session, full_decode(path))[0] == 0
    assert any("keyframe" in warning for warning in session.warnings)


@pytest.mark.parametrize("frames", ["rgb", "packets"])
def test_intra_refresh_decoded_on_from_a_keyframe_is_not_marked(monkeypatch, frames):
    path = clip(b_frames=0, options=REFRESH)
    monkeypatch.setattr(session_module, "_REFRESH_PIXELS", SIZE[0] * SIZE[1] * 100)
    session = extract(path, frames=frames, strides=((2.0, 12),))  # each run of packets overlaps the one before
    assert not session.statistics.corrupt.any()
    assert max(differences(session, full_decode(path))) == 0
    if frames == "packets":
        assert not session.frames.packets.first.any()


def without_picture(path, *numbers, body=b"\xff"):
    """Replace the packets of some frames of an MP4 with bytes that no decoder accepts."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        step = packets[0].duration
        first = min(packet.pts for packet in packets)
        places = [(packet.pos, packet.size) for packet in packets if (packet.pts - first) // step in numbers]
    assert len(places) == len(set(numbers))
    changed = bytearray(path.read_bytes())
    for place, size in places:
        changed[place : place + size] = body * size
    return bytes(changed)


@pytest.mark.parametrize("frames", ["rgb", "packets"])
def test_an_undecodable_frame_is_replaced_by_the_one_before_it(frames):
    path = clip(b_frames=0)
    session = extract(without_picture(path, 100), frames=frames, suffix="mp4")
    shown = [read_number(image) for image in images(session)]
    store = session.frames
    assert store.time_s.tolist() == [number / FPS for number in shown]
    row = int(store.strides[2.0].index[4])  # asked at 10 s
    assert shown[row] == 99
    assert session.statistics.corrupt[row]
    assert len(store) == len(extract(path).frames)
    assert any("cannot be decoded" in warning for warning in session.warnings)
    # Frames after it refer to it, up to the next keyframe at 12 s.
    assert np.flatnonzero(session.statistics.corrupt).tolist() == [row]


@pytest.mark.parametrize("frames", ["rgb", "packets"])
def test_an_undecodable_gop_is_replaced_by_the_last_frame_of_the_one_before(frames):
    path = clip(b_frames=0)
    session = extract(without_picture(path, *range(80, 120)), frames=frames, suffix="mp4")
    shown = np.array([read_number(image) for image in images(session)])
    damaged = session.statistics.corrupt
    assert set(shown[damaged].tolist()) == {79}
    assert session.frames.time_s.tolist() == (shown / FPS).tolist()
    assert not set(shown[~damaged].tolist()) & set(range(80, 120))


def test_without_a_picture_before_it_a_sample_is_left_out():
    path = clip(b_frames=0)
    session = extract(without_picture(path, *range(40)), suffix="mp4")
    assert session.frames.strides[2.0].asked_s.tolist() == [2.0 * number for number in range(2, 13)]
    assert session.frames.strides[7.0].asked_s.tolist() == [7.0, 14.0, 21.0]
    shown = [read_number(image) for image in session.frames.images]
    assert session.frames.time_s.tolist() == [number / FPS for number in shown]
    assert not session.statistics.corrupt.any()


@pytest.mark.parametrize("frames", ["rgb", "packets"])
def test_a_session_without_a_decodable_frame_is_an_error(frames):
    with pytest.raises(ItemError) as caught:
        extract(without_picture(clip(b_frames=0), *range(SECONDS * FPS)), frames=frames, suffix="mp4")
    assert caught.value.code == "decode_failed"


def starting_at(path, frame):
    """Make an MP4's edit list start at another frame."""
    body = bytearray(path.read_bytes())
    scale = struct.unpack_from(">I", body, body.index(b"mdhd") + 16)[0]
    entry = body.index(b"elst") + 12
    begin = struct.unpack_from(">i", body, entry + 4)[0]
    struct.pack_into(">i", body, entry + 4, begin + frame * scale // FPS)
    return bytes(body)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_an_edit_list_off_a_keyframe_keeps_the_rotation(codec, rotation):
    path = cached_clip(codec=codec, suffix="mp4", seconds=SECONDS, fps=FPS, rotation=rotation)
    session = extract(starting_at(path, 13), suffix="mp4")
    assert session.reader == "ffmpeg"
    assert session.frames.rotation == -rotation % 360
    shown = [read_number(image) - 13 for image in session.frames.images]
    assert session.frames.time_s == pytest.approx([number / FPS for number in shown])


def test_an_undecodable_keyframe_does_not_lose_the_rotation():
    path = cached_clip(suffix="mp4", seconds=SECONDS, fps=FPS, rotation=90)
    body = without_picture(path, 0)
    place = path.read_bytes().index(b"elst") + 16
    begin = struct.unpack_from(">i", body, place)[0]
    session = extract(body[:place] + struct.pack(">i", begin + 1024) + body[place + 4 :], suffix="mp4")
    assert session.reader == "ffmpeg"
    assert session.frames.rotation == 270


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("mode", ["auto", "exact"])
def test_intra_refresh_is_decoded_from_a_complete_keyframe(suffix, mode):
    session = extract(clip(suffix=suffix, b_frames=0, options=REFRESH), mode, frames="packets")
    packets = session.frames.packets
    assert packets.pts[packets.first].tolist() == [int(packets.pts.min())] * len(session.frames)
    for samples in session.frames.strides.values():
        assert session.frames.time_s[samples.index] == pytest.approx(samples.asked_s, abs=0.01)


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
@pytest.mark.parametrize("seconds", [(20, 20), (6, 18), (18, 6)])
def test_parts_whose_times_restart_are_sampled_one_after_the_other(suffix, seconds):
    settings = {"suffix": suffix, "codec": "libx264" if suffix == "ts" else "mpeg2video"}
    settings |= {} if suffix == "ts" else {"fps": 25}
    fps = settings.get("fps", FPS)
    one, other = (
        clip(seconds=length, first=first, **settings) for length, first in zip(seconds, (0, 900), strict=True)
    )
    assert not any("restart" in warning for warning in extract(one).warnings)
    session = extract(one.read_bytes() + other.read_bytes(), suffix=suffix, strides=((2.0, 30),))
    assert any("restart" in warning for warning in session.warnings)
    assert not session.statistics.corrupt.any()
    assert session.duration_s == pytest.approx(sum(seconds), abs=1.5 / fps)
    asked = session.frames.strides[2.0].asked_s
    assert asked.tolist() == [2.0 * number for number in range(1, (sum(seconds) + 1) // 2)]
    shown = np.array([read_number(image) for image in session.frames.images])
    place = np.where(shown < 900, shown, shown - 900 + seconds[0] * fps)
    assert session.frames.time_s == pytest.approx(place / fps, abs=0.01)
    assert session.frames.time_s == pytest.approx(asked, abs=1.5 / fps)


def test_a_single_wrong_time_is_not_a_restart():
    times = np.arange(0, 400, 10)
    durations = np.full(40, 10)
    for wrong in (0, 5, 5000, -5000):
        ticks = times.copy()
        ticks[20] = wrong
        assert ffmpeg_reader._continued(ticks, ticks, durations, 10) is ticks
    twice = np.concatenate([times, times + 5, times])
    continued = ffmpeg_reader._continued(twice, twice, np.full(120, 10), 10)
    assert continued.tolist() == list(range(0, 1200, 10))
    unknown = ffmpeg_reader._continued(twice, twice, np.zeros(120, np.int64), 10)
    assert unknown.tolist() == continued.tolist()


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "h264"), ("libx265", "hevc")])
def test_a_raw_stream_gets_evenly_spaced_times(codec, suffix, b_frames):
    session = extract(clip(codec, suffix, b_frames=b_frames), suffix="m4v")
    assert any("no times" in warning for warning in session.warnings)
    assert not session.statistics.corrupt.any()
    shown = np.array([read_number(image) for image in session.frames.images])
    assert len(set(shown.tolist())) == len(shown) > 2
    assert session.frames.time_s == pytest.approx(shown / FPS)  # the rate that the stream declares


def test_a_first_gop_that_no_seek_finds_is_read():
    path = clip(suffix="ts", audio=True, gop=100)
    body = path.read_bytes()[188 * 4 :]
    session = extract(body, suffix="ts")
    shown = [read_number(image) for image in session.frames.images]
    assert not session.statistics.corrupt.any()
    assert len(session.frames.strides[2.0].index) + len(session.frames.strides[7.0].index) >= 10
    assert [session.frames.time_s[i] - number / FPS for i, number in enumerate(shown)] == pytest.approx(
        [session.frames.time_s[0] - shown[0] / FPS] * len(shown)
    )


def test_sparse_matroska_is_read():
    times = [0.0, 0.4, 1.2, 28.0, 28.04, 96.0]
    session = extract(clip(suffix="mkv", times=times, gop=40), strides=((3.0, 15), (30.0, 3)))
    shown = [read_number(image) for image in session.frames.images]
    assert session.frames.time_s == pytest.approx([times[number] for number in shown], abs=1e-3)
    assert shown[int(session.frames.strides[30.0].index[0])] == 4


@pytest.mark.parametrize("bad_seeks", [0, 99])
def test_packets_are_found_again_after_bad_seeks(monkeypatch, bad_seeks):
    path = clip(suffix="mkv", gop=20)
    expected = extract(path)

    def late(self, sample):
        self._container.seek(int(self._ticks[-1]), stream=self._stream, backward=True)
        self._stored, self._next = self._packets(), None
        return True

    monkeypatch.setattr(ffmpeg_reader.FFmpegReader, "_seek", late)
    monkeypatch.setattr(ffmpeg_reader, "_BAD_SEEKS", bad_seeks)
    session = extract(path)
    assert np.array_equal(session.frames.images, expected.frames.images)
    assert not session.statistics.corrupt.any()


def test_a_frame_of_another_shape_is_centred_between_black_bars_and_reported():
    first, second = clip(suffix="ts", seconds=10), clip(suffix="ts", seconds=10, size=(320, 144), first=100)
    # Transport streams may be joined; the second one's times continue those of the first.
    session = extract(first.read_bytes() + shifted(second, 10), suffix="ts")
    assert any("320x144" in warning and "size" in warning for warning in session.warnings)
    assert (session.frames.height, session.frames.width) == (144, 176)
    for time_s, image in zip(session.frames.time_s, session.frames.images, strict=True):
        if time_s < 10:
            assert read_number(image) == round(time_s * FPS)
        else:
            inner = image[:, 32:111]
            assert not image[:, :32].any()
            assert not image[:, 111:].any()
            assert read_number(inner) == round(time_s * FPS)


def shifted(path, seconds):
    import io

    output = io.BytesIO()
    with av.open(str(path)) as source, av.open(output, "w", format="mpegts") as target:
        stream = source.streams.video[0]
        copied = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts += round(seconds / stream.time_base)
                packet.dts += round(seconds / stream.time_base)
                packet.stream = copied
                target.mux(packet)
    return output.getvalue()

from __future__ import annotations

import functools
import os
import struct
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.gamedata.members.mp4 import NeedsFFmpeg, VideoTrack, read_index
from jobs.gamedata.ranges.source import BytesSource
from shared.errors import ItemError
from tests.media import cached_clip, looped

CLIP: dict[str, Any] = {"seconds": 6, "fps": 10, "gop": 20, "size": (64, 36)}
REAL = Path(os.environ.get("TELECINE_TEST_VIDEOS", Path(__file__).parents[5] / "shared/data/videos"))


class Counted(BytesSource):
    reads = 0

    def read(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return super().read(offset, length)


def index(path: str | Path) -> VideoTrack:
    return read_index(BytesSource(Path(path).read_bytes()))


def same_as_ffmpeg(path: str | Path) -> VideoTrack:
    """Compare every packet with FFmpeg's demuxer, and return the track."""
    track = index(path)
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert stream.codec_context.name == track.codec
        assert (stream.width, stream.height) == (track.width, track.height)
        assert (stream.time_base.numerator, stream.time_base.denominator) == track.time_base
        assert stream.codec_context.extradata == track.extradata
    assert not any(packet.is_discard for packet in packets)
    start = min(packet.pts for packet in packets)
    assert start == track.start_pts
    assert [packet.pts - start for packet in packets] == track.pts.tolist()
    assert [packet.size for packet in packets] == track.size.tolist()
    assert [packet.pos for packet in packets] == track.offset.tolist()
    assert [packet.is_keyframe for packet in packets] == track.keyframe.tolist()
    return track


def ffmpegs_choice(path: str | Path) -> int:
    """Return the index of the video stream that FFmpeg plays."""
    with av.open(str(path)) as container:
        return container.streams.best("video").index


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="moov last, 2 B-frames"),
        pytest.param({"b_frames": 0}, id="no B-frames"),
        pytest.param({"faststart": True}, id="moov first"),
        pytest.param({"audio": True}, id="audio between"),
        pytest.param({"options": {"x264-params": "open-gop=1"}}, id="open GOP"),
        pytest.param({"options": {"x264-params": "intra-refresh=1"}}, id="recovery points"),
        pytest.param({"times": [0.1 * n + (10 if n > 20 else 0) for n in range(40)]}, id="VFR with a hole"),
        pytest.param({"pix_fmt": "yuv420p10le"}, id="10 bits"),
        pytest.param({"container": "mov"}, id="MOV"),
        pytest.param({"mux_options": {"use_editlist": "0"}}, id="no edit list"),
        pytest.param({"mux_options": {"movflags": "negative_cts_offsets"}}, id="negative composition offsets"),
        pytest.param({"fps": 30, "seconds": 2.5}, id="another rate"),
        pytest.param({"codec": "libx265"}, id="HEVC"),
    ],
)
def test_every_packet_matches_ffmpeg(more: dict[str, Any]) -> None:
    path = cached_clip(**{**CLIP, **more})
    track = same_as_ffmpeg(path)
    settings = {**CLIP, **more}
    frames = len(settings["times"]) if "times" in settings else round(settings["seconds"] * settings["fps"])
    assert len(track.pts) == frames
    assert track.pts.min() == 0
    if "times" not in settings:
        assert track.duration_s == pytest.approx(settings["seconds"], abs=1e-6)


def test_a_track_that_starts_late(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    with av.open(str(cached_clip(**CLIP))) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream("aac", rate=48000)
        sound.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        output.mux(sound.encode(frame))
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.pts += round(0.7 / packet.time_base)
                packet.dts += round(0.7 / packet.time_base)
                packet.stream = stream
                output.mux(packet)
        output.mux(sound.encode())
    assert same_as_ffmpeg(path).start_pts > 0


def test_a_video_looped_by_stream_copy(tmp_path: Path) -> None:
    track = same_as_ffmpeg(looped(cached_clip(**CLIP, b_frames=0), tmp_path / "long.mp4", 20))
    assert len(track.pts) >= 200


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_displays_the_picture_upright(degrees: int) -> None:
    clip = cached_clip(**{**CLIP, "seconds": 1}, rotation=degrees)
    assert same_as_ffmpeg(clip).rotation == -degrees % 360


@pytest.mark.skipif(not REAL.is_dir(), reason="needs shared/data/videos")
@pytest.mark.parametrize("name", ["bikes.mp4", "bigbuckbunny.mp4"])
def test_real_videos(name: str) -> None:
    same_as_ffmpeg(REAL / name)


def co64(data: bytes) -> bytes:
    """Replace the 32-bit chunk offsets by 64-bit ones, as in files over 4 GiB."""
    at = data.rindex(b"stco") - 4
    size, count = struct.unpack_from(">I", data, at)[0], struct.unpack_from(">I", data, at + 12)[0]
    offsets = struct.unpack_from(f">{count}I", data, at + 16)
    body = struct.pack(">I4sII", 16 + 8 * count, b"co64", 0, count) + struct.pack(f">{count}Q", *offsets)
    grown = bytearray(data[:at] + body + data[at + size :])
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = grown.rindex(kind, 0, at) - 4
        struct.pack_into(">I", grown, place, struct.unpack_from(">I", grown, place)[0] + len(body) - size)
    return bytes(grown)


def test_64_bit_chunk_offsets(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    path.write_bytes(co64(cached_clip(**CLIP).read_bytes()))
    assert b"co64" in path.read_bytes()
    same_as_ffmpeg(path)


def test_the_one_enabled_video_track_is_ffmpegs_choice(tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    clips = [cached_clip(**CLIP), cached_clip(**CLIP, b_frames=0)]
    with av.open(str(path), "w") as output:
        packets = []
        for clip in clips:
            with av.open(str(clip)) as source:
                stream = output.add_stream_from_template(source.streams.video[0])
                packets += [(stream, packet) for packet in source.demux(video=0) if packet.dts is not None]
        for stream, packet in sorted(packets, key=lambda pair: pair[1].dts * pair[1].time_base):
            packet.stream = stream
            output.mux(packet)
    same_as_ffmpeg(path)
    assert ffmpegs_choice(path) == 0  # FFmpeg's muxer enables the first track of a kind
    data = bytearray(path.read_bytes())
    flags = [data.index(b"tkhd") + 7, data.rindex(b"tkhd") + 7]
    data[flags[1]] |= 1
    with pytest.raises(NeedsFFmpeg, match="2 video tracks"):
        read_index(BytesSource(bytes(data)))
    data[flags[0]] &= ~1
    path.write_bytes(data)
    same_as_ffmpeg(path)
    assert ffmpegs_choice(path) == 1


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        pytest.param({"fragmented": True}, "fragmented", id="fragmented"),
        pytest.param({"codec": "mpeg4"}, "codec", id="codec"),
        pytest.param({"gop": 1}, "stss", id="only keyframes"),
        pytest.param({"suffix": "mkv"}, "not an MP4", id="Matroska"),
        pytest.param({"suffix": "avi", "codec": "mpeg4"}, "not an MP4", id="AVI"),
    ],
)
def test_other_files_are_left_to_ffmpeg(clip: dict[str, Any], reason: str) -> None:
    with pytest.raises(NeedsFFmpeg, match=reason):
        index(cached_clip(**{**CLIP, "seconds": 2, **clip}))


def edited(first: int, more: int = 0) -> bytes:
    """Change the edit's media time and duration."""
    data = bytearray(cached_clip(**CLIP).read_bytes())
    place = data.index(b"elst") + 12
    duration, begin = struct.unpack_from(">Ii", data, place)
    struct.pack_into(">Ii", data, place, duration + more, begin + first)
    return bytes(data)


@pytest.mark.parametrize("edit", [(1024, 0), (-1, 0), (0, -500)])
def test_edits_that_drop_frames_are_left_to_ffmpeg(edit: tuple[int, int]) -> None:
    with pytest.raises(NeedsFFmpeg, match="edit list"):
        read_index(BytesSource(edited(*edit)))


def test_a_slightly_short_edit_drops_nothing() -> None:
    assert len(read_index(BytesSource(edited(0, -50))).pts) == 60


@functools.cache
def content(**more: Any) -> bytes:
    return cached_clip(**{**CLIP, **more}).read_bytes()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(lambda: b"", "video_invalid", id="empty"),
        pytest.param(lambda: content()[: len(content()) // 2], "moov_missing", id="moov last, half"),
        pytest.param(lambda: content()[:-100], "moov_missing", id="cut in moov"),
        pytest.param(lambda: content(faststart=True)[:-100], "video_truncated", id="moov first, end cut"),
        pytest.param(lambda: content(faststart=True)[:-1500], "video_truncated", id="moov first, more cut"),
        pytest.param(lambda: content().replace(b"vide", b"text"), "video_no_stream", id="no video"),
    ],
)
def test_cut_and_empty_videos(data: Any, code: str) -> None:
    with pytest.raises(ItemError) as caught:
        read_index(BytesSource(data()))
    assert caught.value.code == code


def test_few_reads() -> None:
    data = content()
    moov = data.index(b"moov") - 4
    free = struct.pack(">I4s", 300_000, b"free") + bytes(299_992)
    for moved, reads in ((content(faststart=True), 1), (data[:moov] + free + data[moov:], 2)):
        source = Counted(moved)
        assert len(read_index(source).pts) == 60
        assert source.reads <= reads


def test_ten_minutes_cost_milliseconds() -> None:
    """Index 36,000 samples without a Python loop; the limit allows for a busy machine."""
    data = bytearray(content(b_frames=0))
    for kind, place in ((b"stsz", 8), (b"stts", 12), (b"stsc", 16)):
        struct.pack_into(">I", data, data.index(kind) + place, 1 if kind == b"stsz" else 36_000)
    struct.pack_into(">I", data, data.index(b"stsz") + 12, 36_000)  # all of one size, to keep the tables small
    struct.pack_into(">I", data, data.index(b"elst") + 12, 0x7FFFFFFF)
    began = time.process_time()
    assert len(read_index(BytesSource(bytes(data) + bytes(40_000))).pts) == 36_000
    assert time.process_time() - began < 1


def test_pictures_in_another_file_are_left_to_ffmpeg() -> None:
    data = bytearray(content())
    data[data.index(b"dref") + 23] = 0
    with pytest.raises(NeedsFFmpeg, match="another file"):
        read_index(BytesSource(bytes(data)))


COUNTS = st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 61, 59])


@given(
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    counts=st.lists(st.tuples(st.floats(0, 0.99), COUNTS), max_size=2),
    faststart=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_index_is_a_typed_error_or_consistent_arrays(
    changes: list[tuple[float, int]], counts: list[tuple[float, int]], faststart: bool
) -> None:
    data = bytearray(content(faststart=faststart))
    begin = data.index(b"moov") - 4
    length = struct.unpack_from(">I", data, begin)[0]
    for where, value in changes:
        data[begin + int(where * length)] = value
    for where, count in counts:
        struct.pack_into(">I", data, min(begin + int(where * length) // 4 * 4, len(data) - 4), count)
    began = time.process_time()
    try:
        track = read_index(BytesSource(bytes(data)))
    except (ItemError, NeedsFFmpeg):
        pass
    else:
        assert len(track.pts) == len(track.offset) == len(track.size) == len(track.keyframe) > 0
        assert (track.offset >= 0).all()
        assert (track.size > 0).all()
        assert (track.offset + track.size <= len(data)).all()
        assert track.size.sum() <= len(data)
        assert track.pts.min() == 0
        assert track.rotation in (0, 90, 180, 270)
        assert track.duration_s >= 0
    assert time.process_time() - began < 2


@given(
    data=st.binary(max_size=400), first=st.sampled_from([b"", b"\0\0\0\x18ftyp", b"\0\0\0\x08moov", b"\0\0\0\0moov"])
)
@settings(deadline=None)
def test_noise_is_a_typed_error(data: bytes, first: bytes) -> None:
    with pytest.raises((ItemError, NeedsFFmpeg)):
        read_index(BytesSource(first + data))


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8])
def test_boxes_of_tiny_sizes_do_not_loop(size: int) -> None:
    boxes = struct.pack(">I4s", size, b"free") * 100_000
    began = time.process_time()
    with pytest.raises((ItemError, NeedsFFmpeg)):
        read_index(BytesSource(struct.pack(">I4s", 16, b"ftyp") + bytes(8) + boxes))
    with pytest.raises((ItemError, NeedsFFmpeg)):
        read_index(BytesSource(struct.pack(">I4s", 8 + len(boxes), b"moov") + boxes))
    assert time.process_time() - began < 2


def changed(kind: bytes, place: int, value: bytes) -> bytes:
    """Overwrite bytes at a distance after a box's name."""
    data = bytearray(content())
    at = data.index(kind, data.index(b"moov")) + place
    data[at : at + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "place", "value", "reason"),
    [
        pytest.param(b"avc1", 0, b"encv", "codec", id="encrypted"),
        pytest.param(b"avcC", 0, b"free", "avcC", id="no codec headers"),
        pytest.param(b"udta", 0, b"mvex", "fragmented", id="fragments announced"),
        pytest.param(b"udta", 0, b"cmov", "compressed", id="compressed index"),
        pytest.param(b"mvhd", 40, b"\0\0\0\1", "transformation", id="movie matrix"),
        pytest.param(b"tkhd", 44, b"\xff\xff\0\0", "mirrored", id="mirrored"),
        pytest.param(b"mdhd", 16, bytes(4), "time scale", id="no time scale"),
        pytest.param(b"mdhd", 4, b"\2", "version", id="unknown version"),
        pytest.param(b"hdlr", 12, b"pict", "kind", id="still pictures"),
        pytest.param(b"stss", 0, b"stsz", "2 boxes", id="a table twice"),
        pytest.param(b"stsd", 8, b"\0\0\0\2", "descriptions", id="two descriptions"),
        pytest.param(b"stsc", 20, b"\0\0\0\2", "descriptions", id="second description"),
        pytest.param(b"stsc", 12, b"\0\0\0\2", "order", id="chunks without an entry"),
        pytest.param(b"stsc", 16, b"\0\0\0\1", "chunks hold", id="too few in chunks"),
        pytest.param(b"stsz", 12, b"\xff\xff\xff\xff", "limit", id="four billion samples"),
        pytest.param(b"stsz", 16, bytes(4), "empty samples", id="empty sample"),
        pytest.param(b"stts", 8, b"\xff\xff\xff\xff", "claims", id="four billion entries"),
        pytest.param(b"stts", 16, b"\xff\xff\xff\xff", "negative", id="negative duration"),
        pytest.param(b"ctts", 16, b"\x7f\0\0\0", "out of range", id="offset out of range"),
        pytest.param(b"stss", 12, b"\0\0\0\0", "order", id="keyframe 0"),
        pytest.param(b"stss", 0, b"stps", "partial", id="partial sync samples"),
        pytest.param(b"elst", 16, b"\0\2", "edit list", id="half speed"),
    ],
)
def test_ambiguous_indexes_are_left_to_ffmpeg(kind: bytes, place: int, value: bytes, reason: str) -> None:
    with pytest.raises(NeedsFFmpeg, match=reason):
        read_index(BytesSource(changed(kind, place, value)))

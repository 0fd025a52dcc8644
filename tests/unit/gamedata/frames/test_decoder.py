from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from jobs.gamedata.frames import decoder as decoder_module
from jobs.gamedata.frames.conversion import FrameConverter, frame_size
from jobs.gamedata.frames.decoder import Decoder, Packet, stream_parameters
from jobs.gamedata.frames.packet_reader import SideDataEvents
from jobs.gamedata.model import StreamParameters
from shared.errors import ItemError
from tests.media import cached_clip, read_number
from tests.pictures.encodes import encode


def packets(**clip):
    with av.open(str(cached_clip(**{"seconds": 12, **clip}))) as container:
        stream = container.streams.video[0]
        found = [(bytes(packet), packet.pts, packet.is_keyframe) for packet in container.demux(stream) if packet.size]
        return stream_parameters(stream.codec_context), found


def number(frame):
    out = np.empty((3, 90, 160), np.uint8)
    FrameConverter(0).rgb(frame, 90, 160, out)
    return read_number(out)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_keyframe_is_one_packet_and_one_frame(codec):
    parameters, found = packets(codec=codec)
    decoder = Decoder(parameters)
    for data, pts, is_keyframe in found:
        if is_keyframe:
            (decoded,) = decoder.decode([Packet(data, pts)])
            assert number(decoded.frame) == sorted(row[1] for row in found).index(pts)
            assert not decoded.corrupt
    assert decoder.decoded == 3


def test_only_wanted_frames_are_returned_and_only_needed_ones_decoded():
    parameters, found = packets()
    decoder = Decoder(parameters)
    order = sorted(row[1] for row in found)
    run = found[:40]
    wanted = {5, 17, 39}
    given = [Packet(data, at, at in wanted) for at, (data, _, _) in enumerate(run)]
    got = [one for one in decoder.decode(given) if one.sample in wanted]
    assert [number(one.frame) for one in got] == sorted(order.index(run[at][1]) for at in wanted)
    assert decoder.decoded < 40
    assert len(list(decoder.decode(given, skip=False))) == 40


def test_an_undecodable_packet_is_listed_and_the_decoder_stays_usable():
    parameters, found = packets()
    decoder = Decoder(parameters)
    assert list(decoder.decode([Packet(b"\xff" * 400, 7)])) == []
    assert decoder.faulty == [7]
    assert decoder.fault
    (decoded,) = decoder.decode([Packet(found[0][0], found[0][1])])
    assert number(decoded.frame) == 0


def test_a_concealed_frame_counts_as_corrupt():
    # x264 writes one slice per frame: everything after the damage is lost, and the decoder conceals it.
    parameters, found = packets(size=(320, 180))
    damaged = bytearray(found[0][0])
    damaged[len(damaged) // 2 :] = bytes(len(damaged) - len(damaged) // 2)
    decoder = Decoder(parameters)
    frames = list(decoder.decode([Packet(bytes(damaged), 0)]))
    assert all(decoded.corrupt for decoded in frames)  # some FFmpeg releases reject the frame instead
    assert decoder.faulty == [0]


def test_large_frames_are_rejected():
    parameters, found = packets()
    with pytest.raises(ItemError) as caught:
        list(Decoder(parameters, max_pixels=160 * 90 - 1).decode([Packet(found[0][0], 0)]))
    assert caught.value.code == "pixels_exceeded"
    assert caught.value.data["max_pixels"] == 160 * 90 - 1


@pytest.mark.parametrize("codec", ["no_such_codec", "aac", "libx264"])
def test_names_that_are_not_video_decoders_are_rejected(codec):
    with pytest.raises(ItemError) as caught:
        Decoder(StreamParameters(codec))
    assert caught.value.code == "video_codec_unsupported"


@pytest.mark.parametrize(
    ("stored", "rotation", "limit", "size"),
    [
        ((640, 360), 0, 360, (360, 640)),
        ((1280, 720), 0, 360, (360, 640)),
        ((1366, 768), 0, 360, (360, 640)),
        ((641, 359), 0, 360, (359, 641)),
        ((1920, 1080), 0, 0, (1080, 1920)),
        ((1920, 1080), 90, 360, (360, 202)),
        ((4, 9000), 0, 360, (360, 2)),
    ],
)
def test_frame_sizes(stored, rotation, limit, size):
    assert frame_size(*stored, rotation, limit) == size


def solid(pixels, levels):
    frame = av.VideoFrame(320, 180, pixels)
    for plane, level in zip(frame.planes, levels, strict=True):
        dtype = np.uint16 if "10" in pixels else np.uint8
        plane.update(np.full(plane.buffer_size // np.dtype(dtype).itemsize, level, dtype).tobytes())
    return frame


@pytest.mark.parametrize(
    ("pixels", "black", "white", "grey"),
    [
        ("yuv420p", 16, 235, 128),
        ("yuvj420p", 0, 255, 128),
        ("yuv444p", 16, 235, 128),
        ("yuv420p10le", 64, 940, 512),
        ("nv12", 16, 235, 128),
    ],
)
def test_black_is_0_and_white_255_in_every_range(pixels, black, white, grey):
    picture = FrameConverter(0)
    luma, rgb = np.empty((90, 160), np.uint8), np.empty((3, 90, 160), np.uint8)
    for level, value in ((black, 0), (white, 255)):
        frame = solid(pixels, [level] + [grey] * (1 if pixels == "nv12" else 2))
        picture.luma(frame, luma)
        picture.rgb(frame, 90, 160, rgb)
        assert (luma.min(), luma.max()) == (value, value)
        assert abs(int(rgb.min()) - value) <= 1
        assert abs(int(rgb.max()) - value) <= 1


def test_colours_follow_bt601():
    # Y 81, Cb 90, Cr 240 is red (ITU-R BT.601, 8 bits).
    rgb = np.empty((3, 180, 320), np.uint8)
    FrameConverter(0).rgb(solid("yuv420p", (81, 90, 240)), 180, 320, rgb)
    assert np.abs(rgb[:, 90, 160].astype(int) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_are_rotated_clockwise(rotation):
    frame = av.VideoFrame.from_ndarray(np.zeros((90, 160, 3), np.uint8), format="rgb24")
    corner = np.zeros((90, 160, 3), np.uint8)
    corner[:45, :80] = 255  # bright top left
    frame = av.VideoFrame.from_ndarray(corner, format="rgb24")
    height, width = frame_size(160, 90, rotation, 0)
    out, luma = np.empty((3, height, width), np.uint8), np.empty((90, 160), np.uint8)
    thumbnail = np.empty((90, 160, 3), np.uint8)
    picture = FrameConverter(rotation)
    picture.rgb(frame, height, width, out)
    picture.luma(frame, luma)
    picture.thumbnail(frame, thumbnail)
    for image in (out[0], luma, thumbnail[..., 0]):
        rows, columns = image.shape
        quarters = [image[:rows // 2, :columns // 2], image[:rows // 2, columns // 2:],
                    image[rows // 2:, columns // 2:], image[rows // 2:, :columns // 2]]  # fmt: skip
        assert int(np.argmax([quarter.mean() for quarter in quarters])) == rotation // 90


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg4", "avi"), ("libx264", "mp4"), ("libx265", "mp4")])
def test_memory_after_a_packet_has_no_effect(codec, suffix):
    """FFmpeg reads beyond a packet's end; without zeros there, MPEG-4 Part 2 read the bytes as a marker."""
    parameters, found = packets(codec=codec, suffix=suffix, b_frames=0)

    def numbers(after):
        given = [
            Packet(memoryview(data + after)[: len(data)], place)
            for place, (data, _, _) in enumerate(found[:20])  # the first is a keyframe
        ]
        return [number(decoded.frame) for decoded in Decoder(parameters).decode(given)]

    # A NUL and an address, as after a bytes object; start codes; arbitrary bytes.
    for after in (b"\x00\xff\x7f".ljust(64, b"\0"), b"\x00\x00\x01\xb6" * 16, b"\xff" * 64, bytes(64)):
        assert numbers(after) == list(range(20))


def test_each_part_is_decoded_with_the_headers_in_force():
    first, few = packets(seconds=4, gop=20)
    second, more = packets(seconds=4, gop=20, size=(320, 180), options={"crf": "20", "cabac": "1"}, first=40)
    events = SideDataEvents([(len(few), "new_extradata", second.extradata)])
    bodies = [data for data, _, _ in few + more]

    def given(start, stop):
        for sample in range(start, stop):
            side_data = events.until(sample, first.extradata) if sample == start else events.of(sample)
            yield Packet(bodies[sample], sample, side_data=side_data)

    decoder = Decoder(first)
    for start, stop in ((0, 80), (60, 80), (20, 40), (40, 60), (0, 20)):  # back and forth
        frames = list(decoder.decode(given(start, stop)))
        assert not decoder.faulty
        assert sorted(number(decoded.frame) for decoded in frames) == list(range(start, stop))
        assert {(decoded.sample >= 40, decoded.frame.width) for decoded in frames} <= {(False, 160), (True, 320)}


def test_side_data_in_force_is_the_latest_of_each_kind():
    events = SideDataEvents([(0, "palette", b"a"), (5, "palette", b"b"), (5, "new_extradata", b"c")])
    assert events.of(5) == (("palette", b"b"), ("new_extradata", b"c"))
    assert events.of(6) == ()
    assert dict(events.until(4, b"first")) == {"palette": b"a", "new_extradata": b"first"}
    assert dict(events.until(9, b"first")) == {"palette": b"b", "new_extradata": b"c"}
    assert SideDataEvents().until(9, b"first") == ()


@pytest.mark.parametrize(("layers", "skips"), [(1, True), (2, False), (0, False)])
def test_hevc_frames_are_skipped_only_without_temporal_layers(layers, skips):
    parameters, found = packets(codec="libx265", b_frames=3)
    headers = bytearray(parameters.extradata)
    headers[21] = headers[21] & 0xC7 | layers << 3
    decoder = Decoder(replace(parameters, extradata=bytes(headers)))
    list(decoder.decode([Packet(data, at, at == 30) for at, (data, _, _) in enumerate(found[:31])]))
    assert (decoder.decoded < 31) is skips


def test_fields_are_not_skipped():
    parameters, found = packets()
    decoder = Decoder(replace(parameters, field_order=2))
    assert len(list(decoder.decode([Packet(data, at, at == 30) for at, (data, _, _) in enumerate(found[:31])]))) == 31


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libvpx-vp9", "webm"), ("libvpx", "webm"), ("libx264", "mp4"), ("libx265", "mp4")]
)
def test_frames_above_the_limit_are_rejected_whatever_the_container_declares(codec, suffix):
    parameters, found = packets(codec=codec, suffix=suffix)
    with pytest.raises(ItemError) as caught:
        list(
            Decoder(replace(parameters, width=16, height=16), max_pixels=160 * 90 - 1).decode([Packet(found[0][0], 0)])
        )
    assert caught.value.code == "pixels_exceeded"


@pytest.mark.parametrize("gop", [12, 40])
def test_interlaced_mpeg4_with_b_frames_decodes_from_every_keyframe_as_from_the_start(tmp_path, gop):
    video = encode(
        tmp_path / "v.mkv", "mpeg4", seconds=8, b_frames=2, gop=gop, options={"flags": "+ildct+ilme"}, size=(320, 180)
    )
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        bodies = [(bytes(packet), packet.pts, packet.is_keyframe) for packet in container.demux(stream) if packet.size]
        parameters = stream_parameters(stream.codec_context)
    given = [Packet(body, number, keyframe=key) for number, (body, _, key) in enumerate(bodies)]
    whole = {decoded.sample: decoded.frame.to_ndarray() for decoded in Decoder(parameters).decode(given)}
    assert len(whole) == len(given)
    keys = [number for number, (_, _, key) in enumerate(bodies) if key]
    assert len(keys) > 2
    reused = Decoder(parameters)
    for first in keys[::-1]:
        expected = {number for number in range(first, len(given)) if bodies[number][1] >= bodies[first][1]}
        for decoder in (Decoder(parameters), reused):
            found = {decoded.sample: decoded.frame.to_ndarray() for decoded in decoder.decode(given[first:])}
            assert set(found) == expected
            assert all((picture == whole[number]).all() for number, picture in found.items())


@pytest.mark.parametrize(
    ("span", "fed"),
    [
        (["I", "B", "B", "P", "B"], [0, 3, 4]),
        (["I", "P", "B", "B"], [0, 1, 2, 3]),
        (["IB", "B", "I", "PB", "B"], [0, 1, 2, 3, 4]),  # Xvid
        (["", "B", "P"], [0, 2]),
    ],
)
def test_b_frames_before_the_second_reference_are_left_out_unless_the_keyframe_has_two_frames(span, fed):
    def body(kinds):
        return b"".join(b"\0\0\1\xb6" + bytes(["IPB".index(kind) << 6, 1]) for kind in kinds)

    packets = [Packet(body(kinds), number) for number, kinds in enumerate(span)]
    assert [packet.sample for packet in decoder_module._without_leading_b_frames(packets)] == fed


def test_a_packet_keeps_its_keyframe_flag_and_its_side_data():
    class Context:
        skip_frame = "DEFAULT"

        def decode(self, packet):
            if packet is not None:
                got.append((packet.is_keyframe, [(each.data_type, bytes(each)) for each in packet.iter_sidedata()]))
            return []

    got = []
    decoder = Decoder(StreamParameters("rawvideo", b"", 4, 4, pix_fmt="pal8"))
    decoder._context = Context()
    palette = bytes(range(256)) * 4
    given = [Packet(bytes(16), 0, keyframe=True, side_data=(("palette", palette),)), Packet(bytes(16), 1)]
    assert list(decoder.decode(given)) == []
    assert got == [(True, [("palette", palette)]), (False, [])]

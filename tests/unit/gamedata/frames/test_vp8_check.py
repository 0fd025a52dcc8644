"""Damaged VP8: wrong frames are marked, right ones are not, and two decodes return the same pictures."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import av
import pytest

from jobs.gamedata.frames import _vp8_check
from jobs.gamedata.frames._vp8_check import VP8Check
from jobs.gamedata.frames.decoder import Decoder, Packet, stream_parameters
from tests.pictures.encodes import encode


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vp8")
    return lambda **settings: _clip(folder / f"{len(list(folder.iterdir()))}.webm", **settings)


def _clip(path, **settings):
    with av.open(str(encode(path, "libvpx", **{"seconds": 8, "gop": 999, **settings}))) as container:
        stream = container.streams.video[0]
        bodies = [(bytes(packet), packet.is_keyframe) for packet in container.demux(stream) if packet.size]
        parameters = stream_parameters(stream.codec_context)
    return parameters, [Packet(body, number, keyframe=key) for number, (body, key) in enumerate(bodies)]


def _decode(parameters, packets, *, hold=True):
    """Return the digest of each frame's picture, and the frames marked by the rule of SampledFrames.

    Frames that are held do not reuse the memory of earlier ones.
    """
    decoder = Decoder(parameters)
    pictures, held = {}, []
    for decoded in decoder.decode(packets):
        held += [decoded.frame] * hold
        pictures[decoded.sample] = hashlib.sha256(decoded.frame.to_ndarray().tobytes()).digest()
    first = min(decoder.faulty, default=len(packets))
    return pictures, {sample for sample in pictures if sample >= first}


def _flip(body, generator):
    place = generator.randrange(10, len(body))
    return body[:place] + bytes([body[place] ^ 1 << generator.randrange(8)]) + body[place + 1 :]


def _overwrite(body, generator):
    place = generator.randrange(10, max(len(body) - 50, 11))
    return body[:place] + generator.randbytes(len(body[place : place + 50])) + body[place + 50 :]


_DAMAGES = {
    "flipped": _flip,
    "overwritten": _overwrite,
    "zeros": lambda body, _: body[: len(body) // 2] + bytes(len(body) - len(body) // 2),
    "shortened": lambda body, _: body[:-10],
    "garbage": lambda body, _: b"\xff" * len(body),
    "missing": lambda body, _: None,
}


# Largest share of wrong frames without a mark; others have none.
_UNDETECTED = {"flipped": 0.25, "overwritten": 0.1, "zeros": 0.05, "missing": 0.4}


def _damaged(packets, number, how, generator):
    body = _DAMAGES[how](packets[number].data, generator)
    instead = [] if body is None else [replace(packets[number], data=body)]
    return packets[:number] + instead + packets[number + 1 :]


def test_undamaged_streams_have_no_marks(clip):
    for settings in (
        {},
        {"size": (320, 180), "options": {"slices": "4", "auto-alt-ref": "1", "lag-in-frames": "16"}},
        {"gop": 1},
    ):
        parameters, packets = clip(**settings)
        pictures, marked = _decode(parameters, packets)
        assert len(pictures) > 80
        assert not marked


@pytest.mark.parametrize("how", list(_DAMAGES))
def test_frames_that_damage_makes_wrong_are_marked(how, clip):
    parameters, packets = clip()
    right, _ = _decode(parameters, packets)
    generator = random.Random(how)
    wrong_frames = unmarked = 0
    for _ in range(12):
        number = generator.randrange(1, len(packets))
        pictures, marked = _decode(parameters, _damaged(packets, number, how, generator))
        wrong = {sample for sample, picture in pictures.items() if picture != right[sample]}
        assert all(sample >= number for sample in marked)
        wrong_frames += len(wrong)
        unmarked += len(wrong - marked)
    assert wrong_frames > 80
    # A flip at a packet's end, and the first frames after a missing packet, may leave nothing to detect.
    assert unmarked <= wrong_frames * _UNDETECTED.get(how, 0)


@pytest.mark.parametrize("how", ["overwritten", "shortened", "missing"])
def test_damaged_streams_decode_to_the_same_pictures_each_time(how, clip):
    parameters, packets = clip()
    for number in (5, 20, 40):
        damaged = _damaged(packets, number, how, random.Random(how))
        assert _decode(parameters, damaged, hold=True) == _decode(parameters, damaged, hold=False)


def test_a_few_zeros_after_a_packet_are_padding_and_other_bytes_are_damage(clip):
    _, packets = clip()
    check = VP8Check.create()
    assert check
    assert not check.is_damaged(packets[0].data + bytes(8))
    assert check.is_damaged(packets[0].data + bytes(32))
    assert check.is_damaged(packets[0].data + b"\1" * 16)
    assert not check.is_damaged(packets[0].data)


def test_a_packet_before_the_first_keyframe_is_damage(clip):
    _, packets = clip()
    check = VP8Check.create()
    assert check
    assert check.is_damaged(packets[1].data)
    assert not check.is_damaged(b"")


def test_without_libvpx_frames_are_decoded_but_not_checked(monkeypatch, clip):
    monkeypatch.setattr(_vp8_check, "_vpx", None)
    assert VP8Check.create() is None
    parameters, packets = clip()
    damaged = _damaged(packets, 50, "shortened", random.Random(0))
    pictures, marked = _decode(parameters, damaged)
    assert len(pictures) == len(packets)
    assert not marked


def test_another_version_of_libvpx_is_not_used(monkeypatch):
    monkeypatch.setattr(_vp8_check, "_ABI", 11)
    assert VP8Check.create() is None


def test_checks_release_their_contexts():
    before = len(_vp8_check._reads)
    check = VP8Check.create()
    assert len(_vp8_check._reads) == before + 1
    del check
    assert len(_vp8_check._reads) == before

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.frames._recovery_points import decodes_alone

AVCC = b"\x01\x64\x00\x1e\xff"
IDR, SLICE = b"\x65\x88", b"\x41\x9a"


def ue(value, exact=True):
    bits = f"{value + 1:b}"
    bits = "0" * (len(bits) - 1) + bits + ("11" if exact else "01")
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def message(kind, body):
    return bytes([255] * (kind // 255) + [kind % 255, len(body)]) + body


def sei(*messages):
    return b"\x06" + b"".join(messages) + b"\x80"


def avcc(*units):
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def annex_b(*units):
    return b"".join(b"\0\0\0\1" + unit for unit in units)


@pytest.mark.parametrize(("pack", "extradata"), [(avcc, AVCC), (annex_b, b""), (annex_b, b"\0\0\0\1\x67")])
@pytest.mark.parametrize(
    ("units", "whole"),
    [
        ((IDR,), True),
        ((b"\x09\xf0", b"\x67\x64", b"\x68\xee", IDR), True),
        ((SLICE,), False),
        ((sei(message(6, ue(0))), SLICE), True),
        ((sei(message(6, ue(0, exact=False))), SLICE), False),
        ((SLICE, sei(message(6, ue(0)))), False),
        ((sei(message(6, ue(1))), SLICE), False),
        ((sei(message(6, ue(250))), SLICE), False),
        ((sei(message(5, bytes(40)), message(6, ue(39))), SLICE), False),
        ((sei(message(260, b"x"), message(6, ue(0))), SLICE), True),
        ((sei(message(5, b"x")), IDR), True),
    ],
)
def test_idr_frames_and_immediate_recovery_points_decode_alone(pack, extradata, units, whole):
    assert decodes_alone("h264", extradata, pack(*units)) is whole


HVCC = b"\x01" + bytes(20) + b"\x0f\x00"
VVCC = b"\xff" + bytes(10)


def nal(codec, kind):
    return bytes([kind << 1, 1, 0x80]) if codec == "hevc" else bytes([0, kind << 3 | 1, 0x80])


@pytest.mark.parametrize(("codec", "headers"), [("hevc", HVCC), ("hevc", b""), ("vvc", VVCC), ("vvc", b"\0\0\1\x78")])
def test_only_random_access_pictures_of_hevc_and_vvc_decode_alone(codec, headers):
    pack = avcc if headers in (HVCC, VVCC) else annex_b
    alone = {"hevc": {*range(16, 24)}, "vvc": {7, 8, 9}}[codec]
    slices = {"hevc": range(32), "vvc": range(12)}[codec]
    parameter_set = nal(codec, {"hevc": 33, "vvc": 15}[codec])
    for kind in slices:
        assert decodes_alone(codec, headers, pack(parameter_set, nal(codec, kind))) is (kind in alone)
    assert not decodes_alone(codec, headers, pack(parameter_set))


def test_keyframes_of_other_codecs_are_left_to_the_decoder():
    assert decodes_alone("mpeg4", b"", b"")


@given(st.sampled_from([AVCC, b"", b"\x01"]), st.binary(max_size=200))
def test_noise_is_parsed_without_error(extradata, packet):
    assert decodes_alone("h264", extradata, packet) in (True, False)
    assert decodes_alone("h264", extradata, b"\0\0\1\x06" + packet) in (True, False)
    for codec in ("hevc", "vvc"):
        assert decodes_alone(codec, extradata, packet) in (True, False)
    assert decodes_alone("h264", AVCC, struct.pack(">I", len(packet) + 1) + b"\x06" + packet) in (True, False)

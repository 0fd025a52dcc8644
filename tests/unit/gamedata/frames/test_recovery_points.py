from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.frames._recovery_points import decodes_alone

AVCC = b"\x01\x64\x00\x1e\xff"
IDR, SLICE = b"\x65\x88", b"\x41\x9a"


def ue(value):
    bits = f"{value + 1:b}"
    bits = "0" * (len(bits) - 1) + bits + "1"
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
        ((sei(message(6, ue(1))), SLICE), False),
        ((sei(message(6, ue(250))), SLICE), False),
        ((sei(message(5, bytes(40)), message(6, ue(39))), SLICE), False),
        ((sei(message(260, b"x"), message(6, ue(0))), SLICE), True),
        ((sei(message(5, b"x")), IDR), True),
    ],
)
def test_idr_frames_and_immediate_recovery_points_decode_alone(pack, extradata, units, whole):
    assert decodes_alone("h264", extradata, pack(*units)) is whole


def test_keyframes_of_other_codecs_are_trusted():
    assert decodes_alone("hevc", b"", b"")


@given(st.sampled_from([AVCC, b"", b"\x01"]), st.binary(max_size=200))
def test_noise_is_parsed_without_error(extradata, packet):
    assert decodes_alone("h264", extradata, packet) in (True, False)
    assert decodes_alone("h264", extradata, b"\0\0\1\x06" + packet) in (True, False)
    assert decodes_alone("h264", AVCC, struct.pack(">I", len(packet) + 1) + b"\x06" + packet) in (True, False)

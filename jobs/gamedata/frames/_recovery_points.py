"""Distinguish real keyframes of H.264, HEVC and VVC from recovery points, which containers also mark as keyframes.

Encoders that refresh the picture column by column (intra refresh in x264 and NVENC) write no keyframe after the first.
FFmpeg's muxers and parser mark their recovery points as keyframes anyway, but these decode to a grey picture on their
own, and FFmpeg's decoder marks the frames after them as complete long before they are.

Sources: ITU-T H.264 §7.4.1 (types of NAL units), §D.2.8 (recovery point), Annex B; H.265 §7.4.2.2; H.266 §7.4.2.2;
ISO/IEC 14496-15 §5.3.3 (avcC), §8.3.3 (hvcC), §11.2.4 (vvcC).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NAL_CODECS", "decodes_alone"]

NAL_CODECS: Final = ("h264", "hevc", "vvc")  # the codecs that :func:`decodes_alone` examines

_IDR: Final = 5
_SEI: Final = 6
_RECOVERY_POINT: Final = 6
_H264_SLICES: Final = (1, 2)
# NAL unit types that contain picture slices, and those of them that start a sequence without references to earlier
# pictures: IDR, BLA and CRA. A VVC picture with gradual refresh (10) does not.
_SLICES: Final = {"hevc": range(32), "vvc": range(12)}
_ALONE: Final = {"hevc": range(16, 24), "vvc": range(7, 10)}
_START_CODE: Final = re.compile(rb"\x00\x00\x01")


def decodes_alone(codec: str, extradata: bytes, packet: bytes) -> bool:
    """Return True if a keyframe's packet and the frames displayed after it decode without earlier packets.

    Args:
        codec: FFmpeg's name; every codec except ``h264``, ``hevc`` and ``vvc`` returns True.
        extradata: avcC, hvcC or vvcC, or empty if NAL units have start codes.
        packet: one encoded frame.

    Returns:
        True for an IDR picture, for the other keyframes of HEVC and VVC, and for an H.264 recovery point that needs no
        earlier frame and signals an exact match; False for a recovery point that is complete only some frames later,
        and for any other picture.
    """
    if codec == "h264":
        return _h264(extradata, packet)
    if codec in _SLICES:
        for unit in _units(codec, extradata, packet):
            if len(unit) > 1:
                kind = unit[0] >> 1 & 63 if codec == "hevc" else unit[1] >> 3
                if kind in _SLICES[codec]:
                    return kind in _ALONE[codec]
        return False
    return True


def _h264(extradata: bytes, packet: bytes) -> bool:
    for unit in _units("h264", extradata, packet):
        kind = unit[0] & 31 if unit else 0
        if kind == _IDR:
            return True
        if kind == _SEI:
            recovery = _recovery_point(unit)
            if recovery is not None:
                return recovery == (0, True)
        if kind in _H264_SLICES:
            return False
    return False


def _units(codec: str, extradata: bytes, packet: bytes) -> Iterator[bytes]:
    if not _has_lengths(codec, extradata):
        begin = _START_CODE.search(packet)
        while begin is not None:
            end = _START_CODE.search(packet, begin.end())
            yield packet[begin.end() : end.start() if end else len(packet)]
            begin = end
        return
    # The last byte of these headers ends with lengthSizeMinusOne.
    place = {"h264": 4, "hevc": 21, "vvc": 4}[codec]
    width = 4
    if len(extradata) > place:
        width = ((extradata[place] if codec != "vvc" else extradata[place] >> 1) & 3) + 1
    position = 0
    while position + width < len(packet):
        size = int.from_bytes(packet[position : position + width], "big")
        yield packet[position + width : position + width + size]
        position += width + size


def _has_lengths(codec: str, extradata: bytes) -> bool:
    """Return True if NAL units are preceded by sizes (avcC, hvcC, vvcC), False for start codes, by FFmpeg's rule."""
    if codec == "h264":
        return extradata[:1] == b"\1"
    return len(extradata) > 3 and extradata[:3] not in (b"\0\0\1", b"\0\0\0")  # noqa: PLR2004


def _recovery_point(unit: bytes) -> tuple[int, bool] | None:
    """Return recovery_frame_cnt and exact_match_flag of the recovery point message in an SEI unit, or None."""
    position = 1
    while position + 2 < len(unit):
        kind, position = _sei_number(unit, position)
        size, position = _sei_number(unit, position)
        if kind == _RECOVERY_POINT and position < len(unit):
            # ue(v): n zeros, a 1, then n more bits.
            bits = int.from_bytes(unit[position : position + 8].ljust(8, b"\0"), "big")
            zeros = 64 - bits.bit_length()
            count = (bits >> max(63 - 2 * zeros, 0)) - 1
            return count, bool(bits >> max(62 - 2 * zeros, 0) & 1)
        position += size
    return None


def _sei_number(unit: bytes, position: int) -> tuple[int, int]:
    """Return a number of an SEI header, the sum of any 255 bytes and the byte after them, and the next position."""
    value = 0
    while position < len(unit) and unit[position] == 255:  # noqa: PLR2004
        value, position = value + 255, position + 1
    return value + (unit[position] if position < len(unit) else 0), position + 1

"""Tell real H.264 keyframes from recovery points, which containers also mark as keyframes.

Encoders that refresh the picture column by column (intra refresh in x264 and NVENC) write no keyframe after the first.
FFmpeg's muxers and parser mark their recovery points as keyframes anyway, but decoded alone these are grey.

Sources: ITU-T H.264 §7.4.1 (types of NAL units), §D.2.8 (recovery point), Annex B; ISO/IEC 14496-15 §5.3.3 (avcC).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decodes_alone"]

_IDR: Final = 5
_SEI: Final = 6
_RECOVERY_POINT: Final = 6
_START_CODE: Final = re.compile(rb"\x00\x00\x01")


def decodes_alone(codec: str, extradata: bytes, packet: bytes) -> bool:
    """Return True if a keyframe's packet decodes to a complete picture on its own.

    Args:
        codec: FFmpeg's name; every codec except ``h264`` returns True.
        extradata: avcC, or empty if NAL units have start codes.
        packet: one encoded frame.

    Returns:
        True for an IDR picture and for a recovery point that needs no earlier frame; False for a recovery point that is
        complete only some frames later, and for any other picture.
    """
    if codec != "h264":
        return True
    for unit in _units(extradata, packet):
        kind = unit[0] & 31 if unit else 0
        if kind == _IDR:
            return True
        if kind == _SEI:
            frames = _recovery_frames(unit)
            if frames is not None:
                return frames == 0
    return False


def _units(extradata: bytes, packet: bytes) -> Iterator[bytes]:
    if extradata[:1] != b"\1":  # Annex B
        starts = [match.end() for match in _START_CODE.finditer(packet)]
        for begin, end in zip(starts, [*starts[1:], len(packet)], strict=False):
            yield packet[begin:end]
        return
    width = (extradata[4] & 3) + 1 if len(extradata) > 4 else 4  # noqa: PLR2004  byte 4 ends in lengthSizeMinusOne
    place = 0
    while place + width < len(packet):
        size = int.from_bytes(packet[place : place + width], "big")
        yield packet[place + width : place + width + size]
        place += width + size


def _recovery_frames(unit: bytes) -> int | None:
    """Return recovery_frame_cnt of the recovery point message in an SEI unit, or None."""
    place = 1
    while place + 2 < len(unit):
        kind, place = _long(unit, place)
        size, place = _long(unit, place)
        if kind == _RECOVERY_POINT and place < len(unit):
            # ue(v): n zeros, a 1, then n more bits.
            bits = int.from_bytes(unit[place : place + 8].ljust(8, b"\0"), "big")
            zeros = 64 - bits.bit_length()
            return (bits >> max(63 - 2 * zeros, 0)) - 1
        place += size
    return None


def _long(unit: bytes, place: int) -> tuple[int, int]:
    """Read a number of an SEI header: the sum of any 255 bytes and the byte after them."""
    value = 0
    while place < len(unit) and unit[place] == 255:  # noqa: PLR2004
        value, place = value + 255, place + 1
    return value + (unit[place] if place < len(unit) else 0), place + 1

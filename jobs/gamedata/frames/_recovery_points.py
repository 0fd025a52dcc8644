"""Distinguish real H.264 keyframes from recovery points, which containers also mark as keyframes.

Encoders that refresh the picture column by column (intra refresh in x264 and NVENC) write no keyframe after the first.
FFmpeg's muxers and parser mark their recovery points as keyframes anyway, but these decode to a grey picture on their
own.

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
    position = 0
    while position + width < len(packet):
        size = int.from_bytes(packet[position : position + width], "big")
        yield packet[position + width : position + width + size]
        position += width + size


def _recovery_frames(unit: bytes) -> int | None:
    """Return recovery_frame_cnt of the recovery point message in an SEI unit, or None."""
    position = 1
    while position + 2 < len(unit):
        kind, position = _sei_number(unit, position)
        size, position = _sei_number(unit, position)
        if kind == _RECOVERY_POINT and position < len(unit):
            # ue(v): n zeros, a 1, then n more bits.
            bits = int.from_bytes(unit[position : position + 8].ljust(8, b"\0"), "big")
            zeros = 64 - bits.bit_length()
            return (bits >> max(63 - 2 * zeros, 0)) - 1
        position += size
    return None


def _sei_number(unit: bytes, position: int) -> tuple[int, int]:
    """Return a number of an SEI header, the sum of any 255 bytes and the byte after them, and the next position."""
    value = 0
    while position < len(unit) and unit[position] == 255:  # noqa: PLR2004
        value, position = value + 255, position + 1
    return value + (unit[position] if position < len(unit) else 0), position + 1

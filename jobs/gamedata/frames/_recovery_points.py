"""Looks into H.264 packets: is what the container calls a keyframe a picture that stands alone?

Encoders that renew the picture column by column (x264's intra-refresh, NVENC's too) have no keyframe but the first.
Their recovery points are marked as keyframes all the same, by FFmpeg's muxers and its parser, and decode to grey alone.

Source: ITU-T H.264 §7.4.1 (types of NAL units), §D.2.8 (recovery point), Annex B; ISO/IEC 14496-15 §5.3.3 (avcC).
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
    """Say whether damage in a lone keyframe is damage, and not what a recovery point looks like.

    Args:
        codec: FFmpeg's name; True for all but ``h264``.
        extradata: avcC, or empty where NAL units have start codes.
        packet: one encoded picture.

    Returns:
        True for an IDR picture and for a recovery point that needs no frame before it; False for a recovery point that
        is whole some frames later, and for a picture that is neither.
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
    """recovery_frame_cnt of a recovery point message in an SEI unit."""
    place = 1
    while place + 2 < len(unit):
        kind, place = _long(unit, place)
        size, place = _long(unit, place)
        if kind == _RECOVERY_POINT and place < len(unit):
            # ue(v): as many ones' places follow the first 1 as zeros stand before it.
            bits = int.from_bytes(unit[place : place + 8].ljust(8, b"\0"), "big")
            zeros = 64 - bits.bit_length()
            return (bits >> max(63 - 2 * zeros, 0)) - 1
        place += size
    return None


def _long(unit: bytes, place: int) -> tuple[int, int]:
    """A number of an SEI header: bytes of 255 and a last one are added up."""
    value = 0
    while place < len(unit) and unit[place] == 255:  # noqa: PLR2004
        value, place = value + 255, place + 1
    return value + (unit[place] if place < len(unit) else 0), place + 1

"""Boxes of ISO base media files (ISO/IEC 14496-12 §4.2): finding them in a source and in memory."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["Box", "NeedsFFmpeg", "children", "find", "only", "read_moov"]

# What the first box of an MP4 or MOV can be; anything else is another container.
_FIRST: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp"})
# The first read shows ftyp, free and mdat, or a moov in front; the read behind mdat has the whole moov of ten minutes
# (0.9 MB), so that a recording costs two reads.
_HEAD: Final = 64 * 1024
_TAIL: Final = 1024 * 1024
# moov of 24 hours at 60 fps with audio: 90 MB.
_MAX_MOOV: Final = 128 * 1024 * 1024
_MAX_TOP: Final = 256
# A movie of ours has a dozen boxes on any level.
_MAX_CHILDREN: Final = 4096


class NeedsFFmpeg(Exception):
    """The video is sound as far as is known, but not one whose reads can be planned: FFmpeg reads it.

    The text says why. It is no error of the item, so it is not in the tree of :mod:`shared.errors`.
    """


@dataclass(frozen=True, slots=True)
class Box:
    """One box in memory.

    Attributes:
        kind: four bytes, such as ``b"trak"``.
        body: what follows the header.
    """

    kind: bytes
    body: memoryview


def children(body: memoryview) -> Iterator[Box]:
    """Yield the boxes that lie one after the other in ``body``.

    Raises:
        NeedsFFmpeg: when sizes do not add up, or there are too many.
    """
    place = count = 0
    while place + 8 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, place)
        header = 8
        if size == 1 and place + 16 <= len(body):
            (size,) = struct.unpack_from(">Q", body, place + 8)
            header = 16
        elif size == 0:
            # QuickTime ends a list of atoms with a zero; elsewhere it means to the end.
            if kind == b"\0\0\0\0":
                return
            size = len(body) - place
        count += 1
        if size < header or place + size > len(body):
            raise NeedsFFmpeg(f"box {kind!r} claims {size} bytes where {len(body) - place} are left")
        if count > _MAX_CHILDREN:
            raise NeedsFFmpeg(f"more than {_MAX_CHILDREN} boxes in one")
        yield Box(bytes(kind), body[place + header : place + size])
        place += size


def find(body: memoryview, kind: bytes) -> list[memoryview]:
    """All boxes of a kind directly in ``body``."""
    return [box.body for box in children(body) if box.kind == kind]


def only(body: memoryview, kind: bytes, least: int = 0) -> memoryview | None:
    """The one box of a kind directly in ``body``, or None.

    Raises:
        NeedsFFmpeg: when there are two, which readers understand differently, or it has fewer than ``least`` bytes.
    """
    found = find(body, kind)
    if len(found) > 1:
        raise NeedsFFmpeg(f"{len(found)} boxes {kind!r} where one belongs")
    if found and len(found[0]) < least:
        raise NeedsFFmpeg(f"box {kind!r} of {len(found[0])} bytes; at least {least} belong there")
    return found[0] if found else None


def read_moov(source: RangeSource) -> memoryview:
    """Read the movie box; of everything before it, only the headers.

    Raises:
        ItemError: ``moov_missing``, ``video_invalid`` (no bytes).
        NeedsFFmpeg: when this is no MP4, or a fragmented one.
    """
    if source.size == 0:
        raise item_error("video_invalid", "the video has 0 bytes")
    offset = 0
    window, begin = source.read(0, _HEAD), 0
    for number in range(_MAX_TOP):
        if offset + 8 > source.size:
            break
        if offset + min(16, source.size - offset) > begin + len(window):
            window, begin = source.read(offset, _TAIL), offset
        kind, header, size = _top(window, offset - begin, source.size - offset)
        if number == 0 and kind not in _FIRST:
            raise NeedsFFmpeg("not an MP4")
        if kind == b"moof":
            raise NeedsFFmpeg("a fragmented MP4")
        if kind == b"moov":
            return memoryview(_whole(source, offset, size, window[offset - begin :]))[header:]
        offset += size
    else:
        raise NeedsFFmpeg(f"more than {_MAX_TOP} boxes before the index")
    raise item_error(
        "moov_missing",
        f"an MP4 of {source.size} bytes without its index (moov): the recording was cut off; nothing can be decoded",
    )


def _top(window: bytes, place: int, left: int) -> tuple[bytes, int, int]:
    """Kind, header and whole size of a box in a file; size 0 means to the end."""
    size, kind = struct.unpack_from(">I4s", window, place)
    header = 8
    if size == 1 and place + 16 <= len(window):
        (size,) = struct.unpack_from(">Q", window, place + 8)
        header = 16
    size = size or left
    if size < header:
        raise NeedsFFmpeg(f"a box {kind!r} that claims {size} bytes")
    return kind, header, size


def _whole(source: RangeSource, offset: int, size: int, have: bytes) -> bytes:
    if offset + size > source.size:
        raise item_error(
            "moov_missing",
            f"the index (moov) takes bytes {offset} to {offset + size}, and the video has {source.size}: cut off",
        )
    if size > _MAX_MOOV:
        raise NeedsFFmpeg(f"an index (moov) of {size} bytes; up to {_MAX_MOOV} are planned")
    if len(have) >= size:
        return have[:size]
    return have + source.read(offset + len(have), size - len(have))

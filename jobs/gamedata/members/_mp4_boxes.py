"""Find the boxes of ISO base media files (ISO/IEC 14496-12 §4.2), in a source or in memory."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["Box", "NeedsFFmpeg", "children", "find", "only", "read_moov"]

# Possible first boxes of an MP4 or MOV; a file that begins with any other type is another container.
_FIRST: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp"})
# The first read covers ftyp, free and the mdat header, or a moov at the beginning. The read after mdat covers the whole
# moov of a ten-minute recording (0.9 MB), so a recording needs two reads.
_HEAD: Final = 64 * 1024
_TAIL: Final = 1024 * 1024
# The moov of 24 hours at 60 fps with audio takes 90 MB.
_MAX_MOOV: Final = 128 * 1024 * 1024
_MAX_TOP: Final = 256
# Recordings have about a dozen boxes per level.
_MAX_CHILDREN: Final = 4096


class NeedsFFmpeg(Exception):
    """The video may be valid, but FFmpeg has to demux it, because this module does not support its index.

    The message is the reason. This is not an item error, so it is not part of :mod:`shared.errors`.
    """


@dataclass(frozen=True, slots=True)
class Box:
    """One box in memory.

    Attributes:
        kind: four bytes, such as ``b"trak"``.
        body: the bytes after the header.
    """

    kind: bytes
    body: memoryview


def children(body: memoryview) -> Iterator[Box]:
    """Yield the consecutive boxes in ``body``.

    Raises:
        NeedsFFmpeg: the sizes do not add up, or there are too many boxes.
    """
    position = count = 0
    while position + 8 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, position)
        header = 8
        if size == 1 and position + 16 <= len(body):
            (size,) = struct.unpack_from(">Q", body, position + 8)
            header = 16
        elif size == 0:
            # QuickTime ends a list of atoms with a zero; otherwise size 0 means "to the end".
            if kind == b"\0\0\0\0":
                return
            size = len(body) - position
        count += 1
        if size < header or position + size > len(body):
            raise NeedsFFmpeg(f"box {kind!r} claims {size} bytes but only {len(body) - position} are left")
        if count > _MAX_CHILDREN:
            raise NeedsFFmpeg(f"more than {_MAX_CHILDREN} boxes inside one")
        yield Box(bytes(kind), body[position + header : position + size])
        position += size


def find(body: memoryview, kind: bytes) -> list[memoryview]:
    """Return all direct child boxes of a kind."""
    return [box.body for box in children(body) if box.kind == kind]


def only(body: memoryview, kind: bytes, least: int = 0) -> memoryview | None:
    """Return the only direct child box of a kind, or None.

    Raises:
        NeedsFFmpeg: there are several, which readers interpret differently, or the box has fewer than ``least`` bytes.
    """
    boxes = find(body, kind)
    if len(boxes) > 1:
        raise NeedsFFmpeg(f"{len(boxes)} boxes {kind!r}; expected one")
    if boxes and len(boxes[0]) < least:
        raise NeedsFFmpeg(f"box {kind!r} has {len(boxes[0])} bytes; expected at least {least}")
    return boxes[0] if boxes else None


def read_moov(source: RangeSource) -> memoryview:
    """Return the body of the movie box; of the boxes before it, read only the headers.

    Raises:
        ItemError: ``moov_missing``, ``video_invalid`` (no bytes).
        NeedsFFmpeg: this is not an MP4, or a fragmented one.
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
        kind, header, size = _top_level_box(window, offset - begin, source.size - offset)
        if number == 0 and kind not in _FIRST:
            raise NeedsFFmpeg("not an MP4")
        if kind == b"moof":
            raise NeedsFFmpeg("a fragmented MP4")
        if kind == b"moov":
            return memoryview(_read_box(source, offset, size, window[offset - begin :]))[header:]
        offset += size
    else:
        raise NeedsFFmpeg(f"more than {_MAX_TOP} boxes before the index")
    raise item_error(
        "moov_missing",
        f"the MP4 of {source.size} bytes has no index (moov): the recording was cut off, so nothing can be decoded",
    )


def _top_level_box(window: bytes, position: int, available: int) -> tuple[bytes, int, int]:
    """Return kind, header size and total size of a top-level box; a stored size of 0 means "to the end of the file"."""
    size, kind = struct.unpack_from(">I4s", window, position)
    header = 8
    if size == 1 and position + 16 <= len(window):
        (size,) = struct.unpack_from(">Q", window, position + 8)
        header = 16
    size = size or available
    if size < header:
        raise NeedsFFmpeg(f"box {kind!r} claims {size} bytes")
    return kind, header, size


def _read_box(source: RangeSource, offset: int, size: int, prefix: bytes) -> bytes:
    if offset + size > source.size:
        raise item_error(
            "moov_missing",
            f"the index (moov) spans bytes {offset}-{offset + size} but the video is only {source.size} bytes long",
        )
    if size > _MAX_MOOV:
        raise NeedsFFmpeg(f"an index (moov) of {size} bytes, more than the limit of {_MAX_MOOV}")
    if len(prefix) >= size:
        return prefix[:size]
    return prefix + source.read(offset + len(prefix), size - len(prefix))

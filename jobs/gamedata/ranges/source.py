"""Sources of bytes that are read by range: a file, bytes in memory, a member of a TAR."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol, Self

from jobs.gamedata.errors import item_error
from jobs.gamedata.ranges.coalesce import clip, coalesce

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Buffer

__all__ = [
    "BufferedSource",
    "BytesSource",
    "FileSource",
    "RangeSource",
    "SourceIO",
    "SourceSlice",
]

# Default block size. At 256 KiB, a session takes 44 reads and 11.5 MB; smaller blocks need more round trips, larger
# ones more bytes.
_BLOCK: Final = 256 * 1024
_BLOCKS: Final = 64


class RangeSource(Protocol):
    """Bytes of a known length that are read by range.

    Ranges are clipped to the source, so reading beyond the end is not an error. A source that has shrunk raises the
    item error ``tar_changed`` rather than return fewer bytes. Negative numbers raise a ValueError.
    """

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Read one range."""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ``(offset, length)`` ranges, concurrently if the source can; return them in the order requested."""


class BytesSource:
    """Bytes in memory.

    Args:
        data: the bytes; not copied.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        """Read one range."""
        begin, length = clip(self.size, offset, length)
        return self._data[begin : begin + length]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges."""
        return [self.read(offset, length) for offset, length in ranges]


class FileSource:
    """A local file, read with ``pread``; close it, or use it in a ``with`` statement.

    Args:
        path: the file; its size is determined once, when it is opened.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Read one range."""
        begin, length = clip(self._size, offset, length)
        data = os.pread(self._descriptor, length, begin)
        while len(data) < length:  # Linux returns at most 2 GiB per call
            more = os.pread(self._descriptor, length - len(data), begin + len(data))
            if not more:
                raise item_error("tar_changed", f"'{self._path}' shrank while it was being read; run again")
            data += more
        return data

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges."""
        return [self.read(offset, length) for offset, length in ranges]

    def close(self) -> None:
        """Close the file; calling it again has no effect."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SourceSlice:
    """A part of another source, such as one member of a TAR.

    Args:
        source: the other source.
        offset: position of the part in the other source.
        size: length of the part in bytes.

    Raises:
        ValueError: the part does not fit into the source.
    """

    def __init__(self, source: RangeSource, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > source.size:
            raise ValueError(f"bytes {offset}-{offset + size} are outside a source of {source.size} bytes")
        self._source = source
        self._offset = offset
        self._size = size

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Read one range of the part."""
        begin, length = clip(self._size, offset, length)
        return self._source.read(self._offset + begin, length) if length else b""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of the part; nearby ranges, such as the packets of one GOP, are fetched together."""
        clipped = [clip(self._size, offset, length) for offset, length in ranges]
        joined, locations = coalesce([(self._offset + begin, length) for begin, length in clipped])
        bodies = self._source.read_many(joined)
        return [
            bodies[number][start : start + length]
            for (number, start), (_, length) in zip(locations, clipped, strict=True)
        ]


class BufferedSource:
    """A source with a cache of its most recently used blocks, for readers that read a few bytes at a time.

    Args:
        source: the source of the blocks.
        block: block size in bytes.
        max_blocks: size of the cache; the least recently used block is evicted first.
    """

    def __init__(self, source: RangeSource, block: int = _BLOCK, max_blocks: int = _BLOCKS) -> None:
        self._source = source
        self._block = block
        self._max_blocks = max_blocks
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._source.size

    def read(self, offset: int, length: int) -> bytes:
        """Read one range; blocks that are not cached are fetched concurrently."""
        begin, length = clip(self.size, offset, length)
        if not length:
            return b""
        first, last = begin // self._block, (begin + length - 1) // self._block
        if last - first >= self._max_blocks:
            return self._source.read(begin, length)
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        bodies = self._source.read_many([(number * self._block, self._block) for number in missing]) if missing else []
        self._blocks.update(zip(missing, bodies, strict=True))
        for number in range(first, last + 1):
            self._blocks.move_to_end(number)
        body = b"".join(self._blocks[number] for number in range(first, last + 1))
        while len(self._blocks) > self._max_blocks:
            self._blocks.popitem(last=False)
        return body[begin - first * self._block :][:length]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges directly, without the cache: a caller that knows its ranges needs no read-ahead."""
        return self._source.read_many(ranges)


class SourceIO(io.RawIOBase):
    """A source as a read-only file object, for ``av.open``.

    Args:
        source: usually a :class:`BufferedSource`.
    """

    def __init__(self, source: RangeSource) -> None:
        super().__init__()
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; one before the beginning raises a ValueError."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        if start + offset < 0:
            raise ValueError(f"the position {start + offset} is before the beginning of the file")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer and return the number of bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._source.read(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

"""Bytes by range: a file, bytes in memory, a member of a TAR, all read the same way and never as a whole."""

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

# One block of a TAR or of a container that FFmpeg walks: at 256 KiB a session costs 44 reads and 11.5 MB
# (specs/extraction.md §5.5); smaller blocks cost more round trips, larger ones more bytes.
_BLOCK: Final = 256 * 1024
_BLOCKS: Final = 64


class RangeSource(Protocol):
    """Something of a known size that is read by range.

    A range is clipped to the source: beyond the end lies nothing, which is no error. Fewer bytes than that are never
    returned: a source that became shorter raises the item error ``tar_changed``. Negative numbers are a ValueError.
    """

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Read one range."""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ``(offset, length)`` ranges side by side where the source can; results in the order asked."""


class BytesSource:
    """Bytes in memory.

    Args:
        data: the bytes; not copied.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        """Read one range."""
        begin, length = clip(self.size, offset, length)
        return self._data[begin : begin + length]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges."""
        return [self.read(offset, length) for offset, length in ranges]


class FileSource:
    """A local file, read by ``pread``; close it, or use it in ``with``.

    Args:
        path: the file; its size is taken once.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Read one range."""
        begin, length = clip(self._size, offset, length)
        data = os.pread(self._descriptor, length, begin)
        while len(data) < length:  # Linux returns at most 2 GiB at once
            more = os.pread(self._descriptor, length - len(data), begin + len(data))
            if not more:
                raise item_error("tar_changed", f"'{self._path}' became shorter while it was read; run again")
            data += more
        return data

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges."""
        return [self.read(offset, length) for offset, length in ranges]

    def close(self) -> None:
        """Close the file; a second time does nothing."""
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
        source: the whole.
        offset: where the part begins.
        size: its bytes.

    Raises:
        ValueError: when the part does not lie within the whole.
    """

    def __init__(self, source: RangeSource, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > source.size:
            raise ValueError(f"bytes {offset} to {offset + size} do not lie within a source of {source.size} bytes")
        self._source = source
        self._offset = offset
        self._size = size

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Read one range of the part."""
        begin, length = clip(self._size, offset, length)
        return self._source.read(self._offset + begin, length) if length else b""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of the part; near ones, such as the packets of one GOP, are fetched as one."""
        clipped = [clip(self._size, offset, length) for offset, length in ranges]
        joined, places = coalesce([(self._offset + begin, length) for begin, length in clipped])
        bodies = self._source.read_many(joined)
        return [
            bodies[which][where : where + length] for (which, where), (_, length) in zip(places, clipped, strict=True)
        ]


class BufferedSource:
    """Keeps the blocks of a source that were used last: for readers that take small steps.

    Args:
        source: where blocks come from.
        block: bytes of a block.
        max_blocks: so many are kept; the least recently used go first.
    """

    def __init__(self, source: RangeSource, block: int = _BLOCK, max_blocks: int = _BLOCKS) -> None:
        self._source = source
        self._block = block
        self._max_blocks = max_blocks
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes."""
        return self._source.size

    def read(self, offset: int, length: int) -> bytes:
        """Read one range; what is not kept is fetched as whole blocks, side by side."""
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
        whole = b"".join(self._blocks[number] for number in range(first, last + 1))
        while len(self._blocks) > self._max_blocks:
            self._blocks.popitem(last=False)
        return whole[begin - first * self._block :][:length]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges past the blocks: whoever knows its ranges needs no guess."""
        return self._source.read_many(ranges)


class SourceIO(io.RawIOBase):
    """A source as a read-only file, for ``av.open``.

    Args:
        source: usually a :class:`BufferedSource`.
    """

    def __init__(self, source: RangeSource) -> None:
        super().__init__()
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; a position before the beginning is a ValueError."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        if start + offset < 0:
            raise ValueError(f"a position is not negative; got {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._source.read(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

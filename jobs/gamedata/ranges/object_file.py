"""An object of a store as a read-only file that reads byte ranges."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from jobs.gamedata.ranges.coalesce import coalesce

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["ObjectFile"]


class ObjectFile(io.RawIOBase):
    """An object as a read-only file. Ranges that were not fetched in advance are fetched when they are read.

    Args:
        store: the store that contains the object.
        info: the object as listed; reads of any other content fail.
    """

    def __init__(self, store: ObjectStore, info: ObjectInfo) -> None:
        super().__init__()
        self._store = store
        self._info = info
        self._fetched: list[tuple[int, bytes]] = []
        self._position = 0

    def fetch(self, ranges: list[tuple[int, int]]) -> None:
        """Fetch ``(offset, length)`` ranges concurrently, merging adjacent ones."""
        joined, _ = coalesce(ranges)
        bodies = self._store.read_ranges(self._info.key, joined, etag=self._info.etag)
        self._fetched += [(offset, body) for (offset, _), body in zip(joined, bodies, strict=True)]

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
        """Move to a position."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._info.size}[whence]
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer; return the number of bytes, 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._read(self._position, max(0, min(len(view), self._info.size - self._position)))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, offset: int, length: int) -> bytes | memoryview:
        for start, body in self._fetched:
            if start <= offset and offset + length <= start + len(body):
                return memoryview(body)[offset - start : offset - start + length]
        if not length:
            return b""
        return self._store.read(self._info.key, offset=offset, length=length, etag=self._info.etag)

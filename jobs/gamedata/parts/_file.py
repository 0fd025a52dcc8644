"""Random access to a large part that fetches only the requested columns.

A row has 12 kB of thumbnails, which few readers need, and 1 kB of other columns. For 200,000 rows this is 0.2 GB
instead of 2 GB.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from jobs.gamedata.ranges.coalesce import coalesce

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from typing_extensions import Buffer

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["PartFile", "open_part"]

# Smaller parts are read whole: a second round trip costs more than the additional bytes.
_READ_WHOLE_MAX: Final = 1 << 20
# The footer of a part with one row group takes 13 kB.
_FOOTER_BYTES: Final = 64 << 10


def open_part(store: ObjectStore, info: ObjectInfo, columns: Collection[str]) -> io.IOBase:
    """Open a part for reading ``columns``: one request for a small part, two for a large one.

    Args:
        store: the manifest bucket.
        info: the part as listed.
        columns: names of top-level columns.

    Raises:
        ObjectMissing: a compaction merged the part.
        ObjectChanged: the part was rewritten after it was listed.
        ValueError: the object is not a Parquet file; pyarrow may raise its own errors.
    """
    if info.size <= _READ_WHOLE_MAX:
        return io.BytesIO(store.read(info.key))
    file = PartFile(store, info)
    file.fetch([(info.size - _FOOTER_BYTES, _FOOTER_BYTES)])
    file.fetch(list(_chunks(pq.read_metadata(file), set(columns))))
    file.seek(0)
    return file


def _chunks(metadata: pq.FileMetaData, columns: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield the ``(offset, length)`` of each chunk of the given columns."""
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(number)
            if chunk.path_in_schema.partition(".")[0] in columns:
                pages = (chunk.dictionary_page_offset, chunk.data_page_offset)
                yield min(offset for offset in pages if offset), chunk.total_compressed_size


class PartFile(io.RawIOBase):
    """A part as a read-only file. Ranges that were not fetched in advance are fetched when they are read.

    Args:
        store: bucket with the part.
        info: the part as listed; reads of any other content fail.
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

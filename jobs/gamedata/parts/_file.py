"""A large part as a file of which only the asked columns are fetched.

A row holds 12 kB of thumbnails, which few read, and 1 kB of everything else: of 200,000 rows that is 2 GB against 0.2.
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

# A smaller part is one request: the second round trip for its columns would cost more than its bytes.
_WHOLE: Final = 1 << 20
# The footer of a part with one row group has 13 kB.
_TAIL: Final = 64 << 10


def open_part(store: ObjectStore, info: ObjectInfo, columns: Collection[str]) -> io.IOBase:
    """Open a part for reading ``columns``: one request, or two where that spares most of a large part.

    Args:
        store: the manifest bucket.
        info: the part, as it was listed.
        columns: names of the schema's top level.

    Raises:
        ObjectMissing: a compaction has merged it.
        ObjectChanged: it was written anew since it was listed.
        ValueError: it is no Parquet file; also pyarrow's errors.
    """
    if info.size <= _WHOLE:
        return io.BytesIO(store.read(info.key))
    file = PartFile(store, info)
    file.fetch([(info.size - _TAIL, _TAIL)])
    file.fetch(list(_chunks(pq.read_metadata(file), set(columns))))
    file.seek(0)
    return file


def _chunks(metadata: pq.FileMetaData, columns: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where the chunks of some columns lie: ``(offset, length)``."""
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(number)
            if chunk.path_in_schema.partition(".")[0] in columns:
                pages = (chunk.dictionary_page_offset, chunk.data_page_offset)
                yield min(offset for offset in pages if offset), chunk.total_compressed_size


class PartFile(io.RawIOBase):
    """An object as a read-only file; what was not fetched before is fetched when it is read.

    Args:
        store: where it is.
        info: as it was listed; every read asks for this content.
    """

    def __init__(self, store: ObjectStore, info: ObjectInfo) -> None:
        super().__init__()
        self._store = store
        self._info = info
        self._held: list[tuple[int, bytes]] = []
        self._position = 0

    def fetch(self, ranges: list[tuple[int, int]]) -> None:
        """Fetch ``(offset, length)`` ranges side by side, near ones as one."""
        joined, _ = coalesce(ranges)
        bodies = self._store.read_ranges(self._info.key, joined, etag=self._info.etag)
        self._held += [(offset, body) for (offset, _), body in zip(joined, bodies, strict=True)]

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
        """Move."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._info.size}[whence]
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._read(self._position, max(0, min(len(view), self._info.size - self._position)))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, offset: int, length: int) -> bytes | memoryview:
        for begin, body in self._held:
            if begin <= offset and offset + length <= begin + len(body):
                return memoryview(body)[offset - begin : offset - begin + length]
        if not length:
            return b""
        return self._store.read(self._info.key, offset=offset, length=length, etag=self._info.etag)

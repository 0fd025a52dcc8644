"""Random access to a large part that fetches only the requested columns.

A row has 12 kB of thumbnails, which few readers need, and 1 kB of other columns. For 200,000 rows this is 0.2 GB
instead of 2 GB.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from jobs.gamedata.ranges.object_file import ObjectFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["open_part"]

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
    file = ObjectFile(store, info)
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

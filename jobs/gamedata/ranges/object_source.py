"""Read byte ranges of an object in a store, pinned to its listed ETag, and measure the time spent waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobs.gamedata.errors import item_error
from jobs.gamedata.ranges.coalesce import clip, coalesce
from shared.errors import ObjectChanged, ObjectMissing, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.storage import ObjectStore

__all__ = ["ObjectSource"]


class ObjectSource:
    """A :class:`~jobs.gamedata.ranges.source.RangeSource` over one object. Nearby ranges are read in one request.

    Args:
        store: the store that contains the object.
        key: key of the object.
        size: the listed size in bytes.
        etag: the listed ETag; every read requires it.

    Attributes:
        bytes_read: bytes read from the store so far.
        seconds: wall-clock time spent waiting for the store.

    Raises:
        ItemError: from any read: ``tar_changed`` if the object was replaced, ``tar_missing`` if it was deleted,
            ``tar_refused`` if the store refuses it or all objects.
    """

    def __init__(self, store: ObjectStore, key: str, *, size: int, etag: str) -> None:
        self.bytes_read = 0
        self.seconds = 0.0
        self._store = store
        self._key = key
        self._size = size
        self._etag = etag

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Read one range."""
        return self.read_many([(offset, length)])[0]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ``(offset, length)`` ranges concurrently; return them in the order requested."""
        clipped = [clip(self._size, offset, length) for offset, length in ranges]
        joined, locations = coalesce([part for part in clipped if part[1]])
        bodies = self._fetch(joined) if joined else []
        remaining = iter(locations)
        results = []
        for _, length in clipped:
            number, start = next(remaining) if length else (0, 0)
            results.append(bodies[number][start : start + length] if length else b"")
        return results

    def _fetch(self, joined: Sequence[tuple[int, int]]) -> list[bytes]:
        began = time.perf_counter()
        try:
            bodies = self._store.read_ranges(self._key, joined, etag=self._etag)
        except ObjectChanged as error:
            raise item_error("tar_changed", f"{error.message}; it was replaced after it was listed") from error
        except RequestRefused as error:
            raise item_error("tar_refused", f"{error.message}; restore it or make it readable") from error
        except ObjectMissing as error:
            raise item_error("tar_missing", f"{error.message}; it was deleted after it was listed") from error
        finally:
            self.seconds += time.perf_counter() - began
        for body, (offset, length) in zip(bodies, joined, strict=True):
            self.bytes_read += len(body)
            if len(body) != length:
                raise item_error(
                    "tar_changed", f"'{self._key}' returned {len(body)} of {length} bytes at offset {offset}: it shrank"
                )
        return bodies

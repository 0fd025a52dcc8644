"""The interface of every object store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from shared.storage.metrics import StoreMetrics

__all__ = ["ObjectInfo", "ObjectStore"]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object, as returned by a listing or a HEAD request.

    Attributes:
        key: the key below the store's root, without a leading slash.
        size: bytes.
        etag: the store's version tag without quotes; for files ``{size}-{mtime_ns}-{inode}`` (hex).
        modified: time of the last change, timezone-aware, in UTC.
    """

    key: str
    size: int
    etag: str
    modified: datetime


class ObjectStore(Protocol):
    """Objects under one root: an S3 bucket or a folder.

    All methods raise the typed errors of :mod:`shared.errors`: ``BucketMissing``, ``AccessDenied``,
    ``RequestRefused``, ``ObjectMissing``, ``ObjectChanged`` (when ``etag`` is given and differs),
    ``EndpointUnreachable``, ``StoreUnavailable``, ``StorageFull``. Transient errors are retried with jitter before they
    are raised. Instances are safe to share between threads and can be pickled (the copy opens new connections).
    """

    @property
    def uri(self) -> str:
        """The root: ``s3://bucket`` or ``file:///folder``, without a trailing slash."""

    @property
    def metrics(self) -> StoreMetrics:
        """Calls, bytes and latencies so far."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield objects whose key starts with ``prefix``, in the byte order of their UTF-8 keys.

        S3 listings are read page by page and never held in memory as a whole.
        """

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """Return the first 1,000 folders directly below a prefix, each with a slash at the end, in byte order.

        Args:
            prefix: a folder with a slash at its end, or empty for the root.
        """

    def stat(self, key: str) -> ObjectInfo:
        """Return size, ETag and time of one object."""

    def read(self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """Read a byte range; ``length`` None reads to the end. A range beyond the end is empty, not an error."""

    def read_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, etag: str | None = None
    ) -> builtins.list[bytes]:
        """Read several ``(offset, length)`` ranges in parallel; results are in the order of ``ranges``."""

    def stream(self, key: str, *, chunk_size: int = 1 << 20, etag: str | None = None) -> Iterator[bytes]:
        """Read an object in chunks from its start; a truncated body is resumed or raises, but never ends silently."""

    def put(self, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
        """Write an object atomically: readers see either the old one or the complete new one."""

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is not an error."""

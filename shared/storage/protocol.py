"""What every store of objects can do."""

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
    """One object as a listing or a HEAD shows it.

    Attributes:
        key: the key below the store's root, without a leading slash.
        size: bytes.
        etag: the store's version mark without quotes; for files ``{size}-{mtime_ns}-{inode}`` (hex).
        modified: last change, UTC, aware.
    """

    key: str
    size: int
    etag: str
    modified: datetime


class ObjectStore(Protocol):
    """Objects under one root: an S3 bucket or a folder.

    All methods raise the typed errors of :mod:`shared.errors`: ``BucketMissing``, ``AccessDenied``, ``ObjectMissing``,
    ``ObjectChanged`` (when ``etag`` is given and differs), ``EndpointUnreachable``, ``StoreUnavailable``,
    ``StorageFull``. Transient errors are retried with jitter before they are raised. Instances are safe to share
    between threads and can be pickled (the copy opens connections anew).
    """

    @property
    def uri(self) -> str:
        """The root: ``s3://bucket`` or ``file:///folder``, without a trailing slash."""

    @property
    def metrics(self) -> StoreMetrics:
        """Calls, bytes and latencies so far."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield objects whose key begins with ``prefix``, in the byte order of their UTF-8 keys.

        S3 is listed page by page, never held in memory as a whole.
        """

    def stat(self, key: str) -> ObjectInfo:
        """Describe one object."""

    def read(self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """Read a byte range; ``length`` None means to the end; beyond the end lies nothing, which is no error."""

    def read_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, etag: str | None = None
    ) -> builtins.list[bytes]:
        """Read several ``(offset, length)`` ranges side by side; results in the order asked."""

    def stream(self, key: str, *, chunk_size: int = 1 << 20, etag: str | None = None) -> Iterator[bytes]:
        """Read an object from its beginning in chunks; a body cut short raises or is continued, never silently ends."""

    def put(self, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
        """Write an object atomically: readers see the old one or the whole new one."""

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""

"""A folder on disk that caches whole objects of a slow store; the least recently used are evicted first."""

from __future__ import annotations

import logging
import os
import struct
import time
import uuid
import zlib
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from shared.errors import ConfigurationError
from shared.storage.keys import check_range

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Sequence

    from shared.storage.metrics import StoreMetrics
    from shared.storage.protocol import ObjectInfo, ObjectStore

__all__ = ["CachedStore"]

_log = logging.getLogger(__name__)

# Only files with this suffix are ever deleted: --cache-dir may name a folder that contains other files.
_SUFFIX: Final = ".telecine-cached"
_TEMPORARY: Final = ".telecine-caching"
_STALE_S: Final = 3600
# Header of a cached file, so that one truncated by a full disk or a power cut is detected and fetched again.
_HEADER: Final = struct.Struct("<8sQI")  # magic, size of the object, its CRC-32
_MAGIC: Final = b"telecin1"
# The folder is measured again after this process has added this fraction of the limit.
_SLACK: Final = 32


class CachedStore:
    """Reads whole objects of a store through a folder on disk; writes go directly to the store.

    Cached files are named by URI, key and ETag, so a changed object is never served from the cache. Several processes
    may share the folder. Ranges are served from a cached object, or from the store if it is not cached. If the folder
    cannot be written, reads are slower but still succeed.

    Args:
        store: the cached store.
        folder: created if missing.
        max_mb: limit in 10^6 bytes; may be exceeded by a few percent, plus what other processes add meanwhile.

    Raises:
        ConfigurationError: the folder cannot be created.
    """

    def __init__(self, store: ObjectStore, folder: str | os.PathLike[str], max_mb: int) -> None:
        self._store = store
        self._folder = Path(folder).absolute()
        self._max_mb = max_mb
        self._added = 0
        self._warned = False
        self.hits = 0
        self.misses = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot create the cache folder {self._folder}: {error.strerror}; use another --cache-dir"
            raise ConfigurationError(message, folder=str(self._folder)) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return CachedStore, (self._store, self._folder, self._max_mb)

    @property
    def uri(self) -> str:
        """The root of the cached store."""
        return self._store.uri

    @property
    def metrics(self) -> StoreMetrics:
        """Metrics of the cached store; a cache hit is not counted as a call."""
        return self._store.metrics

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """List the cached store."""
        return self._store.list(prefix)

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """Return the cached store's first folders below a prefix."""
        return self._store.folders(prefix)

    def stat(self, key: str) -> ObjectInfo:
        """Describe the object in the cached store."""
        return self._store.stat(key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """Read an object or a range; pass the ETag from a listing to save a call."""
        check_range(offset, length)
        version = etag or self._store.stat(key).etag
        path = self._path(key, version)
        data = self._load(path)
        if data is None and (offset or length is not None):
            return self._store.read(key, offset=offset, length=length, etag=version)
        if data is None:
            self.misses += 1
            data = self._store.read(key, etag=version)
            self._keep(path, data)
        else:
            self.hits += 1
        return data if not offset and length is None else data[offset:][:length]

    def read_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, etag: str | None = None
    ) -> builtins.list[bytes]:
        """Read several ranges, from the cached object or from the store."""
        version = etag or self._store.stat(key).etag
        data = self._load(self._path(key, version))
        if data is None:
            return self._store.read_ranges(key, ranges, etag=version)
        self.hits += 1
        for offset, length in ranges:
            check_range(offset, length)
        return [data[offset : offset + length] for offset, length in ranges]

    def stream(self, key: str, *, chunk_size: int = 1 << 20, etag: str | None = None) -> Iterator[bytes]:
        """Read in chunks; the whole object is held in memory, since only whole objects are cached."""
        data = self.read(key, etag=etag)
        for start in range(0, len(data), chunk_size):
            yield data[start : start + chunk_size]

    def put(self, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
        """Write to the cached store."""
        return self._store.put(key, body)

    def delete(self, key: str) -> None:
        """Delete from the cached store."""
        self._store.delete(key)

    def _path(self, key: str, etag: str) -> Path:
        name = sha256(f"{self.uri}\x00{key}\x00{etag}".encode()).hexdigest()
        return self._folder / f"{name}{_SUFFIX}"

    def _load(self, path: Path) -> bytes | None:
        try:
            content = path.read_bytes()
        except OSError:  # not cached, or just evicted by another process
            return None
        data = content[_HEADER.size :]
        if content[: _HEADER.size] != _HEADER.pack(_MAGIC, len(data), zlib.crc32(data)):
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(path)  # records the last use
        return data

    def _keep(self, path: Path, data: bytes) -> None:
        limit = self._max_mb * 1_000_000
        size = _HEADER.size + len(data)
        if size > limit:
            return
        temporary = path.with_name(f"{uuid.uuid4().hex}{_TEMPORARY}")
        try:
            if self._added == 0 or self._added + size > limit // _SLACK:
                self._make_room(limit - size)
                self._added = 0
            try:
                with temporary.open("xb") as file:
                    file.write(_HEADER.pack(_MAGIC, len(data), zlib.crc32(data)))
                    file.write(data)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            self._added += size
        except OSError as error:
            if not self._warned:
                _log.warning("cannot write to the cache folder %s (%s); continuing without it", self._folder, error)
                self._warned = True

    def _make_room(self, room: int) -> None:
        """Delete the least recently used files until the rest fits."""
        found: list[tuple[float, int, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.name.endswith(_SUFFIX):
                        status = entry.stat()
                        found.append((status.st_mtime, status.st_size, entry.path))
                    elif entry.name.endswith(_TEMPORARY) and time.time() - entry.stat().st_mtime > _STALE_S:
                        Path(entry.path).unlink(missing_ok=True)
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= room:
                return
            Path(path).unlink(missing_ok=True)
            total -= size

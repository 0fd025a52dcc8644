"""A folder on disk before a slow store: whole objects, the least recently used go first."""

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
from shared.storage._keys import check_range

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Sequence

    from shared.storage.metrics import StoreMetrics
    from shared.storage.protocol import ObjectInfo, ObjectStore

__all__ = ["CachedStore"]

_log = logging.getLogger(__name__)

# Only files with this suffix are ever deleted: --cache-dir may name a folder that holds other things.
_SUFFIX: Final = ".telecine-cached"
_TEMPORARY: Final = ".telecine-caching"
_STALE_S: Final = 3600
# A file begins with this, so that one torn by a full disk or a power cut is found and fetched anew.
_HEADER: Final = struct.Struct("<8sQI")  # magic, size of the object, its CRC-32
_MAGIC: Final = b"telecin1"
# The folder is measured again once this share of its limit has been added by this process.
_SLACK: Final = 32


class CachedStore:
    """Reads whole objects of a store through a folder on disk; writes go straight to the store.

    What is cached is named by URI, key and ETag, so that a changed object is never served from it. Several processes
    may share the folder. Ranges are served from a cached object, and read from the store where there is none. A folder
    that cannot be written costs speed, never a read.

    Args:
        store: the store behind.
        folder: made if missing.
        max_mb: limit in 10^6 bytes; passed by at most a few percent, and by what other processes add meanwhile.

    Raises:
        ConfigurationError: the folder cannot be made.
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
            message = f"cannot make the cache folder {self._folder}: {error.strerror}; name another --cache-dir"
            raise ConfigurationError(message, folder=str(self._folder)) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return CachedStore, (self._store, self._folder, self._max_mb)

    @property
    def uri(self) -> str:
        """The root of the store behind."""
        return self._store.uri

    @property
    def metrics(self) -> StoreMetrics:
        """What the store behind did; a hit is none of its calls."""
        return self._store.metrics

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """List the store behind."""
        return self._store.list(prefix)

    def stat(self, key: str) -> ObjectInfo:
        """Describe the object in the store behind."""
        return self._store.stat(key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """Read an object or a range; give the ETag of a listing to spare a call."""
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
        """Read several ranges, from the cached object or from the store behind."""
        version = etag or self._store.stat(key).etag
        data = self._load(self._path(key, version))
        if data is None:
            return self._store.read_ranges(key, ranges, etag=version)
        self.hits += 1
        for offset, length in ranges:
            check_range(offset, length)
        return [data[offset : offset + length] for offset, length in ranges]

    def stream(self, key: str, *, chunk_size: int = 1 << 20, etag: str | None = None) -> Iterator[bytes]:
        """Read in chunks; the whole object passes through memory, since only whole objects are kept."""
        data = self.read(key, etag=etag)
        for start in range(0, len(data), chunk_size):
            yield data[start : start + chunk_size]

    def put(self, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
        """Write to the store behind."""
        return self._store.put(key, body)

    def delete(self, key: str) -> None:
        """Delete in the store behind."""
        self._store.delete(key)

    def _path(self, key: str, etag: str) -> Path:
        name = sha256(f"{self.uri}\x00{key}\x00{etag}".encode()).hexdigest()
        return self._folder / f"{name}{_SUFFIX}"

    def _load(self, path: Path) -> bytes | None:
        try:
            content = path.read_bytes()
        except OSError:  # not there, or just evicted by another process
            return None
        data = content[_HEADER.size :]
        if content[: _HEADER.size] != _HEADER.pack(_MAGIC, len(data), zlib.crc32(data)):
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(path)  # the time of last use
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
                _log.warning("the cache folder %s takes no more (%s); reading goes on without it", self._folder, error)
                self._warned = True

    def _make_room(self, room: int) -> None:
        """Delete the least recently used files until what is left fits."""
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

"""An ObjectStore in memory that fails where a test tells it to.

store = MemoryStore({"a/v.tar": b"..."})
store.fail("read", StoreUnavailable("cut"), key="a/v.tar", times=2)  # the next two reads of this key raise
store.on("put", lambda key: ...)                                     # runs before each put
store.calls                                                          # [("read", "a/v.tar"), ...]
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

from shared.errors import ObjectChanged, ObjectMissing
from shared.storage.metrics import StoreMetrics
from shared.storage.protocol import ObjectInfo

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator, Mapping, Sequence

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class _Fault:
    error: BaseException
    key: str | None
    left: float


class MemoryStore:
    """Objects in a dict. Each put gives a new ``modified``; the ETag is the MD5 of the content, as in S3."""

    def __init__(self, objects: Mapping[str, bytes] | None = None, *, uri: str = "s3://memory") -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.calls: list[tuple[str, str]] = []
        self.ranges: list[tuple[str, int, int | None]] = []
        self._uri = uri
        self._metrics = StoreMetrics()
        self._faults: dict[str, list[_Fault]] = {}
        self._hooks: dict[str, list[Callable[[str], object]]] = {}
        self._lock = threading.RLock()
        self._writes = 0
        for key, body in (objects or {}).items():
            self.set(key, body)

    def set(self, key: str, body: bytes) -> ObjectInfo:
        """Put without a call being counted and without faults."""
        with self._lock:
            self._writes += 1
            self.objects[key] = (bytes(body), _EPOCH + timedelta(seconds=self._writes))
            return self._info(key)

    def fail(self, action: str, error: BaseException, *, key: str | None = None, times: float = 1) -> None:
        """Let the next ``times`` calls of an action (list, stat, read, stream, put, delete) raise; inf is for ever."""
        self._faults.setdefault(action, []).append(_Fault(error, key, times))

    def on(self, action: str, hook: Callable[[str], object]) -> None:
        """Call ``hook(key)`` before each such action."""
        self._hooks.setdefault(action, []).append(hook)

    def count(self, action: str) -> int:
        """Count the calls of an action."""
        return sum(1 for name, _ in self.calls if name == action)

    @property
    def uri(self) -> str:
        return self._uri

    @property
    def metrics(self) -> StoreMetrics:
        return self._metrics

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._enter("list", prefix)
        with self._lock:
            keys = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
            infos = [self._info(key) for key in keys]
        yield from infos

    def folders(self, prefix: str = "") -> builtins.list[str]:
        self._enter("list", prefix)
        with self._lock:
            below = {key[len(prefix) :].partition("/") for key in self.objects if key.startswith(prefix)}
        return sorted((f"{prefix}{name}/" for name, slash, _ in below if slash), key=str.encode)

    def stat(self, key: str) -> ObjectInfo:
        self._enter("stat", key)
        return self._info(key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        self._enter("read", key)
        return self._read(key, offset, length, etag)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]], *, etag: str | None = None) -> list[bytes]:
        self._enter("read", key)
        return [self._read(key, offset, length, etag) for offset, length in ranges]

    def stream(self, key: str, *, chunk_size: int = 1 << 20, etag: str | None = None) -> Iterator[bytes]:
        self._enter("stream", key)
        body = self._read(key, 0, None, etag)
        for start in range(0, len(body), chunk_size):
            yield body[start : start + chunk_size]

    def put(self, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
        self._enter("put", key)
        content = bytes(body) if isinstance(body, bytes | bytearray | memoryview) else body.read()
        with self._metrics.call() as call:
            call.bytes_written = len(content)
        return self.set(key, content)

    def delete(self, key: str) -> None:
        self._enter("delete", key)
        with self._lock:
            self.objects.pop(key, None)

    def _enter(self, action: str, key: str) -> None:
        with self._lock:
            self.calls.append((action, key))
            for fault in self._faults.get(action, []):
                if fault.left > 0 and fault.key in (None, key):
                    fault.left -= 1
                    raise fault.error
        for hook in self._hooks.get(action, []):
            hook(key)

    def _read(self, key: str, offset: int, length: int | None, etag: str | None) -> bytes:
        if offset < 0 or (length is not None and length < 0):
            message = f"offset {offset} and length {length} must not be negative"
            raise ValueError(message)
        with self._lock:
            info = self._info(key)
            body = self.objects[key][0]
            self.ranges.append((key, offset, length))
        if etag is not None and etag != info.etag:
            message = f"{self._uri}/{key} has ETag {info.etag}, not {etag}"
            raise ObjectChanged(message, uri=f"{self._uri}/{key}", expected=etag, found=info.etag)
        data = body[offset:] if length is None else body[offset : offset + length]
        with self._metrics.call() as call:
            call.bytes_read = len(data)
        return data

    def _info(self, key: str) -> ObjectInfo:
        if key not in self.objects:
            message = f"no object {self._uri}/{key}"
            raise ObjectMissing(message, uri=f"{self._uri}/{key}")
        body, modified = self.objects[key]
        return ObjectInfo(key, len(body), hashlib.md5(body, usedforsecurity=False).hexdigest(), modified)

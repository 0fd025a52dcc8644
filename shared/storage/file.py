"""An object store in a folder."""

# Paths stay str here: with a pathlib object per entry, listing 200,000 files takes several times longer.
# ruff: noqa: PTH100, PTH103

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from shared.errors import AccessDenied, ObjectChanged
from shared.storage._beneath import LeadsOutError, open_file, open_folder
from shared.storage._folder import (
    TEMPORARY,
    describe,
    os_errors,
    require_root,
    subfolders,
    temporary_name,
    walk,
)
from shared.storage.keys import FOLLOW_LINK, check_key, check_range, key_error
from shared.storage.metrics import StoreMetrics

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Sequence

    from shared.storage.protocol import ObjectInfo

__all__ = ["FileStore"]

_COPY_CHUNK: Final = 4 << 20
_PAGE: Final = 1000  # files of a listing that count as one call, as in S3
_MOST_AT_ONCE: Final = 0x7FFF_F000  # Linux's limit for a single read or write


class FileStore:
    """Files below one folder; keys are their paths relative to it, with slashes.

    Symbolic links are followed only within the folder, even if one is created while a file is being opened. A put
    writes a temporary file in the target's folder, then calls ``fsync`` and ``rename``. The first put creates the
    folder.

    Args:
        root: the folder, absolute or relative to the current one.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = "/" + os.path.abspath(os.fspath(root)).lstrip("/")  # unlike resolve, keeps links
        self._metrics = StoreMetrics()

    def __reduce__(self) -> tuple[Any, ...]:
        return FileStore, (self._root,)

    def __repr__(self) -> str:
        return f"FileStore({self._root!r})"

    @property
    def uri(self) -> str:
        """``file:///folder``."""
        return f"file://{self._root}"

    @property
    def metrics(self) -> StoreMetrics:
        """Calls, bytes and latencies so far."""
        return self._metrics

    def make_root(self) -> None:
        """Create the folder if it is missing."""
        with os_errors(self._root, "", "create", writing=True):
            os.makedirs(self._root, exist_ok=True)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield files whose key starts with ``prefix``, in the byte order of their keys."""
        files = walk(self._root, prefix)
        page: list[ObjectInfo] = []
        while True:
            with self._metrics.call(), os_errors(self._root, prefix, "list"):
                require_root(self._root)
                page = [info for _, info in zip(range(_PAGE), files, strict=False)]
            yield from page
            if len(page) < _PAGE:
                return

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """Return the first 1,000 folders with files directly below a prefix."""
        with self._metrics.call(), os_errors(self._root, prefix, "list"):
            require_root(self._root)
            return subfolders(self._root, prefix)[:_PAGE]

    def stat(self, key: str) -> ObjectInfo:
        """Return size, ETag and time of one file."""
        with self._metrics.call(), self._open(key) as descriptor:
            return describe(key, os.fstat(descriptor))

    def read(self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """Read a byte range; a range beyond the end is empty."""
        check_range(offset, length)
        with self._metrics.call() as call, self._open(key, etag) as descriptor:
            data = _read(descriptor, offset, length)
            call.bytes_read = len(data)
            return data

    def read_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, etag: str | None = None
    ) -> builtins.list[bytes]:
        """Read several ``(offset, length)`` ranges; results are in the order of ``ranges``."""
        for offset, length in ranges:
            check_range(offset, length)
        with self._metrics.call() as call, self._open(key, etag) as descriptor:
            found = [_read(descriptor, offset, length) for offset, length in ranges]
            call.bytes_read = sum(map(len, found))
            return found

    def stream(self, key: str, *, chunk_size: int = 1 << 20, etag: str | None = None) -> Iterator[bytes]:
        """Read a file in chunks; raises ``ObjectChanged`` if it changes meanwhile."""
        with self._metrics.call() as call, self._open(key, etag) as descriptor:
            version = etag or describe(key, os.fstat(descriptor)).etag
            offset = 0
            while chunk := _read(descriptor, offset, chunk_size):
                offset += len(chunk)
                call.bytes_read = offset
                with call.idle():
                    yield chunk
            self._check_etag(key, descriptor, version)

    def put(self, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
        """Write a file atomically, creating missing parent folders."""
        check_key(self.uri, key, as_path=True)
        if any(part.startswith(TEMPORARY) for part in key.split("/")):
            raise key_error(self.uri, key, f"names starting with {TEMPORARY} are reserved for temporary files")
        with self._metrics.call() as call, os_errors(self._root, key, "put", writing=True):
            os.makedirs(self._root, exist_ok=True)
            with self._parent(key, make=True) as folder:
                info = _write(folder, key, body)
            call.bytes_written = info.size
            return info

    def delete(self, key: str) -> None:
        """Delete a file; a missing one is not an error."""
        check_key(self.uri, key, as_path=True)
        with self._metrics.call():
            absent = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
            with os_errors(self._root, key, "delete"):
                require_root(self._root)
                with suppress(*absent), self._parent(key) as folder:
                    os.unlink(key.rpartition("/")[2], dir_fd=folder)

    @contextmanager
    def _open(self, key: str, etag: str | None = None) -> Iterator[int]:
        """Open for reading; the ETag is checked before and after the block, since files may be changed in place."""
        check_key(self.uri, key, as_path=True)
        with os_errors(self._root, key, "read"):
            with self._refusing_links(key):
                descriptor = open_file(self._root, key)
            try:
                _refuse_odd_files(descriptor)
                self._check_etag(key, descriptor, etag)
                yield descriptor
                self._check_etag(key, descriptor, etag)
            finally:
                os.close(descriptor)

    def _check_etag(self, key: str, descriptor: int, etag: str | None) -> None:
        if etag is None:
            return
        found = describe(key, os.fstat(descriptor)).etag
        if found != etag:
            uri = f"{self.uri.rstrip('/')}/{key}"
            message = f"{uri} changed: its ETag is {found}, not {etag}; read it again"
            raise ObjectChanged(message, uri=uri, expected=etag, found=found)

    @contextmanager
    def _parent(self, key: str, *, make: bool = False) -> Iterator[int]:
        """Yield the folder of a file to write or delete; a link is itself replaced or deleted."""
        with self._refusing_links(key), open_folder(self._root, key.rpartition("/")[0], make=make) as folder:
            yield folder

    @contextmanager
    def _refusing_links(self, key: str) -> Iterator[None]:
        try:
            yield
        except LeadsOutError as error:
            uri = f"{self.uri}/{key}"
            message = f"{uri} is a link that points outside {self._root}; replace it with the file itself"
            raise AccessDenied(message, bucket=self.uri, action=FOLLOW_LINK, uri=uri) from error


def _refuse_odd_files(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise IsADirectoryError(errno.EISDIR, "not a regular file")


def _read(descriptor: int, offset: int, length: int | None) -> bytes:
    """Read like ``pread``, but completely: one call returns at most 2 GiB."""
    size = os.fstat(descriptor).st_size
    left = max(0, size - offset) if length is None else min(length, max(0, size - offset))
    pieces: list[bytes] = []
    while left > 0:
        piece = os.pread(descriptor, min(left, _MOST_AT_ONCE), offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _write(folder: int, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
    temporary = temporary_name()
    # Mode 0666 minus the umask, like any other program; mkstemp's 0600 would lock other users out.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o666, dir_fd=folder)
    try:
        try:
            if isinstance(body, bytes | bytearray | memoryview):
                _write_all(descriptor, memoryview(body).cast("B"))
            else:
                while chunk := body.read(_COPY_CHUNK):
                    _write_all(descriptor, memoryview(chunk))
            os.fsync(descriptor)
            info = describe(key, os.fstat(descriptor))
        finally:
            os.close(descriptor)
        os.replace(temporary, key.rpartition("/")[2], src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    _sync_folder(folder)
    return info


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data[:_MOST_AT_ONCE]) :]


def _sync_folder(folder: int) -> None:
    """Make the new name survive a power cut; some file systems cannot, but the content is safe anyway."""
    with suppress(OSError):
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

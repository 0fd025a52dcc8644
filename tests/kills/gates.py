"""Announce each step of a commit to the parent process, and wait for permission to continue.

Announced operations: each system call of a put of the file store (``open``, ``write``, ``half`` of a write, ``fsync``,
``replace``, ``sync``, ``unlink``), each SQL statement, ``commit``, and ``end``; each ``copy`` of a database session and
its second ``row``; on demand, the creation of an embedded server. The parent stops the process before an operation, so
that a kill falls exactly between two of them.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Engine, event

from shared.database.session import DatabaseSession
from shared.storage import _beneath
from shared.storage import file as file_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shared.storage import ObjectInfo

__all__ = ["Announcer", "Disk", "InlineExecutor", "install", "watch_copies", "watch_server"]

_T = TypeVar("_T")


class Announcer:
    """The child's end of the socket; each forked worker opens another one.

    Args:
        path: Unix socket on which the parent listens.
        free: announce only the end, and never wait.
    """

    def __init__(self, path: str, *, free: bool) -> None:
        self._path = path
        self._free = free
        self._lock = threading.Lock()
        self._connect()
        os.register_at_fork(after_in_child=self._connect)

    def _connect(self) -> None:
        self._lock = threading.Lock()
        self._end = socket.socket(socket.AF_UNIX)
        self._end.connect(self._path)

    def __call__(self, name: str, subject: str = "") -> None:
        """Announce an operation and wait for the parent's permission."""
        if not self._free:
            self._say({"op": name, "subject": subject})

    def end(self, code: int) -> None:
        """Announce the exit code, even with ``free``."""
        self._say({"code": code})

    def _say(self, document: dict[str, Any]) -> None:
        with self._lock:
            self._end.sendall(json.dumps(document).encode() + b"\n")
            if not self._end.recv(1):
                os._exit(99)  # the parent has exited


class Disk:
    """A disk with limited space.

    Args:
        below: text in the paths of the files on this disk; an empty text for no files.
        room: space in bytes.
    """

    def __init__(self, below: str = "", room: int = 0) -> None:
        self._below = below
        self._room = room

    def take(self, path: str, size: int) -> None:
        """Use up space; raise ENOSPC if there is none left."""
        if self._below and self._below in path:
            self._room -= size
            if self._room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def _whole(path: str, folder: int | None) -> str:
    """Return a path below an open folder as one from the root."""
    return path if folder is None else str(Path(f"/proc/self/fd/{folder}").readlink() / path)


class _Os:
    """A replacement for the module ``os`` in the file store."""

    def __init__(self, announce: Announcer, disk: Disk, *, reads: bool) -> None:
        self._announce = announce
        self._reads = reads
        self._disk = disk
        self._targets: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        target = _whole(path, dir_fd)
        if flags & os.O_CREAT:
            self._announce("open", target)
        elif self._reads and not flags & os.O_DIRECTORY:
            self._announce("read", target)
        descriptor = os.open(path, flags, mode, dir_fd=dir_fd)
        self._targets[descriptor] = target
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        path = self._targets[descriptor]
        self._announce("write", path)
        self._disk.take(path, len(data))
        if len(data) < 2:
            return os.write(descriptor, data)
        half = os.write(descriptor, data[: len(data) // 2])
        self._announce("half", path)
        return half + os.write(descriptor, data[half:])

    def fsync(self, descriptor: int) -> None:
        # A SIGKILL loses no written page, so the call is announced but not made.
        name = "sync" if Path(self._targets[descriptor]).is_dir() else "fsync"
        self._announce(name, self._targets[descriptor])

    def replace(
        self, source: str, target: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        self._announce("replace", _whole(target, dst_dir_fd))
        os.replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        self._announce("unlink", _whole(path, dir_fd))
        os.unlink(path, dir_fd=dir_fd)


# Python's audit events during the start of an embedded server -> names of operations.
_AUDITED = {"os.mkdir": "mkdir", "os.rename": "rename", "os.remove": "remove", "subprocess.Popen": "start"}


def watch_server(announce: Announcer, folder: str) -> None:
    """Also announce the operations that create and start the embedded server in a folder."""

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        if name in _AUDITED:
            words = arguments[1] if name == "subprocess.Popen" else arguments[:1]
            if any(folder in str(word) for word in words):
                announce(_AUDITED[name], " ".join(map(str, words))[:200])

    sys.addaudithook(audit)


def watch_copies(announce: Announcer) -> None:
    """Also announce each COPY and its second row, which the database driver runs without SQLAlchemy."""
    plain = DatabaseSession.copy

    def copy(self: DatabaseSession, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        def held() -> Iterator[Sequence[Any]]:
            for number, row in enumerate(rows):
                if number == 1:
                    announce("row", f"COPY {table}")
                yield row

        announce("copy", f"COPY {table}")
        return plain(self, table, columns, held())

    DatabaseSession.copy = copy  # type: ignore[method-assign]
    plain_bytes = DatabaseSession.copy_bytes

    def copy_bytes(
        self: DatabaseSession, table: str, columns: Sequence[str], blocks: Iterable[bytes], **form: Any
    ) -> int:
        announce("copy", f"COPY {table}")
        return plain_bytes(self, table, columns, blocks, **form)

    DatabaseSession.copy_bytes = copy_bytes  # type: ignore[method-assign]


class InlineExecutor(Executor):
    """An executor that runs work at once, so that operations have the same order in every run."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, call: Callable[..., _T], /, *values: Any, **named: Any) -> Future[_T]:
        future: Future[_T] = Future()
        try:
            future.set_result(call(*values, **named))
        except Exception as error:  # noqa: BLE001 - the future raises it
            future.set_exception(error)
        return future


def install(announce: Announcer, disk: Disk, *, reads: bool) -> None:
    """Install the gates in this process; ``reads`` also announces each listing and each file read."""
    file_store.os = _beneath.os = _Os(announce, disk, reads=reads)  # type: ignore[assignment]
    if reads:
        walk = file_store.walk

        def announced(root: str, prefix: str) -> Iterator[ObjectInfo]:
            announce("list", f"{root}/{prefix}")
            # A listing is a snapshot of the time of the request, like a page of S3.
            return iter(list(walk(root, prefix)))

        file_store.walk = announced
    event.listen(Engine, "before_cursor_execute", lambda *words: announce("sql", " ".join(words[2].split()[:3])))
    event.listen(Engine, "commit", lambda _: announce("commit"))

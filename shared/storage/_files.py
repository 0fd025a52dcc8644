"""Files below one folder: safe paths, temporary names, and the operating system's errors as ours."""

# Paths stay str here: a pathlib object per entry makes a listing of 200,000 files several times slower.
# ruff: noqa: PTH108, PTH112, PTH116, PTH118

from __future__ import annotations

import errno
import logging
import os
import stat
import time
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shared.errors import (
    AccessDenied,
    BucketMissing,
    DataError,
    ObjectMissing,
    StorageFull,
    StoreUnavailable,
    TelecineError,
)
from shared.storage.protocol import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "TEMPORARY",
    "describe",
    "missing_root",
    "os_errors",
    "require_root",
    "sweep_folder",
    "temporary_name",
    "walk",
]

_log = logging.getLogger(__name__)

TEMPORARY: Final = ".telecine-put-"
# A put that has written nothing for a day is dead (its mtime moves while it writes).
_STALE_S: Final = 24 * 3600

_ABSENT: Final = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}
_DENIED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BAD_NAME: Final = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}


def temporary_name() -> str:
    """Return a new name that listings hide."""
    return f"{TEMPORARY}{uuid.uuid4().hex}"


def describe(key: str, status: os.stat_result) -> ObjectInfo:
    """Describe a file; the ETag holds size, time and inode, so that a replaced file always has another one."""
    etag = f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"
    return ObjectInfo(key, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))


@contextmanager
def os_errors(root: str, key: str, action: str, *, writing: bool = False) -> Iterator[None]:
    """Turn an OSError within the block into the store's typed error.

    Args:
        root: the folder.
        key: the object, or the prefix of a listing.
        action: read, list, put or delete, for the message.
        writing: an absent path is then not a missing object but a key that does not fit the tree.
    """
    try:
        yield
    except OSError as error:
        raise _typed(error, root, key, action, writing=writing) from error


def _typed(error: OSError, root: str, key: str, action: str, *, writing: bool) -> TelecineError:  # noqa: PLR0911
    uri = f"file://{root.rstrip('/')}/{key}"
    where = f" ({error.filename})" if error.filename and TEMPORARY not in str(error.filename) else ""
    why = f"{error.strerror or error}{where}"
    if error.errno in _ABSENT and not os.path.isdir(root):
        return missing_root(root)
    if error.errno == errno.ENOENT and writing and TEMPORARY in str(error.filename):
        message = f"cannot {action} {uri}: its temporary file was deleted while it was written; try again"
        return StoreUnavailable(message, uri=uri, action=action)
    if error.errno in _ABSENT and not writing:
        return ObjectMissing(f"no file {uri}", uri=uri)
    if error.errno in _ABSENT:
        message = f"cannot {action} {uri}: {why}; a part of the path is a file, or a folder has the file's name"
        return DataError(message, code="key_invalid", uri=uri)
    if error.errno in _DENIED:
        message = f"cannot {action} {uri}: {why}; give this user (uid {os.getuid()}) the right, or name another folder"
        return AccessDenied(message, bucket=f"file://{root}", action=action, uri=uri)
    if error.errno in _FULL:
        message = f"cannot {action} {uri}: {why}; free space there, or name a folder on another disk"
        return StorageFull(message, uri=uri)
    if error.errno in _BAD_NAME:
        message = f"cannot {action} {uri}: {why}; a part of a file's path has at most 255 bytes"
        return DataError(message, code="key_invalid", uri=uri)
    return StoreUnavailable(f"cannot {action} {uri}: {why}", uri=uri, action=action)


def require_root(root: str) -> None:
    """Raise an OSError where the root is no folder; unlike ``isdir``, tells a missing one from a forbidden one."""
    if not stat.S_ISDIR(os.stat(root).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", root)


def missing_root(root: str) -> BucketMissing:
    """Make the error of a root that is not there."""
    return BucketMissing(f"no folder {root}; create it, or name another one", bucket=f"file://{root}")


def walk(root: str, prefix: str) -> Iterator[ObjectInfo]:
    """Yield the files below a folder whose key begins with a prefix, in the byte order of their keys.

    Symbolic links are followed where they lead to something within the root; others are named in a warning.

    Args:
        root: the folder, absolute.
        prefix: may end in the middle of a name.
    """
    folder, _, start = prefix.rpartition("/")
    if prefix.startswith("/") or any(part in ("", ".", "..") for part in folder.split("/") if folder):
        return
    top = os.path.join(root, folder) if folder else root
    real_root = os.path.realpath(root)
    if not os.path.isdir(top) or not within(real_root, os.path.realpath(top)):
        return
    yield from _walk(real_root, top, f"{folder}/" if folder else "", start, frozenset())


def within(real_root: str, real_path: str) -> bool:
    """Whether a resolved path lies below a resolved root."""
    return real_path == real_root or real_path.startswith(f"{real_root.rstrip('/')}/")


def _walk(
    real_root: str, folder: str, base: str, start: str, above: frozenset[tuple[int, int]]
) -> Iterator[ObjectInfo]:
    status = os.stat(folder)
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder above itself
        return
    found: list[tuple[bytes, os.DirEntry[str]]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY):
                _sweep(entry.path)
            elif entry.name.startswith(start) and _is_ours(real_root, entry):
                # The slash sorts folder "a" as its keys "a/…" sort among "a-b" and "a0".
                found.append((os.fsencode(entry.name) + (b"/" if entry.is_dir() else b""), entry))
    found.sort(key=lambda pair: pair[0])
    for _, entry in found:
        try:
            if entry.is_dir():
                yield from _walk(real_root, entry.path, f"{base}{entry.name}/", "", above | {here})
            elif entry.is_file():
                yield describe(base + entry.name, entry.stat())
        except FileNotFoundError:  # deleted since the folder was read: S3 would not list it either
            continue


def _is_ours(real_root: str, entry: os.DirEntry[str]) -> bool:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        _log.warning("%r is left out: its name is not UTF-8", entry.path)
        return False
    if entry.is_symlink() and not within(real_root, os.path.realpath(entry.path)):
        _log.warning("%s is left out: the link leads out of %s", entry.path, real_root)
        return False
    return True


def sweep_folder(folder: str) -> None:
    """Delete what killed puts left in a folder that nobody lists; folders below it are not looked at."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY):
                _sweep(entry.path)


def _sweep(path: str) -> None:
    """Delete a temporary file that a killed put left behind."""
    with suppress(OSError):  # another process was faster, or this user may only read
        if time.time() - os.stat(path).st_mtime > _STALE_S:
            os.unlink(path)

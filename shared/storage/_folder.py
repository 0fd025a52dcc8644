"""Files below one folder: safe paths, old `.telecine-put-…` files deleted, OSError translated to our error types."""

# Paths stay str here: with a pathlib object per entry, listing 200,000 files takes several times longer.
# ruff: noqa: PTH108, PTH110, PTH112, PTH116, PTH118, PTH120

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
from shared.storage._beneath import within
from shared.storage.protocol import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "TEMPORARY",
    "describe",
    "missing_root",
    "os_errors",
    "require_root",
    "subfolders",
    "sweep_folder",
    "temporary_name",
    "walk",
]

_log = logging.getLogger(__name__)

TEMPORARY: Final = ".telecine-put-"
# A put that has not written for a day is dead (its mtime changes as it writes).
_STALE_S: Final = 24 * 3600

_ABSENT: Final = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}
_DENIED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BAD_NAME: Final = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}


def temporary_name() -> str:
    """Return a new name that listings hide."""
    return f"{TEMPORARY}{uuid.uuid4().hex}"


def describe(key: str, status: os.stat_result) -> ObjectInfo:
    """Describe a file; the ETag contains size, time and inode, so a replaced file always has a different one."""
    etag = f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"
    return ObjectInfo(key, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))


@contextmanager
def os_errors(root: str, key: str, action: str, *, writing: bool = False) -> Iterator[None]:
    """Translate an OSError raised in the block to the store's error type.

    Args:
        root: the folder.
        key: the object, or the prefix of a listing.
        action: read, list, put or delete, for the message.
        writing: an absent path then means that the key does not fit the folder tree, not that an object is missing.
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
        message = f"cannot {action} {uri}: its temporary file was deleted during the write; try again"
        return StoreUnavailable(message, uri=uri, action=action)
    if error.errno in _ABSENT and not writing:
        return ObjectMissing(f"file {uri} does not exist", uri=uri)
    if error.errno in _ABSENT:
        message = f"cannot {action} {uri}: {why}; part of the path is a file, or a folder has the file's name"
        return DataError(message, code="key_invalid", uri=uri)
    if error.errno in _DENIED:
        message = f"cannot {action} {uri}: {why}; grant access to this user (uid {os.getuid()}) or use another folder"
        return AccessDenied(message, bucket=f"file://{root}", action=action, uri=uri)
    if error.errno in _FULL:
        message = f"cannot {action} {uri}: {why}; free space there or use a folder on another disk"
        return StorageFull(message, uri=uri)
    if error.errno in _BAD_NAME:
        message = f"cannot {action} {uri}: {why}; expected at most 255 bytes in each part of the path"
        return DataError(message, code="key_invalid", uri=uri)
    return StoreUnavailable(f"cannot {action} {uri}: {why}", uri=uri, action=action)


def require_root(root: str) -> None:
    """Raise OSError if the root is not a folder; unlike ``isdir``, distinguishes missing from forbidden."""
    if not stat.S_ISDIR(os.stat(root).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", root)


def missing_root(root: str) -> BucketMissing:
    """Return the error for a root that does not exist or is a file."""
    there = root
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        what = "is a file" if os.path.exists(there) else "is a broken link"
        where = "" if there == root else f", so folder {root} cannot exist"
        return BucketMissing(f"{there} {what}{where}; expected a folder", bucket=f"file://{root}")
    return BucketMissing(f"folder {root} does not exist; create it or use another one", bucket=f"file://{root}")


def walk(root: str, prefix: str) -> Iterator[ObjectInfo]:
    """Yield the files below a folder whose key starts with a prefix, in the byte order of their keys.

    Symbolic links are followed if their target is within the root; a warning names the others.

    Args:
        root: absolute path of the folder.
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


def subfolders(root: str, prefix: str) -> list[str]:
    """Return the folders directly below a prefix that contain a file at any depth, as S3 has no empty folders.

    Args:
        root: absolute path of the folder.
        prefix: empty, or a folder with a slash at the end.
    """
    top = os.path.join(root, prefix)
    if not os.path.isdir(top):
        return []
    with os.scandir(top) as entries:
        # Sorted with the slash, like keys: "b-/" comes before "b/".
        names = sorted((f"{entry.name}/" for entry in entries if entry.is_dir()), key=os.fsencode)
    return [f"{prefix}{name}" for name in names if next(walk(root, f"{prefix}{name}"), None) is not None]


def _walk(
    real_root: str, folder: str, base: str, start: str, above: frozenset[tuple[int, int]]
) -> Iterator[ObjectInfo]:
    status = os.stat(folder)
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to one of its parent folders
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
        except FileNotFoundError:  # deleted since the folder was read; S3 would not list it either
            continue


def _is_ours(real_root: str, entry: os.DirEntry[str]) -> bool:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        _log.warning("skipping %r: its name is not UTF-8", entry.path)
        return False
    if entry.is_symlink() and not within(real_root, os.path.realpath(entry.path)):
        _log.warning("skipping %s: the link points outside %s", entry.path, real_root)
        return False
    return True


def sweep_folder(folder: str) -> None:
    """Delete leftovers of killed puts from a folder that is never listed; subfolders are not searched."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY):
                _sweep(entry.path)


def _sweep(path: str) -> None:
    """Delete a temporary file left behind by a killed put."""
    with suppress(OSError):  # another process deleted it first, or this user may only read
        if time.time() - os.stat(path).st_mtime > _STALE_S:
            os.unlink(path)

"""Files and folders below a root, opened part by part, so that a link set after a check cannot lead out of it."""

# ruff: noqa: PTH118

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LeadsOutError", "open_file", "open_folder", "within"]

# Using names in a folder needs no permission to list it, except on systems other than Linux.
_PASS: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a FIFO in the folder would block for ever.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Errors for a part that has become a link since the path was resolved.
_IS_LINK: Final = frozenset({errno.ELOOP, errno.ENOTDIR})
# Give up on a link that is replaced again and again.
_ATTEMPTS: Final = 5


class LeadsOutError(Exception):
    """A link that leads out of the root."""


def within(real_root: str, real_path: str) -> bool:
    """Return whether a resolved path is located below a resolved root."""
    return real_path == real_root or real_path.startswith(f"{real_root.rstrip('/')}/")


def open_file(root: str, key: str) -> int:
    """Open a file for reading, and return its descriptor; links are followed only within the root.

    Args:
        root: absolute path of the folder.
        key: path relative to it, without ``.`` and ``..``.

    Raises:
        LeadsOutError: a link leads out of the root.
        OSError: as for ``open``.
    """
    return _resolved(root, key, make=False, is_file=True)


@contextmanager
def open_folder(root: str, key: str, *, make: bool = False) -> Iterator[int]:
    """Yield a descriptor for names in a folder; links are followed only within the root.

    Args:
        root: absolute path of the folder.
        key: path relative to it, without ``.`` and ``..``; empty for the root itself.
        make: create the folder and its parents below the root if they are missing.

    Raises:
        LeadsOutError: a link leads out of the root.
        OSError: as for ``open`` and ``mkdir``.
    """
    folder = _resolved(root, key, make=make, is_file=False)
    try:
        yield folder
    finally:
        os.close(folder)


def _resolved(root: str, key: str, *, make: bool, is_file: bool) -> int:
    """Resolve the links of a path, then open the result without following any other link."""
    path = os.path.join(root, key) if key else root
    attempt = 0
    while True:
        real_root, real = os.path.realpath(root), os.path.realpath(path)
        if not within(real_root, real):
            raise LeadsOutError(path)
        parts = [part for part in real[len(real_root) :].split("/") if part]
        try:
            return _descend(real_root, parts, make=make, is_file=is_file)
        except OSError as error:
            attempt += 1
            if error.errno not in _IS_LINK or attempt == _ATTEMPTS or os.path.realpath(path) == real:
                error.filename = path
                raise


def _descend(real_root: str, parts: Sequence[str], *, make: bool, is_file: bool) -> int:
    folders = parts[:-1] if is_file else parts
    here = os.open(real_root, _PASS)
    try:
        for part in folders:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=here)
            below = os.open(part, _PASS, dir_fd=here)
            os.close(here)
            here = below
        if is_file:
            return os.open(parts[-1] if parts else ".", _READ, dir_fd=here)
        here, result = -1, here
        return result
    finally:
        if here >= 0:
            os.close(here)

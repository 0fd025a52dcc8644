"""Errors about a full disk: transient, for temporary files as for any others."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError, StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FULL", "full_disk"]

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a disk, a quota or a limit on files that is full."""


@contextmanager
def full_disk() -> Iterator[None]:
    """Translate an OSError about a full disk that no code closer to the file has translated.

    Raises:
        StorageFull: a local file could not be written.
        ConfigurationError: there is no folder for temporary files.
    """
    try:
        yield
    except OSError as error:
        if "No usable temporary directory" in str(error):
            raise ConfigurationError(
                f"there is no folder for temporary files: {error}; set TMPDIR to a writable folder",
                code="tmpdir",
            ) from error
        # Libraries such as polars raise one without a number.
        if error.errno in FULL or "No space left on device" in str(error):
            raise StorageFull(
                f"a local file cannot be written: {error}; free space for temporary files or set TMPDIR, then try again"
            ) from error
        raise

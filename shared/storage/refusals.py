"""Distinguish a store that refuses one object (archived, disabled key) from one that refuses all."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

from shared.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Generator

    from shared.storage.protocol import ObjectStore

__all__ = ["is_readable"]


def is_readable(store: ObjectStore, key: str) -> bool:
    """Read the first byte of an object; return False if the store refuses it.

    A HEAD request proves nothing: S3 answers it even for archived objects, and some proxies refuse every HEAD.

    Raises:
        ObjectMissing: the object does not exist.
        TransientError: from the store.
    """
    try:
        with closing(cast("Generator[bytes]", store.stream(key, chunk_size=1))) as chunks:
            next(chunks, None)
    except RequestRefused:
        return False
    return True

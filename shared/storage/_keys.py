"""Which keys are safe to hand to a store."""

from __future__ import annotations

from typing import Final

from shared.errors import DataError

__all__ = ["check_key", "check_range", "key_error"]

MAX_KEY_BYTES: Final = 1024  # S3's own limit


def key_error(uri: str, key: str, why: str) -> DataError:
    """Make the error of a key that a store cannot hold."""
    return DataError(f"{key!r} is no valid key below {uri}: {why}", code="key_invalid", uri=uri, key=key)


def check_key(uri: str, key: str, *, as_path: bool) -> None:
    """Refuse a key that could name something else than itself.

    URL libraries resolve ``.`` and ``..`` in paths before the request leaves (urllib3 does), so that an S3 key with
    them could reach another bucket; in a folder they leave the root.

    Args:
        uri: the store, for the message.
        key: the key.
        as_path: the key becomes a file path, which has no empty parts.

    Raises:
        DataError: code ``key_invalid``.
    """
    if not key:
        raise key_error(uri, key, "it is empty")
    if "\0" in key:
        raise key_error(uri, key, "it holds a NUL")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise key_error(uri, key, "it is not valid Unicode") from None
    if size > MAX_KEY_BYTES:
        raise key_error(uri, key, f"it has {size} bytes of UTF-8; at most {MAX_KEY_BYTES} are valid")
    parts = key.split("/")
    if "." in parts or ".." in parts:
        raise key_error(uri, key, "'.' and '..' are not valid as parts")
    if as_path and "" in parts:
        raise key_error(uri, key, "a file's path has no empty part (a leading, trailing or double slash)")


def check_range(offset: int, length: int | None) -> None:
    """Refuse negative ranges.

    Raises:
        ValueError: a negative offset or length, a bug of the caller.
    """
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"offset {offset} and length {length} must not be negative")

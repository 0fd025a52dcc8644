"""Checks of keys and ranges before a store uses them."""

from __future__ import annotations

from typing import Final

from shared.errors import DataError

__all__ = ["FOLLOW_LINK", "check_key", "check_range", "key_error"]

FOLLOW_LINK: Final = "follow a link"  # the denied action if a link in a folder points outside it
MAX_KEY_BYTES: Final = 1024  # S3's own limit


def key_error(uri: str, key: str, why: str) -> DataError:
    """Return the error for a key that a store cannot hold."""
    return DataError(f"{key!r} is not a valid key below {uri}: {why}", code="key_invalid", uri=uri, key=key)


def check_key(uri: str, key: str, *, as_path: bool) -> None:
    """Reject a key that could name anything but itself.

    URL libraries such as urllib3 resolve ``.`` and ``..`` in paths before sending a request, so an S3 key with them
    could reach another bucket; in a folder they lead out of the root.

    Args:
        uri: the store, for the message.
        key: the key.
        as_path: the key becomes a file path, which cannot have empty parts.

    Raises:
        DataError: code ``key_invalid``.
    """
    if not key:
        raise key_error(uri, key, "it is empty")
    if "\0" in key:
        raise key_error(uri, key, "it contains a NUL")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise key_error(uri, key, "it is not valid Unicode") from None
    if size > MAX_KEY_BYTES:
        raise key_error(uri, key, f"it has {size} bytes of UTF-8; expected at most {MAX_KEY_BYTES}")
    parts = key.split("/")
    if "." in parts or ".." in parts:
        raise key_error(uri, key, "'.' and '..' are not allowed as parts")
    if as_path and "" in parts:
        raise key_error(uri, key, "a file's path cannot have an empty part (a leading, trailing or double slash)")


def check_range(offset: int, length: int | None) -> None:
    """Reject negative ranges.

    Raises:
        ValueError: the offset or length is negative, a bug of the caller.
    """
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"offset {offset} and length {length} must not be negative")

"""Locations within an item as JSON pointers (RFC 6901); the item itself is ``/``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ITEM", "key_text", "pointer"]

ITEM: Final = "/"
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_KEY_CHARS: Final = 80


def pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer; long keys are cut.

    >>> pointer(["user", "ids", "slug"]), pointer(["a/b"]), pointer([])
    ('/user/ids/slug', '/a~1b', '/')
    """
    return "".join(f"/{key_text(str(key))}" for key in path) or ITEM


def key_text(key: str) -> str:
    """Return a key as a part of a pointer: escaped, without NUL and half surrogate pairs, at most 80 characters."""
    start = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", key[:_KEY_CHARS])
    escaped = start.replace("~", "~0").replace("/", "~1")
    return escaped if len(escaped) <= _KEY_CHARS and len(key) <= _KEY_CHARS else escaped[: _KEY_CHARS - 1] + "…"

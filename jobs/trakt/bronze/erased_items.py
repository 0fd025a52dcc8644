"""Erased users: keyed hashes of their names, and the names of a user in an item."""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EMPTY", "Erased", "author_names", "folded", "name_digest", "names_in_text"]

# A username or slug in JSON text that does not parse.
_NAME_IN_TEXT: Final = re.compile(r'"(?:username|slug)"\s*:\s*"((?:[^"\\]|\\.)*+)', re.DOTALL)


def folded(name: str) -> str:
    """Return a name in the form in which names are compared: case-folded, without outer spaces."""
    return name.strip().casefold()


def name_digest(salt: bytes, name: str) -> bytes:
    """Return the keyed hash (HMAC-SHA-256) of a name.

    Args:
        salt: a secret; without it, anyone could try the few million names of the site.
        name: username or slug.
    """
    return hmac.digest(salt, b"telecine trakt user\0" + folded(name).encode(errors="surrogatepass"), "sha256")


@dataclass(frozen=True, slots=True)
class Erased:
    """The erased users; false if there are none.

    Attributes:
        salt: key of the hashes.
        digests: hashes of their names.
    """

    salt: bytes = b""
    digests: frozenset[bytes] = field(default=frozenset())

    def __bool__(self) -> bool:
        return bool(self.digests)

    def holds(self, names: Iterable[str]) -> bool:
        """Return whether one of the names belongs to an erased user."""
        return any(name_digest(self.salt, name) in self.digests for name in names)


EMPTY: Final = Erased()


def author_names(item: Any) -> set[str]:
    """Return username and slug of an item's author, valid or not; for a feed's item, of its comment's author.

    >>> sorted(author_names({"comment": {"user": {"username": "Ann B", "ids": {"slug": "ann-b"}}}}))
    ['Ann B', 'ann-b']
    """
    if not isinstance(item, dict):
        return set()
    inner = item.get("comment")
    comment = inner if isinstance(inner, dict) else item
    return user_names(comment.get("user"))


def user_names(user: Any) -> set[str]:
    """Return username and slug of a user object."""
    if not isinstance(user, dict):
        return set()
    ids = user.get("ids")
    found = (user.get("username"), ids.get("slug") if isinstance(ids, dict) else None)
    return {name for name in found if isinstance(name, str) and name}


def names_in_text(text: str) -> set[str]:
    r"""Return strings that look like usernames and slugs from damaged or truncated JSON text.

    >>> sorted(names_in_text('[{"user":{"username":"J\u00f6rg","ids":{"slug":"jorg"'))
    ['Jörg', 'jorg']
    """
    return {name for raw in _NAME_IN_TEXT.findall(text) if (name := _unescaped(raw))}


def _unescaped(raw: str) -> str:
    try:
        return str(json.loads(f'"{raw}"', strict=False))
    except ValueError:
        return raw

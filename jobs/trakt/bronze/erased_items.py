"""Erased users: keyed hashes of their names, and the names of a user in an item."""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "EMPTY",
    "Erased",
    "author_marks",
    "author_names",
    "comment_ids",
    "comment_mark",
    "folded",
    "name_digest",
    "names_in_text",
    "own_names",
    "without_users",
]

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
    return user_names(_comment(item).get("user"))


def _comment(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        return {}
    inner = item.get("comment")
    return inner if isinstance(inner, dict) else item


def own_names(item: Any) -> set[str]:
    """Return the author's names that are nobody else's.

    All deleted accounts may be shown under one name, without a slug: it must not stand for a user who was erased.

    >>> own_names({"user": {"username": "gone", "deleted": True, "ids": {"slug": None}}})
    set()
    """
    user = _comment(item).get("user")
    if not isinstance(user, dict):
        return set()
    ids = user.get("ids")
    is_shared = user.get("deleted") is True and not (isinstance(ids, dict) and ids.get("slug"))
    return set() if is_shared else user_names(user)


def author_marks(item: Any) -> set[str]:
    r"""Return what an item is known by: its author's names, and its own id, which stays when an account is deleted.

    >>> sorted(author_marks({"id": 5, "user": {"username": "ann"}}))
    ['\x00comment 5', 'ann']
    """
    return author_names(item) | set(map(comment_mark, comment_ids(item)))


def comment_ids(item: Any) -> set[int]:
    """Return the id of an item's comment; none if it has no number for an id."""
    number = _comment(item).get("id")
    return {number} if isinstance(number, int) and not isinstance(number, bool) else set()


def comment_mark(number: int) -> str:
    """Return what stands for a comment among names of users; no name has a NUL."""
    return f"\0comment {number}"


def user_names(user: Any) -> set[str]:
    """Return username and slug of a user object."""
    if not isinstance(user, dict):
        return set()
    ids = user.get("ids")
    found = (user.get("username"), ids.get("slug") if isinstance(ids, dict) else None)
    return {name for name in found if isinstance(name, str) and name}


def without_users(value: Any, erased: Erased) -> bool:
    """Replace erased users with null, at any depth of a value; return whether there were any.

    A user is an object that is called ``user`` or has a ``username``. A title has a slug too, so a slug alone is none.

    >>> item = {"list": {"user": {"username": "ann"}}, "likes": [{"username": "bob"}]}
    >>> without_users(item, Erased(b"s", frozenset({name_digest(b"s", "ann")}))), item
    (True, {'list': {'user': None}, 'likes': [{'username': 'bob'}]})
    """
    found = False
    waiting = [value]
    while waiting:
        one = waiting.pop()
        members = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, member in list(members):
            is_user = isinstance(member, dict) and (key == "user" or "username" in member)
            if is_user and erased.holds(user_names(member)):
                one[key] = None
                found = True
            elif isinstance(member, dict | list):
                waiting.append(member)
    return found


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

"""Short names of review keys: unique prefixes of their digests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shared.errors import UsageError
from shared.text import brief, cut, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.database.session import DatabaseSession

__all__ = ["find_key", "names_of"]

_SHORTEST: Final = 8
_LONGEST: Final = 32
_HEX: Final = re.compile(r"[0-9a-f]{1,32}")
_NEAR: Final = 5
_TITLE_CHARS: Final = 60


def names_of(session: DatabaseSession, digests: Iterable[bytes]) -> dict[bytes, str]:
    """Return the name of each digest: a prefix that no other key in the database shares, waiting or not."""
    rows = session.rows(
        """
        SELECT d.digest,
            (SELECT max(k.review_digest) FROM viewership.keys k WHERE k.review_digest < d.digest) AS before,
            (SELECT min(k.review_digest) FROM viewership.keys k WHERE k.review_digest > d.digest) AS after
        FROM unnest(CAST(:digests AS bytea[])) AS d (digest)
        """,
        digests=list(digests),
    )
    found = {}
    for row in rows:
        name = bytes(row.digest).hex()
        shared = max(_common(name, bytes(each).hex()) for each in (row.before, row.after, b"") if each is not None)
        found[bytes(row.digest)] = name[: max(_SHORTEST, shared + 1)]
    return found


def find_key(session: DatabaseSession, text: str) -> bytes:
    """Return the digest of the key with this name, or of the only key whose name starts with this text.

    Raises:
        UsageError: no key or several keys have such a name; the message names the nearest.
    """
    prefix = text.strip().lower()
    if not _HEX.fullmatch(prefix):
        raise UsageError(
            f"key {brief(one_line(text))} is not valid; expected 1 to {_LONGEST} hexadecimal digits, as in"
            " `telecine viewership review list`"
        )
    first, last = bytes.fromhex(prefix.ljust(_LONGEST, "0")), bytes.fromhex(prefix.ljust(_LONGEST, "f"))
    rows = session.rows(
        "SELECT DISTINCT k.review_digest FROM viewership.keys k JOIN viewership.matches USING (key_id)"
        " WHERE k.review_digest BETWEEN :first AND :last ORDER BY k.review_digest LIMIT :limit",
        first=first,
        last=last,
        limit=_NEAR + 1,
    )
    if len(rows) == 1:
        return bytes(rows[0].review_digest)
    if rows:
        near = [bytes(row.review_digest) for row in rows[:_NEAR]]
        raise UsageError(f"key '{prefix}' is ambiguous; expected one of {_told(session, near)}")
    rows = session.rows(
        "(SELECT k.review_digest FROM viewership.keys k JOIN viewership.matches USING (key_id)"
        " WHERE k.review_digest < :first ORDER BY k.review_digest DESC LIMIT 1)"
        " UNION (SELECT k.review_digest FROM viewership.keys k JOIN viewership.matches USING (key_id)"
        " WHERE k.review_digest > :first ORDER BY k.review_digest LIMIT 1)",
        first=first,
    )
    near = sorted((bytes(row.review_digest) for row in rows), key=lambda one: -_common(one.hex(), prefix))
    expected = f"a key in `telecine viewership review list`; the nearest are {_told(session, near)}" if near else "none"
    raise UsageError(f"key '{prefix}' does not exist; expected {expected}")


def _told(session: DatabaseSession, digests: list[bytes]) -> str:
    titles = {
        bytes(row.review_digest): row.title
        for row in session.rows(
            "SELECT DISTINCT ON (k.review_digest) k.review_digest, concat_ws(', ', k.series,"
            " COALESCE(k.content_name, k.content_name_2), k.content_id) AS title FROM viewership.keys k"
            " WHERE k.review_digest = ANY (CAST(:digests AS bytea[])) ORDER BY k.review_digest, k.key_id",
            digests=digests,
        )
    }
    names = names_of(session, digests)
    return ", ".join(f"{names[each]} ({one_line(cut(titles[each], _TITLE_CHARS))})" for each in digests)


def _common(one: str, other: str) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length

"""Access tokens: issued once as text, stored as SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.console.model import Principal, Role

if TYPE_CHECKING:
    from datetime import datetime

    from shared.database.session import DatabaseSession

__all__ = ["PREFIX", "Token", "digest", "find", "issue", "listed", "revoke"]

# Secret scanners recognise tokens by their prefix.
PREFIX: Final = "telecine_"
# 256 random bits cannot be guessed, so a fast hash without salt is enough.
_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Token:
    """An issued token, without its text."""

    name: str
    role: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None


def digest(text: str) -> bytes:
    """Return the SHA-256 of a token or of a session's cookie."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def issue(database: DatabaseSession, name: str, role: str, days: int) -> str:
    """Store a new token and return its text, which cannot be recovered later.

    Args:
        database: an open transaction.
        name: its user or program; a name may have several tokens.
        role: ``viewer``, ``uploader`` or ``reviewer``.
        days: lifetime in days.
    """
    text = PREFIX + secrets.token_urlsafe(_BYTES)
    database.run(
        "INSERT INTO console.tokens (token_hash, name, role, expires_at)"
        " VALUES (:token_hash, :name, :role, now() + make_interval(days => :days))",
        token_hash=digest(text),
        name=name,
        role=role,
        days=days,
    )
    return text


def find(database: DatabaseSession, text: str) -> tuple[bytes, Principal] | None:
    """Return a valid token's hash and user; None if it is unknown, expired or revoked."""
    wanted = digest(text)
    rows = database.rows(
        "SELECT token_hash, name, role FROM console.tokens"
        " WHERE token_hash = :token_hash AND revoked_at IS NULL AND expires_at > now()",
        token_hash=wanted,
    )
    for row in rows:
        # Defence in depth: the index lookup compares hashes, so its timing reveals nothing about the token.
        if hmac.compare_digest(bytes(row.token_hash), wanted):
            return wanted, Principal(row.name, Role[row.role.upper()], "bearer")
    return None


def listed(database: DatabaseSession) -> list[Token]:
    """Return all tokens, newest first."""
    rows = database.rows(
        "SELECT name, role, created_at, expires_at, revoked_at,"
        " (SELECT max(seen_at) FROM console.sessions s WHERE s.token_hash = t.token_hash) AS used_at"
        " FROM console.tokens t ORDER BY created_at DESC, token_hash"
    )
    return [Token(*row) for row in rows]


def revoke(database: DatabaseSession, name: str) -> int:
    """Revoke the valid tokens of a name, end their sessions, and return the number of tokens."""
    revoked = database.run(
        "UPDATE console.tokens SET revoked_at = now() WHERE name = :name AND revoked_at IS NULL AND expires_at > now()",
        name=name,
    )
    database.run(
        "UPDATE console.sessions s SET ended_at = now() FROM console.tokens t"
        " WHERE s.token_hash = t.token_hash AND t.name = :name AND t.revoked_at IS NOT NULL AND s.ended_at IS NULL",
        name=name,
    )
    return revoked

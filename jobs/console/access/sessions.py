"""Browser sessions: a random cookie, stored as SHA-256, so that all replicas accept it and a logout ends it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from jobs.console.access.tokens import digest
from jobs.console.model import Principal, Role

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["COOKIE", "end", "find", "start"]

# Browsers accept this prefix only with Secure, Path=/ and without Domain, so no other host can set the cookie.
COOKIE: Final = "__Host-telecine"
_BYTES: Final = 32
# Within this time of the last update, seen_at is not updated again.
_SEEN_S: Final = 60


def start(database: DatabaseSession, token_hash: bytes) -> str:
    """Store a new session of a token and return the cookie's value."""
    text = secrets.token_urlsafe(_BYTES)
    database.run(
        "INSERT INTO console.sessions (session_hash, token_hash) VALUES (:session_hash, :token_hash)",
        session_hash=digest(text),
        token_hash=token_hash,
    )
    return text


def find(database: DatabaseSession, text: str, hours: int) -> Principal | None:
    """Return the user of a session and update when it was last seen; None if it has ended.

    Args:
        database: an open transaction that may write.
        text: the cookie's value.
        hours: idle time after which a session ends.
    """
    rows = database.rows(
        "SELECT t.name, t.role, s.seen_at < now() - make_interval(secs => :seen_s) AS stale"
        " FROM console.sessions s JOIN console.tokens t USING (token_hash)"
        " WHERE s.session_hash = :session_hash AND s.ended_at IS NULL"
        " AND s.seen_at > now() - make_interval(hours => :hours) AND t.revoked_at IS NULL AND t.expires_at > now()",
        session_hash=digest(text),
        seen_s=_SEEN_S,
        hours=hours,
    )
    if not rows:
        return None
    if rows[0].stale:
        database.run(
            "UPDATE console.sessions SET seen_at = now() WHERE session_hash = :session_hash",
            session_hash=digest(text),
        )
    return Principal(rows[0].name, Role[rows[0].role.upper()], "session")


def end(database: DatabaseSession, text: str) -> None:
    """End a session on the server, which invalidates its cookie."""
    database.run(
        "UPDATE console.sessions SET ended_at = now() WHERE session_hash = :session_hash AND ended_at IS NULL",
        session_hash=digest(text),
    )

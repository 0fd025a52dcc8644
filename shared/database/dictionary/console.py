"""Tables of schema console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONSOLE"]

CONSOLE: Final[Mapping[str, Relation]] = {
    "console.tokens": Relation(
        "an access token of the console",
        {
            "token_hash": "SHA-256 of the token; the token itself is not stored",
            "name": "the user or program that it was issued to",
            "role": "viewer, uploader or reviewer",
            "created_at": "when it was issued",
            "expires_at": "when it stops being valid",
            "revoked_at": "when it was revoked; NULL if it was not",
        },
    ),
    "console.sessions": Relation(
        "a browser that logged in with a token",
        {
            "session_hash": "SHA-256 of the cookie's value; the value itself is not stored",
            "token_hash": "the token that it logged in with",
            "created_at": "when it logged in",
            "seen_at": "its last request, to the minute",
            "ended_at": "when it logged out; NULL if it did not",
        },
    ),
    "console.audit": Relation(
        "something that a user of the console did",
        {
            "id": "number of the row",
            "at": "when it was done",
            "actor": "name of the user, of the token, or command",
            "role": "the user's role; NULL for a command",
            "action": "login, logout, token_issued or token_revoked",
            "subject": "what it was done to, such as a token's name",
            "details": "further facts, as JSON",
        },
    ),
}

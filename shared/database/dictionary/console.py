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
            "name": "the user or program it was issued to",
            "role": "viewer, uploader or reviewer",
            "created_at": "when it was issued",
            "expires_at": "when it expires",
            "revoked_at": "when it was revoked; NULL if it was not",
        },
    ),
    "console.sessions": Relation(
        "a browser session of a token",
        {
            "session_hash": "SHA-256 of the cookie's value; the value itself is not stored",
            "token_hash": "SHA-256 of the token used to log in",
            "created_at": "when it logged in",
            "seen_at": "last request, to the minute",
            "ended_at": "when it logged out; NULL if it did not",
        },
    ),
    "console.audit": Relation(
        "an action of a console user",
        {
            "id": "row number",
            "at": "time of the action",
            "actor": "name of the user or token, or the command",
            "role": "the user's role; NULL for a command",
            "action": "login, logout, token_issued or token_revoked",
            "subject": "object of the action, such as a token's name",
            "details": "additional data, as JSON",
        },
    ),
}

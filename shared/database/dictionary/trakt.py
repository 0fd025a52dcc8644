"""Tables of schema trakt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TRAKT"]

_KEY: Final = "SHA-256 of the API key with a prefix; the key itself is not stored"
_CLIENT: Final = "the process: a random UUID"

TRAKT: Final[Mapping[str, Relation]] = {
    "trakt.request_keys": Relation(
        "a key of the Trakt API, whose quota all processes share",
        {
            "key_hash": _KEY,
            "blocked_until": "no process sends anything before this time; NULL if the key was never blocked",
            "banned_until": "end of the last ban by the edge; NULL if the key was never banned",
            "bans": "bans by the edge so far; each halves the budget of the runs that are active at the time",
        },
    ),
    "trakt.request_clients": Relation(
        "a process that calls the API, until a day after its last request",
        {
            "key_hash": _KEY,
            "client": _CLIENT,
            "asked_at": "when it last tried to reserve requests",
            "waiting": "true if it got none; processes with more reservations let it go first",
        },
    ),
    "trakt.request_reservations": Relation(
        "a request that counts against the quota; deleted once it no longer does",
        {
            "id": "number of the row",
            "key_hash": _KEY,
            "client": _CLIENT,
            "reserved_at": "when it was reserved",
            "counts_until": "one window after its answer, or until that arrives, after the latest time it can be sent",
        },
    ),
}

"""Names that settings and rooms share: titles, kinds of bronze rows, and the scenarios of the replayer."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RESOURCE_KINDS", "SCENARIOS", "SERVICE_ZONE", "Scenario", "TitleKind", "TitleRef"]

TitleKind = Literal["movie", "show"]

Scenario = Literal[
    "calm",
    "storm",
    "html",
    "cuts",
    "drift",
    "lies",
    "moves",
    "deletes",
    "poisoned",
    "dead-key",
    "unauthorized",
    "over-limit",
    "locked",
    "vip-only",
    "edge",
    "down",
    "big",
]

SERVICE_ZONE: Final = "America/Chicago"
"""Zone of the days that service levels are about."""

RESOURCE_KINDS: Final = ("comment", "comment_gone", "rating", "title", "title_gone", "tmdb", "page")
"""Kinds of bronze rows: a comment, a 404 of a comment, ratings, a title, a 404 of a title, TMDb metadata, a page."""


@dataclass(frozen=True, slots=True, order=True)
class TitleRef:
    """A title by its Trakt id: never by a slug, which changes, and may be another title's id.

    Attributes:
        kind: movie or show.
        trakt_id: its id, unique within the kind.
    """

    kind: TitleKind
    trakt_id: int

    def __str__(self) -> str:
        """Return it as in messages and keys, such as ``movie-1234``."""
        return f"{self.kind}-{self.trakt_id}"


SCENARIOS: Final[Mapping[Scenario, str]] = MappingProxyType(
    {
        "calm": "no faults; the site lives on slowly, as the real one does",
        "storm": "15 % of answers are 429 (every form of Retry-After), 5xx, 52x or a closed connection",
        "html": "12 % of answers are HTML: under 200, 404 and 429, or as an error page of the edge",
        "cuts": "12 % of answers are cut off, empty, late beyond any patience, or never begin",
        "drift": "10 % of comments break the contract or have new fields; feeds change between wrapped and bare",
        "lies": "counts in headers are wrong, or the headers are missing",
        "moves": "comments change title, slugs change, titles merge: an event every 3 s",
        "deletes": "comments vanish and return, one title is away for two days and one for good: an event every 2 s",
        "poisoned": "one comment makes every page that holds it answer 500",
        "dead-key": "the API answers 403: it does not accept the key",
        "unauthorized": "the API answers 401",
        "over-limit": "the API answers 420: the account's limit is reached",
        "locked": "the API answers 423: the account is locked",
        "vip-only": "the API answers 426: the account is not a VIP's",
        "edge": "the edge bans the client for 300 s after every 40 requests: first 429, then 403, both HTML",
        "down": "the API is overloaded for the first hour: 503, 504, 521, 522",
        "big": "1,000,000 comments, computed when they are asked for; no faults",
    }
)
"""Scenario of the replayer -> what happens in it."""

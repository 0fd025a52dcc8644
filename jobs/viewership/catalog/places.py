"""Find the channel or territory that a text names, at word boundaries only."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.keys.text import cleaned, folded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.database.session import DatabaseSession

__all__ = [
    "Place",
    "PlaceIndex",
    "PlaceMatch",
    "load_channels",
    "load_territories",
    "resolve_channel",
    "resolve_territory",
]

_TOKEN: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A channel or territory with all of its names."""

    id: int
    name: str
    code: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceMatch:
    """The channel or territory that a text names.

    Attributes:
        raw: the text.
        place: None if the text names none that is known, or several equally well.
        matched: the name or code that was found.
        ties: the places that are named equally well.
    """

    raw: str | None
    place: Place | None = None
    matched: str = ""
    ties: tuple[Place, ...] = ()


@dataclass(slots=True)
class PlaceIndex:
    """Places by the tokens of their names and codes."""

    names: dict[tuple[str, ...], list[tuple[Place, str]]] = field(default_factory=lambda: defaultdict(list))
    longest: int = 0

    @classmethod
    def of(cls, places: Iterable[Place]) -> PlaceIndex:
        """Return the index of places."""
        index = cls()
        for place in places:
            for name in dict.fromkeys((place.name, *place.names, place.code or "")):
                tokens = _tokens(name)
                if tokens and all(known is not place for known, _ in index.names[tokens]):
                    index.names[tokens].append((place, name))
                    index.longest = max(index.longest, len(tokens))
        return index


def load_channels(session: DatabaseSession) -> PlaceIndex:
    """Return the active channels of the catalogue."""
    return _load(session, "channel", "channels")


def load_territories(session: DatabaseSession) -> PlaceIndex:
    """Return the active territories of the catalogue."""
    return _load(session, "territory", "territories")


def _load(session: DatabaseSession, one: str, many: str) -> PlaceIndex:
    rows: list[Any] = session.rows(f"""
        SELECT place.id, place.name, place.code,
            ARRAY(SELECT further.name FROM catalog.{one}_names further WHERE further.{one}_id = place.id
                ORDER BY position)
        FROM catalog.{many} place WHERE active ORDER BY place.id
    """)  # noqa: S608 - our own names
    return PlaceIndex.of(Place(row[0], row[1], row[2], tuple(row[3])) for row in rows)


def resolve_channel(text: str | None, channels: PlaceIndex) -> PlaceMatch:
    """Return the channel that a text names: the whole of it, or else the longest name at word boundaries.

    >>> channels = PlaceIndex.of([Place(1, "Nosey"), Place(2, "Judge Nosey")])
    >>> resolve_channel("judge_nosey-US", channels).place.name
    'Judge Nosey'
    """
    return _resolve(text, channels)


def resolve_territory(text: str | None, territories: PlaceIndex) -> PlaceMatch:
    """Return the territory that a text names, as :func:`resolve_channel` does.

    >>> territories = PlaceIndex.of([Place(1, "India", "IN"), Place(2, "United States", "US")])
    >>> resolve_territory("MAIN_US", territories).place.name
    'United States'
    """
    return _resolve(text, territories)


def _resolve(text: str | None, index: PlaceIndex) -> PlaceMatch:
    tokens = _tokens(text or "")
    if whole := index.names.get(tokens):
        return _one(text, whole)
    found: list[tuple[Place, str]] = []
    best = 0
    for size in range(1, min(index.longest, len(tokens)) + 1):
        for start in range(len(tokens) - size + 1):
            run = tokens[start : start + size]
            length = sum(map(len, run))
            named = index.names.get(run)
            if named and length >= best:
                found = [*(found if length == best else ()), *named]
                best = length
    return _one(text, found) if found else PlaceMatch(text)


def _one(text: str | None, found: list[tuple[Place, str]]) -> PlaceMatch:
    places = {place.id: (place, name) for place, name in found}
    if len(places) > 1:
        return PlaceMatch(text, ties=tuple(place for place, _ in places.values()))
    place, name = next(iter(places.values()))
    return PlaceMatch(text, place, name)


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(folded(cleaned(text))))

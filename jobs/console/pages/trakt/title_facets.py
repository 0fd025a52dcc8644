"""The facets of Trakt's titles, from counts by kind, age and quadrant that come from one query."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jobs.console.pages.trakt.title_list import PATH, TitlesQuery, parts_of
from jobs.console.tables.trakt import meanings, titles
from jobs.console.web.listing import Condition, Facet
from jobs.console.web.paging import Count, FacetValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.console.tables.trakt.titles import Group
    from shared.database.session import DatabaseSession

__all__ = ["CUBE", "facets_of", "genres", "narrowed"]

CUBE: Final = ("kind", "age", "quadrant")
"""The facets over groups."""


def narrowed(cube: Sequence[Group], query: TitlesQuery, without: str = "") -> list[Group]:
    """Return the groups, with the counts, that match all filters of the cube except one."""
    found = []
    for group in cube:
        if without != "kind" and query.kind not in (None, group.kind):
            continue
        if without != "age" and query.age not in (None, group.age_band):
            continue
        counts = group.counts
        if without != "quadrant" and query.quadrant is not None:
            counts = {name: number for name, number in counts.items() if name == query.quadrant}
        if counts:
            found.append(replace(group, counts=counts))
    return found


def facets_of(query: TitlesQuery, cube: Sequence[Group]) -> list[tuple[Facet, list[FacetValue]]]:
    """Return the facets over groups, each counted over titles that match all other filters."""
    facets: list[tuple[Facet, list[FacetValue]]] = []
    for name in CUBE:
        counts: dict[str, int] = {}
        for group in narrowed(cube, query, name):
            members = group.counts if name == "quadrant" else {getattr(group, _OF_GROUP[name]): group.total}
            for value, number in members.items():
                counts[value] = counts.get(value, 0) + number
        order = list(meanings.QUADRANTS) if name == "quadrant" else sorted(counts, key=meanings.age_order)
        values = [(value, counts[value]) for value in order if value in counts]
        facets.append((Facet(name, ""), [_value(query, name, *value) for value in values]))
    return facets


_OF_GROUP: Final = {"kind": "kind", "age": "age_band"}


def genres(
    database: DatabaseSession, query: TitlesQuery, conditions: Sequence[Condition]
) -> tuple[Facet, list[FacetValue]]:
    """Return the facet of genres, counted over titles that match all other filters."""
    others = [each for each in conditions if each.name != "genre"]
    found = titles.genres(database, *parts_of(others, named=True))
    return Facet("genre", ""), [_value(query, "genre", *value) for value in found]


def _value(query: TitlesQuery, name: str, value: str, number: int) -> FacetValue:
    chosen = getattr(query, name) == value
    label = meanings.quadrant_words(value) if name == "quadrant" else value
    return FacetValue(label, Count(number, capped=False), query.url(PATH, **{name: None if chosen else value}), chosen)

"""`/titles`: Trakt's titles by breadth and intensity, in quadrants among their peers."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.pages.trakt.quadrants import draw
from jobs.console.tables.gamedata.sessions import pattern
from jobs.console.tables.trakt import meanings, titles
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term, where_of
from jobs.console.web.paging import Count, FacetValue, fetch
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins
from shared.report.scatter import MOST_DOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.console.tables.trakt.titles import Group
    from jobs.console.web.paging import Page
    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "PATH", "TitlesQuery", "path_of", "router"]

router = APIRouter(route_class=GuardedRoute)

PATH: Final = "/titles"


class TitlesQuery(ListQuery):
    """Parameters of the list of titles."""

    controls: ClassVar[frozenset[str]] = frozenset({"sort", "after", "limit", "view", "log"})

    kind: Literal["movie", "show"] | None = None
    age: Annotated[Text | None, Field(title="age in days")] = None
    window: Literal["7d", "28d", "90d", "all"] = "all"
    quadrant: Literal["phenomenon", "broad_hit", "cult", "quiet", "borderline", "insufficient"] | None = None
    genre: Text | None = None
    as_of: Annotated[date | None, Field(title="as of")] = None
    q: Annotated[Text | None, Field(title="name contains")] = None
    log: Literal["1"] | None = None
    sort: Literal["", "breadth", "intensity", "comments", "half_life", "hold_up", "title"] = ""


def path_of(kind: str, number: int) -> str:
    """Return the path of a title's page."""
    return f"{PATH}/{kind}/{number}"


def _conditions(query: TitlesQuery, as_of: date | None = None) -> list[Condition]:
    found = [
        Condition("as_of", "q.as_of = CAST(:as_of AS date)", {"as_of": as_of or query.as_of}),
        Condition("window", "q.period = :window", {"window": query.window}),
    ]
    if query.kind is not None:
        found.append(Condition("kind", "q.title_kind = :kind", {"kind": query.kind}))
    if query.age is not None:
        found.append(Condition("age", "q.age_band = :age", {"age": query.age}))
    if query.quadrant is not None:
        found.append(Condition("quadrant", "q.quadrant = :quadrant", {"quadrant": query.quadrant}))
    if query.genre is not None:
        found.append(Condition("genre", ":genre = ANY (t.genres)", {"genre": query.genre}))
    if query.q is not None:
        # Half the time of the same conditions on a join.
        sql = (
            "(q.title_kind, q.title_id_trakt) IN (SELECT title_kind, title_id_trakt FROM gold.trakt_titles"
            " WHERE title ILIKE :q OR slug = :whole OR imdb_id = :whole OR title_id_trakt::text = :whole)"
        )
        found.append(Condition("q", sql, {"q": pattern(query.q), "whole": query.q}))
    return found


_QUADRANTS: Final = "gold.trakt_quadrants_daily q"
_TITLES: Final = "LEFT JOIN gold.trakt_titles t USING (title_kind, title_id_trakt)"
_METRICS: Final = "LEFT JOIN gold.trakt_metrics_daily m USING (title_kind, title_id_trakt, as_of)"
_KEY: Final = (Term("q.title_kind", "text", True), Term("q.title_id_trakt", "bigint", True))


def _number(name: str) -> Callable[[Any], Any]:
    def value(row: Any) -> Any:
        found = getattr(row, name)
        return None if isinstance(found, float) and not math.isfinite(found) else found

    return value


def _column(name: str, label: str, *sorts: str) -> Column:
    return Column(name, label, "number", value=_number(name), sorts=sorts)


def _most(name: str, label: str, expression: str) -> Order:
    # Rows without a value are last: an order needs one.
    value = f"coalesce({expression}, CAST('-infinity' AS double precision))"
    return Order(name, label, (Term(value, "double precision", True), *_KEY))


LISTING: Final = Listing(
    path=PATH,
    title="Titles",
    select=(
        "q.title_kind, q.title_id_trakt, q.as_of, q.period, q.age_band, q.quadrant, q.reason, q.n, q.n_min, q.peers,"
        " q.breadth, q.breadth_median, q.p_breadth_high, q.intensity, q.intensity_low, q.intensity_high,"
        " q.intensity_median, q.p_intensity_high, t.title, t.year, t.slug, t.imdb_id, t.tmdb_id, m.half_life_days,"
        " m.half_life_days_low, m.half_life_days_high, m.half_life_days_reason, m.hold_up, m.hold_up_low,"
        " m.hold_up_high, m.hold_up_reason"
    ),
    source=f"{_QUADRANTS} {_TITLES} {_METRICS}",
    # Of JSON and CSV.
    columns=(
        *(Column(name, name) for name in ("title", "year", "title_kind", "title_id_trakt", "slug", "imdb_id")),
        *(Column(name, name) for name in ("tmdb_id", "as_of", "period", "age_band", "quadrant", "reason")),
        *(_column(name, name) for name in ("n", "n_min", "peers", "breadth", "breadth_median", "p_breadth_high")),
        *(_column(name, name) for name in ("intensity", "intensity_low", "intensity_high", "intensity_median")),
        *(_column(name, name) for name in ("p_intensity_high", "half_life_days", "half_life_days_low")),
        *(_column(name, name) for name in ("half_life_days_high", "half_life_days_reason")),
        *(_column(name, name) for name in ("hold_up", "hold_up_low", "hold_up_high", "hold_up_reason")),
    ),
    orders=(
        _most("breadth", "largest breadth first", "q.breadth"),
        _most("intensity", "largest intensity first", "q.intensity"),
        _most("comments", "most comments first", "CAST(q.n AS double precision)"),
        _most("half_life", "longest half-life first", "m.half_life_days"),
        _most("hold_up", "largest hold-up first", "m.hold_up"),
        Order(
            "title",
            "by title",
            (
                Term("lower(coalesce(t.title, '')) COLLATE \"C\"", "text"),
                Term("q.title_kind", "text"),
                Term("q.title_id_trakt", "bigint"),
            ),
        ),
    ),
    conditions=_conditions,
)


def _rows(database: DatabaseSession, query: TitlesQuery, as_of: date) -> tuple[Listing, Page]:
    """Return the list of the page, and its rows; names and metrics are looked up for these rows only."""
    conditions = _conditions(query, as_of)
    source = _parts(conditions, named=query.sort == "title")[0]
    if query.sort in ("half_life", "hold_up"):
        source += f" {_METRICS}"
    select = "q.title_kind, q.title_id_trakt, q.age_band, q.quadrant, q.n, q.breadth, q.breadth_median, q.intensity"
    listing = replace(
        LISTING,
        select=f"{select}, q.intensity_median",
        source=source,
        conditions=lambda given: _conditions(given, as_of),
    )
    found = fetch(database, listing, query)
    more = titles.details(database, [(row.title_kind, row.title_id_trakt) for row in found.rows], as_of)

    def known(name: str) -> Callable[[Any], Any]:
        value = _number(name)
        return lambda row: value(more[row.title_kind, row.title_id_trakt])

    columns = (
        Column(
            "title",
            "title",
            value=lambda row: meanings.name_of(more[row.title_kind, row.title_id_trakt]),
            href=lambda row: query.url(path_of(row.title_kind, row.title_id_trakt)),
            key=True,
            sorts=("title",),
        ),
        Column("title_kind", "kind"),
        Column("age_band", "age, days"),
        Column("quadrant", "quadrant", value=lambda row: meanings.quadrant_words(row.quadrant)),
        _column("n", "comments", "comments"),
        _column("breadth", "breadth", "breadth"),
        _column("breadth_median", "median"),
        _column("intensity", "intensity", "intensity"),
        _column("intensity_median", "median"),
        Column("half_life_days", "half-life, days", "number", value=known("half_life_days"), sorts=("half_life",)),
        Column("hold_up", "hold-up", "number", value=known("hold_up"), sorts=("hold_up",)),
    )
    return replace(listing, columns=columns), found


_Query = Annotated[TitlesQuery, Depends(query_of(TitlesQuery))]


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show the quadrants, and a page of the titles in them."""
    pages = console(request).pages
    with console(request).database.read() as database:
        days = titles.days(database)
        if days is None:
            return pages.render(request, "trakt/titles.html.j2", listing=LISTING, query=query, days=None)
        as_of = query.as_of or days[1]
        conditions = _conditions(query, as_of)
        listing, found = _rows(database, query, as_of)
        cube = titles.groups(database, *_parts([each for each in conditions if each.name not in _CUBE]))
        shown = _narrowed(cube, query)
        facets = _facets(query, cube)
        facets.append(_genres(database, query, conditions))
        drawn = draw(
            database,
            shown,
            titles.points(database, *_parts(conditions)),
            lambda kind, number: query.url(path_of(kind, number)),
            log=query.log is not None,
            quadrant=query.quadrant,
        )
    return pages.render(
        request,
        "trakt/titles.html.j2",
        listing=listing,
        query=query,
        days=days,
        as_of=as_of,
        rows=found.rows,
        after=found.after,
        total=Count(sum(group.total for group in shown), capped=False),
        groups=shown,
        facets=facets,
        drawn=drawn,
        most_dots=MOST_DOTS,
        quadrants=meanings.QUADRANTS,
        windows=meanings.WINDOWS,
        age_words=meanings.age_words,
        reason_words=meanings.reason_words,
    )


def _dated(request: Request, query: TitlesQuery) -> Listing:
    """Return the list for the requested day, or for the newest one."""
    if query.as_of is not None:
        return LISTING
    with console(request).database.read() as database:
        days = titles.days(database)
    return replace(LISTING, conditions=lambda given: _conditions(given, days[1] if days else None))


add_twins(router, PATH, TitlesQuery, _dated)


# The facets over groups: their counts come from one query.
_CUBE: Final = ("kind", "age", "quadrant")


def _parts(conditions: Sequence[Condition], *, named: bool = False) -> tuple[str, str, dict[str, Any]]:
    """Return FROM, WHERE and values; titles are joined only if a condition needs them."""
    named = named or any(each.name == "genre" for each in conditions)
    return (f"{_QUADRANTS} {_TITLES}" if named else _QUADRANTS), *where_of(conditions)


def _narrowed(cube: Sequence[Group], query: TitlesQuery, without: str = "") -> list[Group]:
    """Return the groups that match the filters of the cube, except one; their counts likewise."""
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


def _facets(query: TitlesQuery, cube: Sequence[Group]) -> list[tuple[Facet, list[FacetValue]]]:
    facets: list[tuple[Facet, list[FacetValue]]] = []
    for name in _CUBE:
        counts: dict[str, int] = {}
        for group in _narrowed(cube, query, name):
            members = group.counts if name == "quadrant" else {getattr(group, _OF_GROUP[name]): group.total}
            for value, number in members.items():
                counts[value] = counts.get(value, 0) + number
        order = list(meanings.QUADRANTS) if name == "quadrant" else sorted(counts, key=meanings.age_order)
        values = [(value, counts[value]) for value in order if value in counts]
        facets.append((Facet(name, ""), [_value(query, name, *value) for value in values]))
    return facets


_OF_GROUP: Final = {"kind": "kind", "age": "age_band"}


def _genres(
    database: DatabaseSession, query: TitlesQuery, conditions: Sequence[Condition]
) -> tuple[Facet, list[FacetValue]]:
    others = [each for each in conditions if each.name != "genre"]
    found = titles.genres(database, *_parts(others, named=True))
    return Facet("genre", ""), [_value(query, "genre", *value) for value in found]


def _value(query: TitlesQuery, name: str, value: str, number: int) -> FacetValue:
    chosen = getattr(query, name) == value
    label = meanings.quadrant_words(value) if name == "quadrant" else value
    return FacetValue(label, Count(number, capped=False), query.url(PATH, **{name: None if chosen else value}), chosen)

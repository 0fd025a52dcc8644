"""The list of Trakt's titles: its parameters, conditions, exports, and the rows of a page."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from jobs.console.tables.gamedata.sessions import pattern
from jobs.console.tables.trakt import meanings, titles
from jobs.console.web.listing import Column, Condition, Listing, Order, Term, where_of
from jobs.console.web.paging import fetch
from jobs.console.web.query import ListQuery, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.console.web.paging import Page
    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "PATH", "TitlesQuery", "conditions_of", "page_of", "parts_of", "path_of"]

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


def conditions_of(query: TitlesQuery, as_of: date | None = None) -> list[Condition]:
    """Return the conditions of a query; ``as_of`` is the day, if the query has none."""
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
    conditions=conditions_of,
)


def page_of(database: DatabaseSession, query: TitlesQuery, as_of: date) -> tuple[Listing, Page]:
    """Return the list of the page, and its rows; names and metrics are looked up for these rows only."""
    conditions = conditions_of(query, as_of)
    source = parts_of(conditions, named=query.sort == "title")[0]
    if query.sort in ("half_life", "hold_up"):
        source += f" {_METRICS}"
    select = "q.title_kind, q.title_id_trakt, q.age_band, q.quadrant, q.n, q.breadth, q.breadth_median, q.intensity"
    listing = replace(
        LISTING,
        select=f"{select}, q.intensity_median",
        source=source,
        conditions=lambda given: conditions_of(given, as_of),
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


def parts_of(conditions: Sequence[Condition], *, named: bool = False) -> tuple[str, str, dict[str, Any]]:
    """Return FROM, WHERE and values; titles are joined only if a condition needs them."""
    named = named or any(each.name == "genre" for each in conditions)
    return (f"{_QUADRANTS} {_TITLES}" if named else _QUADRANTS), *where_of(conditions)

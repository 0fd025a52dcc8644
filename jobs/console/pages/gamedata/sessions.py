"""`/sessions`: game sessions as a contact sheet or a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.pages.gamedata.sprites import picture
from jobs.console.tables.gamedata import sessions
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term, where_of
from jobs.console.web.paging import COUNT_CAP, Count, FacetValue, count, fetch
from jobs.console.web.query import ListQuery, Part, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "PATH", "SESSION_PATH", "SessionsQuery", "flags_of", "name_of", "router"]

router = APIRouter(route_class=GuardedRoute)

PATH = "/sessions"
# The key is a query parameter: browsers and proxies normalise `..` and `//` in paths, even percent-encoded.
SESSION_PATH = "/sessions/by-key"
# Without filters, an index alone gives a facet's counts. With filters, rows are read: 10,000 took 70 to 270 ms.
_FILTERED_CAP = 2_000
_CODES_SHOWN = 12


class SessionsQuery(ListQuery):
    """Parameters of the list of sessions."""

    flag: Literal["any", "dark", "menu", "dpi_scale", "empty", "timestamps"] | None = None
    error: Annotated[Text | None, Field(title="error code")] = None
    run: Annotated[Text | None, Field(title="run")] = None
    prefix: Annotated[Text | None, Field(title="key starts with")] = None
    menu_min: Annotated[int | None, Field(title="menus at least (%)", ge=1, le=100)] = None
    q: Annotated[Part | None, Field(title="key contains")] = None
    view: Literal["pictures", "table"] = "pictures"
    sort: Literal["", "key", "menu"] = ""


def _conditions(query: SessionsQuery, found_keys: list[str] | None = None) -> list[Condition]:
    found: list[Condition] = []
    if query.flag is not None:
        columns = {flag.name: f"s.{flag.column}" for flag in sessions.FLAGS}
        found.append(Condition("flag", columns.get(query.flag, sessions.ANY_FLAG)))
    if query.error == "any":
        found.append(Condition("error", "s.error_code IS NOT NULL"))
    elif query.error is not None:
        found.append(Condition("error", "s.error_code = :error", {"error": query.error}))
    if query.run is not None:
        found.append(Condition("run", "s.run_id = :run", {"run": query.run}))
    if query.prefix is not None:
        found.append(Condition("prefix", f"starts_with({sessions.KEY}, :prefix)", {"prefix": query.prefix}))
    if query.menu_min is not None:
        # The index is on video_menu_percent, from which menu_share is copied.
        found.append(
            Condition(
                "menu_min",
                "s.video_menu_percent > 0 AND s.video_menu_percent >= :menu_min",
                {"menu_min": query.menu_min / 100},
            )
        )
    if query.q is not None:
        keys = f"ARRAY({sessions.CONTAINING})" if found_keys is None else "CAST(:found_keys AS text[])"
        values = {"q": sessions.pattern(query.q)} if found_keys is None else {"found_keys": found_keys}
        found.append(Condition("q", f"{sessions.KEY} = ANY ({keys})", values))
    if query.sort == "menu":
        found.append(Condition("sort", "s.video_menu_percent > 0"))
    return found


def flags_of(row: Any) -> list[str]:
    """Return the labels of a session's flags."""
    return [flag.label for flag in sessions.FLAGS if getattr(row, flag.column)]


def name_of(s3_key: str) -> str:
    """Return the last part of a key, quoted if it starts or ends with spaces."""
    name = s3_key.rstrip("/").rpartition("/")[2] or s3_key
    return name if name == name.strip() else f"'{name}'"


def _number(name: str) -> Any:
    return lambda row: sessions.finite(getattr(row, name))


LISTING = Listing(
    path=PATH,
    title="Sessions",
    select=(
        "s.s3_key, s.duration_s, s.dark_frame_share, s.menu_share, s.input_device_class, s.error_code,"
        " s.run_id, s.published_at, s.sprite_key, s.sprite_tile_width, s.sprite_tile_height, s.sprite_columns,"
        f" s.sprite_tiles, s.sprite_error, {', '.join(f's.{flag.column}' for flag in sessions.FLAGS)}"
    ),
    source=f"{sessions.SESSIONS} s",
    columns=(
        Column("s3_key", "session", key=True, sorts=("key",)),
        Column("flags", "flags", "list", value=flags_of),
        Column("error_code", "error"),
        Column("duration_s", "duration", "duration", value=_number("duration_s")),
        Column("menu_share", "menus", "share", value=_number("menu_share"), sorts=("menu",)),
        Column("dark_frame_share", "dark", "share", value=_number("dark_frame_share")),
        Column("input_device_class", "inputs"),
        Column("run_id", "run", "code", href=lambda row: f"/runs/{row.run_id}"),
        Column("published_at", "published", "time"),
    ),
    orders=(
        Order("key", "by key", (Term(sessions.KEY, "text"),)),
        Order(
            "menu",
            "most menus first",
            (Term("s.video_menu_percent", "double precision", True), Term(sessions.KEY, "text")),
        ),
    ),
    conditions=_conditions,
    facets=(Facet("flag", ""), Facet("error", "s.error_code")),
)

_Query = Annotated[SessionsQuery, Depends(query_of(SessionsQuery))]


def _facets(database: DatabaseSession, listing: Listing, query: SessionsQuery) -> list[tuple[Facet, list[FacetValue]]]:
    """Return the facets: without filters counted by index, otherwise over the first matching rows."""
    conditions = listing.conditions(query)
    passes: dict[str, Any] = {}

    def first_rows(others: list[Condition]) -> Any:
        where, values = where_of(others)
        if where not in passes:
            passes[where] = sessions.counts(database, where, values, _FILTERED_CAP)
        return passes[where]

    def values(name: str, found: Sequence[tuple[str, str, int]], cap: int, *, more: bool) -> list[FacetValue]:
        current = getattr(query, name)
        return [
            FacetValue(
                label,
                Count(min(number, cap), more or number > cap),
                query.url(PATH, **{name: None if value == current else value}),
                value == current,
            )
            for value, label, number in found
        ]

    flag_facet, error_facet = listing.facets
    if others := [each for each in conditions if each.name != "flag"]:
        flags, _, more = first_rows(others)
        flag_values = values("flag", flags, _FILTERED_CAP, more=more)
    else:
        flag_values = values("flag", sessions.flag_counts(database, COUNT_CAP), COUNT_CAP, more=False)
    if others := [each for each in conditions if each.name != "error"]:
        _, codes, more = first_rows(others)
        cap = _FILTERED_CAP
    else:
        codes, more, cap = sessions.error_counts(database, COUNT_CAP), False, COUNT_CAP
    named = [(code, code, number) for code, number in codes[:_CODES_SHOWN]]
    return [(flag_facet, flag_values), (error_facet, values("error", named, cap, more=more))]


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of sessions."""
    with console(request).database.read() as database:
        # Search for keys once, not once per count.
        keys = None if query.q is None else sessions.containing(database, query.q)
        listing = replace(LISTING, conditions=lambda asked: _conditions(asked, keys))
        found = fetch(database, listing, query)
        total = count(database, listing, query)
        facets = _facets(database, listing, query)
        empty = not found.rows and not sessions.exists(database)
    first, *rest = LISTING.columns
    named = replace(first, href=lambda row: query.url(SESSION_PATH, key=row.s3_key))
    return console(request).pages.render(
        request,
        "gamedata/sessions.html.j2",
        listing=replace(LISTING, columns=(named, *rest)),
        query=query,
        rows=found.rows,
        after=found.after,
        total=total,
        facets=facets,
        empty=empty,
        flags_of=flags_of,
        name_of=name_of,
        picture=picture,
        href=named.href,
    )


add_twins(router, PATH, SessionsQuery, LISTING)

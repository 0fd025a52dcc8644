"""`/review/history`: all decisions of reviewers, each with its effect, and its undo."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, Form, Request
from pydantic import Field
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.viewership.card import SWAP, said
from jobs.console.pages.viewership.queue import ReviewQuery
from jobs.console.pages.viewership.review import count_refusal, decision_number, undo
from jobs.console.tables.viewership import decisions
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import contents
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins

__all__ = ["LISTING", "HistoryQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

_PATH: Final = "/review/history"


class HistoryQuery(ListQuery):
    """Parameters of the history of decisions."""

    controls: ClassVar[frozenset[str]] = ListQuery.controls | {"done"}

    by: Annotated[Text | None, Field(title="decided by")] = None
    action: Literal["accept", "alias", "reject"] | None = None
    undone: bool | None = None
    platform: Text | None = None
    from_: date | None = None
    to: date | None = None
    sort: Literal["", "newest", "oldest"] = ""
    done: Annotated[int | None, Field(ge=1, lt=2**63)] = None

    def url(self, path: str, **changes: Any) -> str:
        """Return the URL with some parameters changed, without the message of the previous page."""
        changes.setdefault("done", None)
        return super().url(path, **changes)


def _conditions(query: HistoryQuery) -> list[Condition]:
    found: list[Condition] = between("d.decided_at", query.from_, query.to)
    if query.by is not None:
        found.append(Condition("by", "d.decided_by = :by", {"by": query.by}))
    if query.action is not None:
        found.append(Condition("action", "d.action = :action", {"action": query.action}))
    if query.undone is not None:
        found.append(Condition("undone", f"d.undone_at IS {'NOT ' if query.undone else ''}NULL"))
    if query.platform is not None:
        found.append(Condition("platform", "k.review_key[1] = :platform", {"platform": query.platform}))
    return found


def _card(row: Any) -> str | None:
    return ReviewQuery().url("/review", key=bytes(row.review_digest).hex()) if row.review_digest else None


LISTING = Listing(
    path=_PATH,
    title="Decisions",
    select=decisions.COLUMNS,
    source=decisions.SOURCE,
    columns=(
        Column("title", "key", href=_card, key=True),
        Column("decision_id", "number", "code"),
        Column("platform", "platform"),
        Column("action", "decision"),
        Column(
            "episode", "episode", value=lambda row: row.ref_id or (f"id:{row.episode_id}" if row.episode_id else None)
        ),
        Column("rows", "rows", "number"),
        Column("hours", "hours", "number"),
        Column("uploads", "uploads", "number"),
        Column("loaded", "rows into final", "number"),
        Column("removed", "rows out of final", "number"),
        Column("decided_by", "by"),
        Column("decided_at", "at", "time", sorts=("newest", "oldest")),
        Column("note", "reason"),
        Column("rule_version", "rules"),
        Column("undone_by", "undone by"),
        Column("undone_at", "undone at", "time"),
    ),
    orders=(
        Order("newest", "newest first", (Term("d.decision_id", "bigint", True),)),
        Order("oldest", "oldest first", (Term("d.decision_id", "bigint"),)),
    ),
    conditions=_conditions,
    facets=(
        Facet("action", "d.action"),
        Facet("by", "d.decided_by"),
        Facet("platform", "k.review_key[1]"),
        Facet("undone", "d.undone_at IS NOT NULL"),
    ),
)
_Query = Annotated[HistoryQuery, Depends(query_of(HistoryQuery))]


@router.get(_PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of decisions."""
    return _page(request, query)


def _page(request: Request, query: HistoryQuery, *, error: Refused | None = None) -> HTMLResponse:
    state = console(request)
    with state.database.read() as database:
        found = contents(database, LISTING, query)
        done = next(iter(decisions.decided(database, decision=query.done)), None) if query.done else None
    shown = tuple(each for each in LISTING.columns if each.name not in ("rule_version", "undone_by", "undone_at"))
    response = state.pages.render(
        request,
        "viewership/decided.html.j2",
        status=error.status if error else 200,
        **found | {"listing": replace(LISTING, columns=shown)},
        said=said(done),
        error=error,
        may_decide=request.state.principal.role.includes(Role.REVIEWER),
    )
    if error:
        response.headers.update({**error.headers, SWAP: "list"})
    return response


@router.post(_PATH)
@allow(Role.REVIEWER)
def undo_one(request: Request, query: _Query, decision: Annotated[str, Form(max_length=20)]) -> Response:
    """Undo a decision and show the history again."""
    try:
        done = undo(request, decision_number(decision))["done"]
    except Refused as error:
        count_refusal(request, error)
        if error.status == HTTPStatus.NOT_FOUND:
            raise
        return _page(request, query, error=error)
    return RedirectResponse(query.url(_PATH, after=query.after, done=done), 303)


add_twins(router, _PATH, HistoryQuery, LISTING)

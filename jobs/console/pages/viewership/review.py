"""`/review`: the queue of keys waiting for a decision, one card per key, and the decisions."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.viewership.card import render_card
from jobs.console.pages.viewership.queue import LISTING, PATH, ReviewQuery, before_and_after, counted, live_rows
from jobs.console.tables.viewership import decisions
from jobs.console.web.paging import fetch
from jobs.console.web.query import query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.console.web.listing import Column, Listing

__all__ = ["count_refusal", "decision_number", "router", "undo"]

router = APIRouter(route_class=GuardedRoute)

_MOST_NOTE: Final = 1_000
# A bigint has 19 digits.
_NUMBER: Final = re.compile(r"[0-9]{1,18}")

_Query = Annotated[ReviewQuery, Depends(query_of(ReviewQuery))]


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show the card of a key, or the list of all that wait."""
    return _list(request, query) if query.view == "list" else render_card(request, query)


def _export(request: Request, query: ReviewQuery) -> Listing:
    del query
    console(request).snapshots.current("review_keys")
    return LISTING


add_twins(router, PATH, ReviewQuery, _export)


class _Given(BaseModel):
    """Fields of the card's forms."""

    action: Annotated[str, Field(max_length=20)]
    seen: Annotated[str, Field(max_length=64)] = ""
    episode: Annotated[str, Field(max_length=20)] = ""
    note: Annotated[str, Field(max_length=4 * _MOST_NOTE)] = ""
    reason: Annotated[str, Field(max_length=200)] = ""
    decision: Annotated[str, Field(max_length=20)] = ""

    @property
    def why(self) -> str:
        """Return the chosen reason, or the text, on one line."""
        return " ".join((self.reason or self.note).split())


@router.post(PATH)
@allow(Role.REVIEWER)
def decide(request: Request, query: _Query, given: Annotated[_Given, Form()]) -> Response:
    """Decide on the card's key, or undo a decision; redirect to the next card, or to the key of the undone one."""
    try:
        if given.action == "undo":
            target = undo(request, decision_number(given.decision))
        else:
            target = _decide(request, query, given)
    except Refused as error:
        count_refusal(request, error)
        if error.status == HTTPStatus.NOT_FOUND or query.key is None:
            raise
        chosen = int(given.episode) if _NUMBER.fullmatch(given.episode) else query.chosen
        shown = query.model_copy(update={"done": None, "chosen": chosen})
        return render_card(request, shown, error=error, note=given.note)
    return RedirectResponse(query.url(PATH, **target), 303)


def count_refusal(request: Request, error: Refused) -> None:
    """Count a decision that was refused."""
    busy = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    console(request).metrics.decision("busy" if busy else error.code)


def _decide(request: Request, query: ReviewQuery, given: _Given) -> dict[str, Any]:
    """Return the parameters of the next card."""
    state = console(request)
    action = next((each for each in get_args(decisions.Action) if each == given.action), None)
    digest = query.digest
    note = given.why
    if action is None or digest is None or not given.seen:
        message = "this decision is not valid; expected accept, alias or reject of one key as it was seen"
        raise Refused(422, message, code="bad_form")
    if action == "reject" and not note:
        raise Refused(422, "a rejection needs a reason; choose one or write your own", code="bad_decision")
    if len(note) > _MOST_NOTE:
        raise Refused(422, f"the reason has {len(note):,} characters; expected at most 1,000", code="bad_decision")
    none = "no episode is chosen; choose a candidate with the keys 1 to 9"
    episode = None if action == "reject" else _number(given.episode, none)
    with decisions.deciding(state.database) as database:
        _, following = before_and_after(database, query, digest)
        wanted = decisions.Wanted(action, digest, episode, note or None, given.seen)
        done = decisions.decide(database, request.state.principal, wanted)
    state.metrics.decision(action)
    return {"key": following and following.hex(), "done": done.decision}


def undo(request: Request, decision: int) -> dict[str, Any]:
    """Undo a decision and return the parameters of its key's card.

    Args:
        request: the request; its user undoes.
        decision: the decision's number.

    Raises:
        Refused: it does not exist or is undone; another transaction held a lock for too long.
    """
    state = console(request)
    with decisions.deciding(state.database) as database:
        decisions.undo(database, request.state.principal, decision)
        (row,) = decisions.decided(database, decision=decision)
    state.metrics.decision("undo")
    return {"key": bytes(row.review_digest).hex() if row.review_digest else None, "done": decision}


def decision_number(text: str) -> int:
    """Return the number of a decision from a form.

    Raises:
        Refused: it is not one.
    """
    return _number(text, "the number of a decision is not valid; open the history again")


def _number(text: str, message: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Refused(422, message, code="bad_form")
    return int(text)


def _list(request: Request, query: ReviewQuery) -> HTMLResponse:
    state = console(request)
    taken = state.snapshots.current("review_keys")
    with state.database.read() as database:
        found = fetch(database, LISTING, query)
        rows = live_rows(database, found.rows)
        total, facets = counted(database, query)

    def card(row: Any) -> str:
        return query.url(PATH, view=None, limit=None, key=bytes(row.review_digest).hex())

    hidden = {"key"} | ({"score", "margin"} if query.scores else set())
    columns = [each for each in LISTING.columns if each.name not in hidden]
    return state.pages.render(
        request,
        "viewership/review_list.html.j2",
        listing=_with_columns(columns, card),
        query=query,
        rows=rows,
        after=found.after,
        total=total,
        facets=facets,
        taken=taken,
    )


def _with_columns(columns: Sequence[Column], href: Callable[[Any], str]) -> Listing:
    return replace(LISTING, columns=tuple(replace(each, href=href) if each.key else each for each in columns))

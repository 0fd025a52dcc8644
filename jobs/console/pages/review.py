"""`/review`: the queue of keys that wait for a decision, one card a key, and the decisions themselves."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, NamedTuple, get_args

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables import decisions, viewers, waiting
from jobs.console.web.listing import (
    Column,
    Condition,
    Count,
    Facet,
    FacetValue,
    Listing,
    Order,
    Term,
    fetch,
    where_of,
)
from jobs.console.web.marks import Piece, alike, marked
from jobs.console.web.neighbours import around
from jobs.console.web.query import ListQuery, Part, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import as_csv, as_json
from shared.report.format import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.console.tables.waiting import Candidate
    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "REASONS", "ReviewQuery", "count_refusal", "decision_number", "router", "said", "undo"]

router = APIRouter(route_class=GuardedRoute)

_PATH: Final = "/review"
_LATEST: Final = 20
_MOST_NOTE: Final = 1_000
_KEYS: Final = 9
# Keys of the copy to look at for one that still waits: more were not decided since it was made.
_AHEAD: Final = 20
_FACET_VALUES: Final = 12
# A bigint has 19 digits.
_NUMBER: Final = re.compile(r"[0-9]{1,18}")

REASONS: Final = (
    "not in the catalogue",
    "not an episode: trailer, clip or test",
    "several episodes in one row",
    "too little to tell",
    "wrong platform or file",
)
"""Reasons to reject, by the keys 1 to 5."""
_PAST: Final = {"accept": "accepted", "alias": "accepted with an alias", "reject": "rejected"}


class ReviewQuery(ListQuery):
    """Parameters of the queue.

    Attributes:
        view: one card or the list.
        key: the card's key; without one, the first of the queue.
        find: words to search the catalogue for, on the card.
        scores: ``hide`` hides scores, margins and the order by them.
        done: number of the decision that was just made or undone, for its message.
        chosen: episode that was chosen on the card.
    """

    controls: ClassVar[frozenset[str]] = ListQuery.controls | {"key", "find", "scores", "done", "chosen"}

    platform: Text | None = None
    reason: Annotated[Text | None, Field(title="reason code")] = None
    status: Literal["review", "unmatched"] | None = None
    candidates: Literal["0", "1", "2", "3+"] | None = None
    min_hours: Annotated[float | None, Field(ge=0, le=1e12, title="hours at least", allow_inf_nan=False)] = None
    upload: Annotated[int | None, Field(ge=1, lt=2**63)] = None
    q: Annotated[Part | None, Field(title="title, series or id")] = None
    sort: Literal["", "hours", "oldest", "score"] = ""
    view: Literal["", "list"] = ""
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    find: Text | None = None
    scores: Literal["", "hide"] = ""
    done: Annotated[int | None, Field(ge=1, lt=2**63)] = None
    chosen: Annotated[int | None, Field(ge=1, lt=2**63)] = None

    def url(self, path: str, **changes: Any) -> str:
        """Return the URL with some parameters changed; what belongs to one card only stays if it is among them."""
        for name in ("key", "find", "done", "chosen"):
            changes.setdefault(name, None)
        return super().url(path, **changes)

    @property
    def digest(self) -> bytes | None:
        """Return the digest of the card's key."""
        return bytes.fromhex(self.key) if self.key else None


# The number of candidates as the facet names it.
_CANDIDATES: Final = "CASE WHEN q.candidates >= 3 THEN '3+' ELSE q.candidates::text END"


def _conditions(query: ReviewQuery) -> list[Condition]:
    found: list[Condition] = []
    for name, sql in (
        ("platform", "q.platform = :platform"),
        ("reason", "q.reason = :reason"),
        ("status", "q.status = :status"),
        ("candidates", f"{_CANDIDATES} = :candidates"),
        ("min_hours", "q.hours >= CAST(:min_hours AS float8)::numeric"),
    ):
        value = getattr(query, name)
        if value is not None:
            found.append(Condition(name, sql, {name: value}))
    if query.upload is not None:
        sql = (
            "q.review_digest IN (SELECT k.review_digest FROM viewership.keys k WHERE k.key_id IN"
            " (SELECT r.key_id FROM viewership.platform_viewership r WHERE r.upload_id = :upload))"
        )
        found.append(Condition("upload", sql, {"upload": query.upload}))
    if query.q is not None:
        words = query.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        sql = "concat_ws(' ', q.series, q.title, q.content_id) ILIKE :q"
        found.append(Condition("q", sql, {"q": f"%{words}%"}))
    return found


def _card_url(row: Any) -> str:
    return ReviewQuery().url(_PATH, key=bytes(row.review_digest).hex())


LISTING = Listing(
    path=_PATH,
    title="Keys",
    select=(
        "q.review_digest, q.platform, q.status, q.title, q.series, q.season, q.episode, q.content_id, q.rows, q.held,"
        " q.uploads, q.hours, q.revenue, q.candidates, q.score, q.margin, q.reason, q.waiting_since"
    ),
    source="console.review_keys q",
    columns=(
        Column(
            "title",
            "series and title",
            value=lambda row: ": ".join(filter(None, (row.series, row.title or row.content_id))) or "(no title)",
            href=_card_url,
            key=True,
        ),
        Column("key", "key", value=lambda row: bytes(row.review_digest).hex(), kind="code"),
        Column("platform", "platform"),
        Column("season", "season"),
        Column("episode", "episode"),
        Column("content_id", "id"),
        Column("hours", "hours", "number", sorts=("hours",)),
        Column("revenue", "revenue", "number"),
        Column("rows", "rows", "number"),
        Column("uploads", "uploads", "number"),
        Column("candidates", "candidates", "number"),
        Column("score", "score", "number", sorts=("score",)),
        Column("margin", "margin", "number"),
        Column("reason", "reason", "code"),
        Column("waiting_since", "since", "time", sorts=("oldest",)),
    ),
    orders=(
        Order("hours", "most hours first", (Term("q.hours", "numeric", True), Term("q.review_digest", "bytea", True))),
        Order(
            "oldest", "longest wait first", (Term("q.waiting_since", "timestamptz"), Term("q.review_digest", "bytea"))
        ),
        Order(
            "score",
            "best score first",
            (Term("COALESCE(q.score, 0)", "numeric", True), Term("q.review_digest", "bytea", True)),
        ),
    ),
    conditions=_conditions,
    facets=(
        Facet("platform", "q.platform"),
        Facet("reason", "q.reason"),
        Facet("candidates", _CANDIDATES),
        Facet("status", "q.status"),
    ),
)


class _Row(NamedTuple):
    """A field of a candidate beside the key's, each as pieces of which some are marked."""

    name: str
    mine: list[Any]
    its: list[Any]
    result: str


class _Choice(NamedTuple):
    """A candidate on the card.

    Attributes:
        key: the key that chooses it, 1 to 9; empty beyond.
        candidate: the episode.
        chips: reasons for and against it, each with its class.
        rows: its fields beside the key's.
        scope: what accepting it would do.
    """

    key: str
    candidate: Candidate
    chips: list[tuple[str, str]]
    rows: list[_Row]
    scope: decisions.Scope


_Query = Annotated[ReviewQuery, Depends(query_of(ReviewQuery))]


@router.get(_PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show the card of a key, or the list of all that wait."""
    return _list(request, query) if query.view == "list" else _card(request, query)


@router.get(f"{_PATH}.json")
@allow(Role.VIEWER)
def page_json(request: Request, query: _Query) -> Response:
    """Return a page of waiting keys as JSON."""
    console(request).snapshots.current("review_keys")
    return as_json(console(request).database, LISTING, query)


@router.get(f"{_PATH}.csv")
@allow(Role.VIEWER)
def page_csv(request: Request, query: _Query) -> Response:
    """Return waiting keys as CSV."""
    console(request).snapshots.current("review_keys")
    return as_csv(console(request).database, LISTING, query)


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


@router.post(_PATH)
@allow(Role.REVIEWER)
def decide(request: Request, query: _Query, given: Annotated[_Given, Form()]) -> Response:
    """Decide on the card's key, or undo a decision; go on to the next card, or to the key of what was undone."""
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
        return _card(request, shown, error=error, note=given.note)
    return RedirectResponse(query.url(_PATH, **target), 303)


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
        _, following = _around(database, query, digest)
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
        rows = _live(database, found.rows)
        total, facets = _counted(database, query)

    def card(row: Any) -> str:
        return query.url(_PATH, view=None, limit=None, key=bytes(row.review_digest).hex())

    hidden = {"key"} | ({"score", "margin"} if query.scores else set())
    columns = [each for each in LISTING.columns if each.name not in hidden]
    return state.pages.render(
        request,
        "review_list.html.j2",
        listing=_with_columns(columns, card),
        query=query,
        rows=rows,
        after=found.after,
        total=total,
        facets=facets,
        taken=taken,
    )


def _counted(
    database: DatabaseSession, query: ReviewQuery
) -> tuple[waiting.Queue, list[tuple[Facet, list[FacetValue]]]]:
    """Return the sums of the list and its facets, from one pass over the copy instead of one a facet."""
    names = {each.name for each in LISTING.facets}
    where, values = where_of([each for each in _conditions(query) if each.name not in names])
    groups = waiting.groups(database, [each.expression for each in LISTING.facets], where, values)
    chosen = [getattr(query, each.name) for each in LISTING.facets]

    def fits(group: Any, place: int | None) -> bool:
        return all(wanted is None or place == at or group.values[at] == wanted for at, wanted in enumerate(chosen))

    found = []
    for place, each in enumerate(LISTING.facets):
        sums: Counter[str] = Counter()
        for group in groups:
            value = group.values[place]
            if value is not None and fits(group, place):
                sums[value] += group.keys
        shown = [
            FacetValue(
                value,
                Count(number, capped=False),
                query.url(_PATH, **{each.name: None if value == chosen[place] else value}),
                value == chosen[place],
            )
            for value, number in sorted(sums.items(), key=lambda one: (-one[1], one[0]))[:_FACET_VALUES]
        ]
        found.append((each, shown))
    fitting = [group for group in groups if fits(group, None)]
    return waiting.Queue(sum(group.keys for group in fitting), sum(group.hours for group in fitting)), found


def _with_columns(columns: Sequence[Column], href: Any) -> Listing:
    return replace(LISTING, columns=tuple(replace(each, href=href) if each.key else each for each in columns))


def _live(database: DatabaseSession, rows: Sequence[Any]) -> list[Any]:
    """Return rows of the copy without keys that were decided since it was made."""
    gone = waiting.decided_among(database, [bytes(row.review_digest) for row in rows]) if rows else set()
    return [row for row in rows if bytes(row.review_digest) not in gone]


def _around(database: DatabaseSession, query: ReviewQuery, digest: bytes) -> tuple[bytes | None, bytes | None]:
    """Return the keys before and after a key in the queue's order; after the last one, its first."""
    plain = query.model_copy(update={"after": None})
    identity = Condition("key", "q.review_digest = :here", {"here": digest})
    before, after = around(database, LISTING, plain, identity, _AHEAD) or ([], [])
    live = {bytes(row.review_digest) for row in _live(database, [*before, *after])}
    before, after = ([row for row in rows if bytes(row.review_digest) in live] for rows in (before, after))
    if not after:
        after = _live(database, fetch(database, LISTING, plain, limit=_AHEAD).rows)
    first = next((each for row in after if (each := bytes(row.review_digest)) != digest), None)
    return (bytes(before[0].review_digest) if before else None), first


def _card(request: Request, query: ReviewQuery, *, error: Refused | None = None, note: str = "") -> HTMLResponse:
    state = console(request)
    principal = request.state.principal
    taken = state.snapshots.current("review_keys")
    digest = query.digest
    with state.database.read() as database:
        where, values = where_of(_conditions(query))
        total = waiting.queue(database, where, values)
        if digest is None:
            first = _live(database, fetch(database, LISTING, query, limit=_AHEAD).rows)
            digest = bytes(first[0].review_digest) if first else None
        shown = _shown(database, query, digest) if digest is not None else {"card": None}
        latest = decisions.latest_of(database, principal.name, _LATEST)
        done = next(iter(decisions.decided(database, decision=query.done)), None) if query.done else None
    others = []
    if digest is not None and principal.role.includes(Role.REVIEWER):
        others = viewers.look(state.database, principal, digest)
    response = state.pages.render(
        request,
        "review.html.j2",
        status=error.status if error else 200,
        listing=LISTING,
        query=query,
        total=total,
        taken=taken,
        latest=latest,
        said=said(done),
        error=error,
        note=note,
        others=others,
        may_decide=principal.role.includes(Role.REVIEWER),
        reasons=REASONS,
        **shown,
    )
    if error:
        response.headers.update({**error.headers, "X-Swap": "list"})
    return response


def _shown(database: DatabaseSession, query: ReviewQuery, digest: bytes) -> dict[str, Any]:
    """Return what the card shows of a key."""
    card = waiting.key(database, digest)
    if card is None:
        raise Refused(404, f"there is no key {digest.hex()}; open the queue again", code="key_missing")
    found = waiting.find_episodes(database, digest, query.find) if query.find else ()
    proposed = {each.episode_id for each in card.candidates}
    further = [each for each in found if each.episode_id not in proposed]
    candidates = list(card.candidates)
    if query.scores:
        # The best one would still be the first.
        candidates.sort(key=lambda each: (each.title, each.episode_id))
    # What was searched for comes first, and has the first keys.
    ordered = [*further, *candidates]
    episodes = [each.episode_id for each in ordered]
    seen, reject, scopes = decisions.preview(database, card.keys, episodes)
    choices = [
        _choice(place, each, scopes.get(each.episode_id, scopes[None]), hide=bool(query.scores))
        for place, each in enumerate(ordered, 1)
    ]
    before, after = _around(database, query, digest)

    def other(key: bytes | None) -> str | None:
        return None if key is None else query.url(_PATH, key=key.hex())

    return {
        "card": card,
        "own": query.url(_PATH, key=digest.hex()),
        "seen": seen,
        "reject": reject,
        "any_scope": scopes[None],
        "further": choices[: len(further)],
        "choices": choices[len(further) :],
        "decided": decisions.decided(database, keys=card.keys),
        "before": other(before),
        "after": other(after),
    }


def _choice(place: int, candidate: Candidate, scope: decisions.Scope, *, hide: bool) -> _Choice:
    rows = []
    chips = []
    for each in candidate.fields:
        mine, its = each.mine or "", each.its or ""
        pieces = marked(mine, its) if each.result == "different" else ([Piece(mine, False)], [Piece(its, False)])
        rows.append(_Row(each.name, pieces[0] if mine else [], pieces[1] if its else [], each.result))
        if each.result == "equal":
            chips.append((f"{each.name} equal", "good"))
        elif each.result == "different":
            share = f"{each.name} {100 * alike(mine, its):.0f} % alike"
            chips.append((share if each.name in ("title", "series") and not hide else f"{each.name} differs", "bad"))
    if not hide:
        chips += [(word, "") for word in candidate.found_by]
    return _Choice(str(place) if place <= _KEYS else "", candidate, chips, rows, scope)


def said(done: Any) -> str:
    """Return what the page says about the decision that was just made or undone."""
    if done is None:
        return ""
    if done.undone_at is not None:
        return f"{_PAST[done.action]} is undone: {done.rows:,} {_rows(done.rows)} as before"
    return f"{_PAST[done.action]}, {done.rows:,} {_rows(done.rows)}, {number(float(done.hours))} hours; u undoes"


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"

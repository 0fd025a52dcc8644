"""The card of a review key: its rows next to its candidates, and the scope of each decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.viewership.queue import LISTING, PATH, ReviewQuery, before_and_after, first_live, total
from jobs.console.tables.viewership import decisions, viewers
from jobs.console.tables.viewership.candidates import find_episodes
from jobs.console.tables.viewership.key import key
from jobs.console.web.marks import Piece, alike, marked
from jobs.console.web.state import console
from shared.report.format import number

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.responses import HTMLResponse

    from jobs.console.tables.viewership.candidates import Candidate
    from shared.database.session import DatabaseSession

__all__ = ["REASONS", "SWAP", "render_card", "said"]

SWAP: Final = "X-Swap"
"""Header of a refusal that comes with the page's list, which then replaces the one before."""
_LATEST: Final = 20
_KEYS: Final = 9

REASONS: Final = (
    "not in the catalogue",
    "not an episode: trailer, clip or test",
    "several episodes in one row",
    "not enough information",
    "wrong platform or file",
)
"""Reasons to reject, by the keys 1 to 5."""
_PAST: Final = {"accept": "accepted", "alias": "accepted with an alias", "reject": "rejected"}


class _Row(NamedTuple):
    """A field of a candidate and that of the key, each as pieces of which some are marked."""

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
        rows: its fields next to the key's.
        scope: what accepting it would do.
    """

    key: str
    candidate: Candidate
    chips: list[tuple[str, str]]
    rows: list[_Row]
    scope: decisions.Scope


def render_card(request: Request, query: ReviewQuery, *, error: Refused | None = None, note: str = "") -> HTMLResponse:
    """Show the card of a key.

    Args:
        request: the request.
        query: filters, and the key; without one, the first in the queue.
        error: why the last decision was refused.
        note: text that was written for it, to keep.
    """
    state = console(request)
    principal = request.state.principal
    taken = state.snapshots.current("review_keys")
    digest = query.digest
    with state.database.read() as database:
        sums = total(database, query)
        if digest is None:
            digest = first_live(database, query)
        shown = _shown(database, query, digest) if digest is not None else {"card": None}
        latest = decisions.latest_of(database, principal.name, _LATEST)
        done = next(iter(decisions.decided(database, decision=query.done)), None) if query.done else None
    others = []
    if digest is not None and principal.role.includes(Role.REVIEWER):
        others = viewers.look(state.database, principal, digest)
    response = state.pages.render(
        request,
        "viewership/review.html.j2",
        status=error.status if error else 200,
        listing=LISTING,
        query=query,
        total=sums,
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
        response.headers.update({**error.headers, SWAP: "list"})
    return response


def _shown(database: DatabaseSession, query: ReviewQuery, digest: bytes) -> dict[str, Any]:
    """Return what the card shows of a key."""
    card = key(database, digest)
    if card is None:
        raise Refused(404, f"there is no key {digest.hex()}; open the queue again", code="key_missing")
    found = find_episodes(database, digest, query.find) if query.find else ()
    proposed = {each.episode_id for each in card.candidates}
    further = [each for each in found if each.episode_id not in proposed]
    candidates = list(card.candidates)
    if query.scores:
        # By score, the best one would still be first.
        candidates.sort(key=lambda each: (each.title, each.episode_id))
    # Search results come first, with the first shortcuts.
    ordered = [*further, *candidates]
    episodes = [each.episode_id for each in ordered]
    seen, reject, scopes = decisions.preview(database, card.keys, episodes)
    choices = [
        _choice(place, each, scopes.get(each.episode_id, scopes[None]), hide=bool(query.scores))
        for place, each in enumerate(ordered, 1)
    ]
    before, after = before_and_after(database, query, digest)

    def other(key: bytes | None) -> str | None:
        return None if key is None else query.url(PATH, key=key.hex())

    return {
        "card": card,
        "own": query.url(PATH, key=digest.hex()),
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
        return f"{_PAST[done.action]} undone: {done.rows:,} {_rows(done.rows)} as before"
    return f"{_PAST[done.action]}, {done.rows:,} {_rows(done.rows)}, {number(float(done.hours))} hours; u undoes"


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"

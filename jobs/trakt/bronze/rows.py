"""Rows of a page object: its items, checked against the contract, and the sighting of every item."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.bronze.erased_items import EMPTY, author_marks, names_in_text, without_users
from jobs.trakt.bronze.pages import WHOLE_ANSWER, ErasedItem
from jobs.trakt.bronze.report import DeadLetter
from jobs.trakt.contract.check import check
from jobs.trakt.contract.checked import BadItem
from jobs.trakt.contract.parse import parse
from jobs.trakt.contract.pointer import ITEM
from jobs.trakt.contract.resources import SUBJECTS
from jobs.trakt.model import TitleRef

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from jobs.trakt.bronze.erased_items import Erased
    from jobs.trakt.bronze.pages import Page
    from jobs.trakt.contract.checked import Checked, Item

__all__ = ["DEDUPLICATED", "Observation", "PageRows", "Subject", "encoded", "observed_item", "read_page"]

DEDUPLICATED: Final = frozenset({"comment", "tmdb"})
"""Kinds whose payload is not stored again if it equals the last stored one. Ratings are a series of measurements, and a
summary changes with every vote, so both are always stored."""

_FOUND: Final = 200
_MISSING: Final = 404
_CHECKED_AS: Final = {"comments": "comment", "replies": "comment", "feed": "comment"}


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a comment: a title, or a season or episode of it.

    Attributes:
        title: None if it is unknown, or the subject is a list.
        slug: the title's slug, if the answer has it.
        season: number of the season.
        episode: number of the episode.
        elsewhere: what it is about instead of a title: ``season-70``, ``episode-73640`` or ``list-5``, by an id that
            names no title.
    """

    title: TitleRef | None = None
    slug: str | None = None
    season: int | None = None
    episode: int | None = None
    elsewhere: str = ""

    def __str__(self) -> str:
        """Return it as in sightings: ``movie-12``, or ``show-5/1/3`` for an episode; empty if unknown."""
        if self.title is None:
            return self.elsewhere
        parts = (part for part in (self.season, self.episode) if part is not None)
        return "/".join((str(self.title), *map(str, parts)))


@dataclass(frozen=True, slots=True)
class Observation:
    """An accepted item of a page, or an answer without items.

    Attributes:
        kind: resource kind of its row.
        index: position in a list; None for a single answer.
        id: the comment's id, or the title's.
        payload: JSON with sorted keys; None for a 404.
        sha256: hex digits of the payload's hash; None for a 404.
        subject: the subject.
        written_at: when a comment on a title, or on a part of it, was written, as the API writes it; None for a reply
            and for anything else.
    """

    kind: str
    index: int | None
    id: int | None
    payload: str | None
    sha256: str | None
    subject: Subject
    written_at: str | None = None


@dataclass(slots=True)
class PageRows:
    """The contents of a page.

    Attributes:
        page: the page.
        observations: accepted items, in the order of the answer.
        sightings: payload of the ``page`` row; None if the answer could not be read.
        erased: number of erased users' items: those already removed from the page object and those found now.
        found_now: whether the page object still contains an erased user.
        dead_letters: rejected items.
        unknown: JSON pointer of an unknown field -> items that have it.
        notes: (code, path) of an oddity -> occurrences.
    """

    page: Page
    observations: list[Observation] = field(default_factory=list)
    sightings: str | None = None
    erased: int = 0
    found_now: bool = False
    dead_letters: list[DeadLetter] = field(default_factory=list)
    unknown: Counter[str] | None = None
    notes: Counter[tuple[str, str]] | None = None


def read_page(page: Page, erased: Erased = EMPTY) -> PageRows:
    """Return the rows of a page.

    Args:
        page: a page object.
        erased: users whose items get no row; the items' ids stay in the sightings, so a page stays complete.
    """
    rows = PageRows(page)
    if page.status == _MISSING:
        _missing(rows)
    elif page.status != _FOUND:
        _refuse(rows, BadItem(None, "NOT_JSON", ITEM, f"the answer has status {page.status}; expected 200 or 404", ""))
    elif page.request.resource == "tmdb":
        _foreign(rows)
    else:
        _answer(rows, erased)
    return rows


def _missing(rows: PageRows) -> None:
    """Read a 404: it is an observation of one comment or title, but says nothing about the items of a list."""
    request = rows.page.request
    if request.resource in ("comment", "title"):
        of_title = request.resource == "title"
        number = request.title.trakt_id if of_title and request.title else request.comment_id
        rows.observations.append(
            Observation(f"{request.resource}_gone", None, number, None, None, Subject(request.title))
        )
    rows.sightings = _sightings([], items=0)


def _foreign(rows: PageRows) -> None:
    """Read TMDb metadata. It names no users: erased ones are not looked for, and its id is not that of a comment."""
    title = rows.page.request.title
    checked = check("tmdb", rows.page.body, now=rows.page.fetched_at)
    rows.unknown, rows.notes = checked.unknown, checked.notes
    if checked.failure is not None:
        _refuse(rows, checked.failure)
        return
    for item in checked.items:
        payload = item.payload
        rows.observations.append(
            Observation("tmdb", None, _id_of(title), payload.decode(), _sha256(payload), Subject(title))
        )
    for bad in checked.bad:
        _refuse(rows, bad)
    rows.sightings = _sightings(rows.observations, items=1)


def _id_of(title: TitleRef | None) -> int | None:
    return None if title is None else title.trakt_id


def _answer(rows: PageRows, erased: Erased) -> None:
    page = rows.page
    request = page.request
    resource = _CHECKED_AS.get(request.resource, request.resource)
    checked = check(resource, page.body, single=not request.is_list, now=page.fetched_at)
    rows.unknown, rows.notes = checked.unknown, checked.notes
    known = {item.index: item for item in page.erased}
    rows.erased = len(known)
    if WHOLE_ANSWER in page.erased:
        return
    if request.resource == "comment" and known:
        rows.sightings = _sightings([item for item in known.values() if item.sha], items=1)
        return
    if checked.failure is not None:
        if erased and erased.holds(names_in_text(page.body.decode(errors="replace"))):
            rows.erased += 1
            rows.found_now = True
        else:
            _refuse(rows, checked.failure)
        return
    seen: list[Observation | ErasedItem] = []
    # Nobody but the author is in the known fields of a comment; in a feed's item, the owner of a list may be.
    others = bool(erased) and bool(checked.unknown or request.resource == "feed")
    for item in checked.items:
        found = observed_item(page, item)
        if erased and erased.holds(author_marks(item.value)):
            seen.append(ErasedItem(item.index, found.id, (found.sha256 or "")[:16]))
            rows.erased += 1
            rows.found_now = True
        else:
            if others and without_users(item.value, erased):
                found = observed_item(page, replace(item, payload=encoded(item.value)))
                rows.found_now = True
            seen.append(found)
            rows.observations.append(found)
    _refuse_bad(rows, checked, erased)
    if known:
        seen = sorted((*seen, *(item for item in known.values() if item.sha)), key=lambda one: one.index or 0)
    # A single comment that is no longer about a title says so only here.
    subjects = request.resource == "feed" or any(one.subject.elsewhere for one in rows.observations)
    rows.sightings = _sightings(seen, items=len(checked.items) + len(checked.bad), subjects=subjects)


def _refuse_bad(rows: PageRows, checked: Checked, erased: Erased) -> None:
    """Make dead letters of rejected items, except those of erased users."""
    known = {item.index for item in rows.page.erased}
    values: list[Any] | None = None
    for bad in checked.bad:
        if bad.index in known:
            continue
        if erased:
            if values is None:
                values = _values(rows.page.body)
            if _is_erased(bad, values, erased):
                rows.erased += 1
                rows.found_now = True
                continue
            if erased.holds(names_in_text(bad.raw)):
                bad = replace(bad, raw="")  # noqa: PLW2901 - the same item, without the user in it
                rows.found_now = True
        _refuse(rows, bad)


def _values(body: bytes) -> list[Any]:
    value = parse(body).value
    return value if isinstance(value, list) else [value]


def _is_erased(bad: BadItem, values: list[Any], erased: Erased) -> bool:
    return bad.index is not None and erased.holds(author_marks(values[bad.index]))


def _refuse(rows: PageRows, bad: BadItem) -> None:
    page = rows.page
    rows.dead_letters.append(
        DeadLetter(page.request.load_id, page.key, bad.index, bad.path, bad.code, bad.message, bad.raw, page.fetched_at)
    )


def observed_item(page: Page, item: Item) -> Observation:
    """Return an accepted item as it is stored; for a feed's item, only its comment, as in a list of comments."""
    request, value = page.request, item.value
    written_at = None
    if request.resource in ("rating", "title"):
        title = request.title
        slug = value.get("ids", {}).get("slug") if request.resource == "title" else None
        payload = item.payload
        subject, number = Subject(title, slug), _id_of(title)
    else:
        payload, subject = item.payload, _asked_for(page)
        if isinstance(value.get("comment"), dict):
            subject = _wrapped_subject(value)
            value = value["comment"]
            payload = encoded(value)
        number = value["id"]
        written_at = None if value.get("parent_id") else value["created_at"]
    kind = request.resource if request.resource in ("rating", "title") else "comment"
    return Observation(
        kind, item.index if request.is_list else None, number, payload.decode(), _sha256(payload), subject, written_at
    )


def _asked_for(page: Page) -> Subject:
    """Return the subject of a page of comments: the requested title, or that in a single comment's headers."""
    request = page.request
    if request.title is None and request.resource == "comment":
        number = page.header_number("x-item-id")
        kind = page.headers.get("x-item-type", "")
        if number is not None and kind in ("movie", "show"):
            return Subject(TitleRef("movie" if kind == "movie" else "show", number))
        # This id names no title, but it shows that the comment has left the title at which it was read.
        if number is not None and kind in ("season", "episode", "list"):
            return Subject(elsewhere=f"{kind}-{number}")
    return Subject(request.title, None, request.season, request.episode)


def _wrapped_subject(item: dict[str, Any]) -> Subject:
    kind = item.get("type")
    names = SUBJECTS.get(kind, ()) if isinstance(kind, str) else ()
    if not names or names[0] not in ("movie", "show") or not isinstance(item.get(names[0]), dict):
        return Subject()
    ids = item[names[0]]["ids"]
    title = TitleRef("movie" if names[0] == "movie" else "show", ids["trakt"])
    season = _small((item.get("season") or {}).get("number")) if kind == "season" else None
    episode = None
    if kind == "episode":
        part = item.get("episode") or {}
        season = _small(part.get("season"))
        # Without its season it would be read as one: show-5/3.
        episode = None if season is None else _small(part.get("number"))
    return Subject(title, ids.get("slug"), season, episode)


def _small(number: int | None) -> int | None:
    """Return the number of a season or an episode if it fits a 32-bit column."""
    return number if number is not None and 0 <= number < 2**31 else None


def _sightings(seen: Sequence[Observation | ErasedItem], *, items: int, subjects: bool = False) -> str:
    found: dict[str, Any] = {
        "ids": [one.id for one in seen],
        "sha": [((one.sha if isinstance(one, ErasedItem) else one.sha256) or "")[:16] for one in seen],
        "items": items,
    }
    if subjects:
        found["titles"] = ["" if isinstance(one, ErasedItem) else str(one.subject) for one in seen]
    return json.dumps(found, separators=(",", ":"))


def encoded(value: Any) -> bytes:
    """Return a value as it is stored: UTF-8 JSON with sorted keys."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()

"""The queue of review keys: its filters, list and counts, and the keys before and after one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from jobs.console.tables.viewership import waiting
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term, where_of
from jobs.console.web.neighbours import around
from jobs.console.web.paging import Count, FacetValue, fetch
from jobs.console.web.query import ListQuery, Part, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "PATH", "ReviewQuery", "before_and_after", "counted", "first_live", "live_rows", "total"]

PATH: Final = "/review"
# Keys of the copy to look at for one that still waits: more were not decided since it was made.
_AHEAD: Final = 20
_FACET_VALUES: Final = 12


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
        ("min_hours", "q.hours >= CAST(:min_hours AS float8)::numeric"),
    ):
        value = getattr(query, name)
        if value is not None:
            found.append(Condition(name, sql, {name: value}))
    if query.candidates is not None:
        # Not the facet's expression: the planner knows how many keys have three candidates, but not what it returns.
        sign = ">=" if query.candidates.endswith("+") else "="
        least = int(query.candidates.rstrip("+"))
        found.append(Condition("candidates", f"q.candidates {sign} :candidates", {"candidates": least}))
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
    return ReviewQuery().url(PATH, key=bytes(row.review_digest).hex())


LISTING = Listing(
    path=PATH,
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


def total(database: DatabaseSession, query: ReviewQuery) -> waiting.Queue:
    """Return the number and hours of keys that match the filters."""
    return waiting.queue(database, *where_of(_conditions(query)))


def counted(
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
                query.url(PATH, **{each.name: None if value == chosen[place] else value}),
                value == chosen[place],
            )
            for value, number in sorted(sums.items(), key=lambda one: (-one[1], one[0]))[:_FACET_VALUES]
        ]
        found.append((each, shown))
    fitting = [group for group in groups if fits(group, None)]
    return waiting.Queue(sum(group.keys for group in fitting), sum(group.hours for group in fitting)), found


def live_rows(database: DatabaseSession, rows: Sequence[Any]) -> list[Any]:
    """Return rows of the copy without keys that were decided since it was made."""
    gone = waiting.decided_among(database, [bytes(row.review_digest) for row in rows]) if rows else set()
    return [row for row in rows if bytes(row.review_digest) not in gone]


def first_live(database: DatabaseSession, query: ReviewQuery) -> bytes | None:
    """Return the first key of the queue that still waits."""
    rows = live_rows(database, fetch(database, LISTING, query, limit=_AHEAD).rows)
    return bytes(rows[0].review_digest) if rows else None


def before_and_after(database: DatabaseSession, query: ReviewQuery, digest: bytes) -> tuple[bytes | None, bytes | None]:
    """Return the keys before and after a key in the queue's order; after the last one, its first."""
    plain = query.model_copy(update={"after": None})
    identity = Condition("key", "q.review_digest = :here", {"here": digest})
    before, after = around(database, LISTING, plain, identity, _AHEAD) or ([], [])
    live = {bytes(row.review_digest) for row in live_rows(database, [*before, *after])}
    before, after = ([row for row in rows if bytes(row.review_digest) in live] for rows in (before, after))
    if not after:
        after = live_rows(database, fetch(database, LISTING, plain, limit=_AHEAD).rows)
    first = next((each for row in after if (each := bytes(row.review_digest)) != digest), None)
    return (bytes(before[0].review_digest) if before else None), first

"""The feed of updates: read back to the watermark, it names every title with a new or edited comment.

Trakt gets some 370 comments a day in total, so a day is two or three pages of 250, however long the watch list is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.api.resources import feed as feed_path
from jobs.trakt.contract.check import check
from jobs.trakt.contract.moments import moment
from jobs.trakt.contract.parse import parse
from jobs.trakt.ingest.ledger_rows import Target
from jobs.trakt.ingest.listing import entries
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from jobs.trakt.api.answer import Answer
    from jobs.trakt.ingest.listing import Listing
    from jobs.trakt.ingest.reading import Reader
    from jobs.trakt.model import TitleRef
    from shared.settings.database import DatabaseSettings

__all__ = ["FEED", "FeedRead", "has_watermark", "read_feed"]

FEED: Final = "updates"
# An edit may reach the feed a little after its own time. The feed is therefore read back to this long before the
# watermark; items that the last read saw name no title.
_OVERLAP: Final = timedelta(minutes=10)
# Reading a feed of more pages than this costs more than sweeping a small watch list.
_FEWEST: Final = 40


@dataclass(slots=True)
class FeedRead:
    """The result of a read of the feed.

    Attributes:
        named: tracked title -> its new and edited comments.
        unreadable: titles of items that lack their comment, which only the listing of the title has.
        everything_due: the feed has lost changes since the watermark, so only sweeps of all titles can find them.
        reason: why the feed was not read back to the watermark; None if it was.
        pages: pages that were read.
        is_ahead: the watermark is later than the API's clock, so the read says nothing about earlier changes.
    """

    named: dict[TitleRef, set[int]] = field(default_factory=dict)
    unreadable: set[TitleRef] = field(default_factory=set)
    everything_due: bool = False
    reason: str | None = None
    pages: int = 0
    is_ahead: bool = False


@dataclass(frozen=True, slots=True)
class _Last:
    watermark: datetime | None
    had_gap: bool
    ids: frozenset[int]


async def read_feed(
    reader: Reader, settings: DatabaseSettings, tracked: Collection[TitleRef], day: date, *, most: int, replies: bool
) -> FeedRead:
    """Read the feed back to the watermark, and store what it says.

    An item of the feed holds the comment as the listing of its title does: it is stored as an observation, so the
    listing need not be read. The feed never shows likes, counts of replies and deletions; the sweep of each title finds
    them. A listing is read again only if an item has lost its comment. All listings are read again after a gap that a
    second read did not close.

    Args:
        reader: asks for pages.
        settings: where the database is.
        tracked: titles of the watch list.
        day: the day that the pages count for.
        most: pages that a sweep of all titles costs.
        replies: whether the feed also includes replies.

    Raises:
        Busy: another process reads the feed.
    """
    last = await asyncio.to_thread(_last, settings)
    found = FeedRead()
    newest: list[str] = []
    threshold = None if last.watermark is None else last.watermark - _OVERLAP

    def seen(listing: Listing, answer: Answer) -> None:
        found.pages += 1
        newest.extend(each.updated for each in listing.entries if each.updated)
        for each in listing.entries:
            # The first read only sets the watermark: no title was swept before it, or all are due.
            is_new = last.watermark is not None and (_after(each.updated, last.watermark) or each.id not in last.ids)
            if is_new and each.about in ("movie", "show") and each.ref in tracked and each.ref is not None:
                found.named.setdefault(each.ref, set()).add(each.id)
        found.unreadable |= _unreadable(answer).intersection(tracked)

    target = Target("feed", None, sort=FEED, since=threshold, first_page=threshold is None, most=max(_FEWEST, most))
    query = {"include_replies": "true"} if replies else None
    swept = await reader.listing(feed_path(FEED), target, query=query, seen=seen)
    found.reason = swept.reason
    watermark = _latest(newest)
    if swept.first is not None:
        # A comment whose time is in the future would end every later read at its first page.
        watermark = min(watermark or swept.first.observed_at, swept.first.observed_at)
        if threshold is not None and threshold > swept.first.observed_at:
            found.reason, found.is_ahead = found.reason or "WATERMARK_AHEAD", True
    if found.reason is not None:
        # After one gap, the next read is likely to succeed. After two, or if the feed is too long, sweeps are cheaper.
        found.everything_due = last.had_gap or found.is_ahead or found.reason in ("TOO_LONG", "FEED_BARE")
    moves = found.reason is None or found.everything_due
    await asyncio.to_thread(_store, settings, found, swept.sweep_id, day, watermark if moves else last.watermark)
    return found


def has_watermark(settings: DatabaseSettings) -> bool:
    """Return whether the feed was read before."""
    return _last(settings).watermark is not None


def _after(text: str, watermark: datetime) -> bool:
    parsed = moment(text)
    return parsed is None or parsed > watermark


def _latest(times: list[str]) -> datetime | None:
    return max((parsed for text in times if (parsed := moment(text)) is not None), default=None)


def _unreadable(answer: Answer) -> set[TitleRef]:
    """Return the titles of items without their comment (trakt/trakt-api#369).

    A comment that breaks the contract also does so in its listing, so reading the listing would not help.
    """
    bad = {each.index for each in check("comment", answer.body).bad if each.code == "COMMENT_MISSING"}
    if not bad:
        return set()
    items: list[Any] = parse(answer.body).value
    found: set[TitleRef] = set()
    for at in bad:
        item = items[at] if at is not None and at < len(items) else None
        if isinstance(item, dict):
            subject = {**item, "comment": {"id": 1, "created_at": ""}}
            found.update(each.ref for each in entries([subject]) if each.ref is not None)
    return found


def _last(settings: DatabaseSettings) -> _Last:
    with transaction(settings) as session:
        rows = session.rows(
            """
            SELECT watermark, gap, ARRAY(SELECT unnest(ids) FROM trakt.pages p WHERE p.sweep_id = f.sweep_id) AS ids
            FROM trakt.feeds f WHERE feed = :feed
            """,
            feed=FEED,
        )
    if not rows:
        return _Last(None, had_gap=False, ids=frozenset())
    return _Last(rows[0].watermark, rows[0].gap, frozenset(rows[0].ids))


def _store(settings: DatabaseSettings, found: FeedRead, sweep_id: int, day: date, watermark: datetime | None) -> None:
    with transaction(settings) as session:
        for ref, ids in sorted(found.named.items()):
            session.run(
                """
                INSERT INTO trakt.named_titles (sweep_id, kind, trakt_id, day, comment_ids, action)
                VALUES (:sweep_id, :kind, :trakt_id, :day, :ids, :action)
                ON CONFLICT (sweep_id, kind, trakt_id) DO NOTHING
                """,
                sweep_id=sweep_id,
                kind=ref.kind,
                trakt_id=ref.trakt_id,
                day=day,
                ids=sorted(ids),
                action="sweep" if ref in found.unreadable else "stored",
            )
        # A second ingest may have read further in the meantime: a watermark only moves forward, unless it is in the
        # future.
        session.run(
            """
            INSERT INTO trakt.feeds AS f (feed, watermark, read_at, gap, reason, sweep_id)
            VALUES (:feed, :watermark, clock_timestamp(), :gap, :reason, :sweep_id)
            ON CONFLICT (feed) DO UPDATE SET
                watermark = CASE WHEN :ahead THEN excluded.watermark ELSE greatest(f.watermark, excluded.watermark) END,
                read_at = excluded.read_at, gap = excluded.gap, reason = excluded.reason, sweep_id = excluded.sweep_id
            """,
            feed=FEED,
            watermark=watermark,
            ahead=found.is_ahead,
            gap=found.reason is not None,
            reason=found.reason,
            sweep_id=sweep_id,
        )
        if found.everything_due:
            session.run("UPDATE trakt.titles SET next_sweep_at = clock_timestamp() WHERE state <> 'gone'")
        elif found.unreadable:
            session.run(
                "UPDATE trakt.titles SET next_sweep_at = clock_timestamp() WHERE kind || '-' || trakt_id = ANY (:refs)",
                refs=[str(ref) for ref in found.unreadable],
            )

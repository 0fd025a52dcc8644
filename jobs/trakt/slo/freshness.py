"""Decide when a title became fresh on a day, or why it did not: the objective's definition, without a database."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.slo.days import Day

__all__ = ["Feed", "Freshness", "History", "Naming", "Sweep", "freshness"]


class Feed(NamedTuple):
    """A read of the feed: when it started and ended (None: it did not), and whether it reached the watermark."""

    started_at: datetime
    ended_at: datetime | None
    complete: bool


class Naming(NamedTuple):
    """A title named by a read of the feed; ``stored``: the feed itself delivered its new comments."""

    feed: Feed
    stored: bool


class Sweep(NamedTuple):
    """A complete sweep of a title's comments; ``full``: from the first comment to the last."""

    started_at: datetime
    ended_at: datetime
    full: bool


@dataclass(slots=True)
class History:
    """The reads of one title, each list in order of time.

    Attributes:
        namings: by the start of the feed's read.
        sweeps: by their end.
        ratings: start and end of each read of its ratings, by the end.
        was_swept: True if it has a complete sweep before the first one listed.
    """

    namings: list[Naming] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    ratings: list[tuple[datetime, datetime]] = field(default_factory=list)
    was_swept: bool = False


class Freshness(NamedTuple):
    """A title-day.

    Attributes:
        reason: code of :data:`~shared.slo.meanings.REASONS`; None if it was fresh in time.
        fresh_at: when it became fresh; None if it did not on that day.
        feed_at: end of the read of the feed that counts, or else of the last one.
        read_at: when the title was read after the feed had named it; None if it was not named or not read.
        sweep_at: end of the sweep that counts, or else of the last one.
        was_named: True if the feed had named it.
    """

    reason: str | None
    fresh_at: datetime | None
    feed_at: datetime | None
    read_at: datetime | None
    sweep_at: datetime | None
    was_named: bool


def freshness(day: Day, feeds: Sequence[Feed], history: History, now: datetime) -> Freshness:
    """Return when a title became fresh on a day, and why not in time.

    A title is fresh as soon as the feed was read on that day without a gap, the title and its ratings were read after
    the feed last named it, and its last complete sweep is at most 7 days old at the deadline.

    Args:
        day: the day.
        feeds: reads of the feed on that day, by their start.
        history: reads of the title in the 8 days before the end of the day.
        now: the time of the measurement; later events are ignored.
    """
    limit = min(day.end, now)
    deadline = min(day.deadline, now)
    swept = _sweep(day, history, limit)
    last_sweep = swept or next((each.ended_at for each in reversed(history.sweeps) if _is_full(each, limit)), None)
    reads = [_after(feed, history, swept, limit) for feed in feeds if feed.complete and _ended(feed, limit)]
    if not reads:
        code = "FEED_GAP" if any(feed.started_at <= deadline for feed in feeds) else "FEED_MISSING"
        ends = [feed.ended_at for feed in feeds if feed.ended_at is not None and feed.ended_at <= limit]
        return Freshness(code, None, max(ends, default=None), None, last_sweep, was_named=False)
    found = min(reads, key=lambda read: (read.fresh_at is None, read.fresh_at or read.feed_at))
    reason = None
    if found.fresh_at is None or found.fresh_at > deadline:
        reason = _reason(found, deadline, swept, was_swept=last_sweep is not None or history.was_swept)
    read_at = None
    if found.was_named and found.comments_at is not None and found.rating_at is not None:
        read_at = max(found.comments_at, found.rating_at)
    return Freshness(reason, found.fresh_at, found.feed_at, read_at, last_sweep, found.was_named)


class _Read(NamedTuple):
    """A read of the feed without a gap, and when the title's own reads followed it (None: they did not)."""

    feed_at: datetime
    comments_at: datetime | None
    rating_at: datetime | None
    fresh_at: datetime | None
    was_named: bool


def _ended(feed: Feed, limit: datetime) -> bool:
    return feed.ended_at is not None and feed.ended_at <= limit


def _after(feed: Feed, history: History, swept: datetime | None, limit: datetime) -> _Read:
    """Return when the title was read after a read of the feed that has ended."""
    ended = feed.ended_at
    assert ended is not None
    naming = _naming(history, feed)
    comments_at, rating_at = (ended, ended) if naming is None else _read(history, naming, limit)
    fresh_at = None
    if comments_at is not None and rating_at is not None and swept is not None:
        fresh_at = max(ended, comments_at, rating_at, swept)
    return _Read(ended, comments_at, rating_at, fresh_at, naming is not None)


def _reason(found: _Read, deadline: datetime, swept: datetime | None, *, was_swept: bool) -> str:
    """Return the first reason in the order of the work: feed, comments, ratings, sweep."""
    if found.feed_at > deadline:
        return "FEED_LATE"
    if found.comments_at is None:
        return "NOT_READ"
    if found.rating_at is None:
        return "RATING_MISSING"
    if max(found.comments_at, found.rating_at) > deadline:
        return "READ_LATE"
    if swept is not None:
        return "SWEEP_LATE"
    return "SWEEP_OLD" if was_swept else "NEVER_SWEPT"


def _naming(history: History, feed: Feed) -> Naming | None:
    """Return the last naming up to and including a read of the feed."""
    known = [naming for naming in history.namings if naming.feed.started_at <= feed.started_at]
    return known[-1] if known else None


def _read(history: History, naming: Naming, limit: datetime) -> tuple[datetime | None, datetime | None]:
    """Return when the comments and the ratings of a named title were read; None if they were not."""
    since = naming.feed.started_at
    comments = [each.ended_at for each in history.sweeps if each.started_at >= since and each.ended_at <= limit]
    if naming.stored and naming.feed.complete and naming.feed.ended_at is not None:
        comments.append(naming.feed.ended_at)
    ratings = [ended for started, ended in history.ratings if started >= since and ended <= limit]
    return min(comments, default=None), min(ratings, default=None)


def _sweep(day: Day, history: History, limit: datetime) -> datetime | None:
    """Return the end of the first full sweep that is recent enough at the deadline."""
    first = bisect_left(history.sweeps, day.oldest_sweep, key=lambda each: each.ended_at)
    return next((each.ended_at for each in history.sweeps[first:] if _is_full(each, limit)), None)


def _is_full(sweep: Sweep, limit: datetime) -> bool:
    return sweep.full and sweep.ended_at <= limit


def minutes_late(day: Day, fresh_at: datetime | None) -> float | None:
    """Return the minutes from the deadline until a title became fresh; None if it was in time or never did."""
    if fresh_at is None or fresh_at <= day.deadline:
        return None
    return (fresh_at - day.deadline) / timedelta(minutes=1)

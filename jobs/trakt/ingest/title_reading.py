"""Read one title: its summary, its comments, its ratings, and comments that a complete sweep no longer shows."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.api.resources import comment, ratings, replies, summary, title_comments
from jobs.trakt.contract.parse import Unreadable, parse
from jobs.trakt.ingest import titles
from jobs.trakt.ingest.ledger_rows import Single, Target
from jobs.trakt.ingest.titles import TitleFacts
from jobs.trakt.model import TitleRef
from shared.database.session import transaction

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.trakt.api.answer import Answer
    from jobs.trakt.ingest.plan import Work
    from jobs.trakt.ingest.reading import Ended, Reader
    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["TitleRead", "TitleReader"]

_FULL: Final = {"extended": "full"}
# More than any id has, and fewer than 2^63.
_DIGITS: Final = 18
# The next daily run asks again for a title that answered 404.
_ASKED_AGAIN: Final = timedelta(hours=20)


@dataclass(slots=True)
class TitleRead:
    """The result of reading one title.

    Attributes:
        ref: the title.
        code: why something is missing; None if nothing is.
        message: the same in words.
        counts: pages, rows, duplicates, absent and deleted comments.
        replied: comments whose replies are read.
    """

    ref: TitleRef
    code: str | None = None
    message: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    replied: dict[int, None] = field(default_factory=dict)

    def fails(self, code: str, message: str) -> None:
        """Note why something is missing; the first reason stays."""
        if self.code is None:
            self.code, self.message = code, message


class TitleReader:
    """Reads titles.

    Args:
        reader: asks for pages.
        settings: where the database is.
        sweep_days: days between sweeps of a title.
        since: older comments are not asked for; None for all.
    """

    def __init__(
        self, reader: Reader, settings: DatabaseSettings, *, sweep_days: int, since: datetime | None = None
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._sweep_days = sweep_days
        self._since = since

    async def read(self, work: Work, planned: dict[tuple[str, TitleRef], int]) -> TitleRead:
        """Read everything that the plan asks for about a title.

        Args:
            work: what is asked for.
            planned: resource and title -> number of the row of the ledger.

        Raises:
            Busy: another process sweeps the title.
        """
        found = TitleRead(work.ref, replied=dict.fromkeys(work.replies))
        # The listing comes first, so a title that another process reads is noticed before any request.
        is_there = await self._sweep(found) if work.sweep else True
        if work.summary or not is_there:
            page_id = planned.get(("title", work.ref)) or (await self._reader.plan([Single("title", work.ref)]))[0]
            exists = await self._summary(found, page_id, is_there=is_there)
            if exists and not is_there and not await self._sweep(found):
                # The edge sometimes answers 404 (trakt/trakt-api#611), so the listing was read a second time.
                found.fails("NOT_FOUND", f"{work.ref}: its comments answer 404, but the title does not")
            is_there = exists
        if work.rating and is_there:
            await self._rating(found, planned["rating", work.ref])
        elif work.rating:
            await self._reader.skip(planned["rating", work.ref], "NOT_FOUND")
        for number in found.replied:
            await self._replies(found, number)
        return found

    async def _summary(self, found: TitleRead, page_id: int, *, is_there: bool) -> bool:
        """Read the title itself, and return whether it exists.

        Args:
            found: takes the result.
            page_id: number of the row of the ledger.
            is_there: whether its listing was found.
        """
        ref = found.ref
        read = await self._reader.single(summary(ref), Single("title", ref), page_id, _FULL)
        if read.is_missing and read.answer is not None:
            await self._missing(found, read.answer)
            return False
        if read.code is not None or read.answer is None:
            found.fails(read.code or "NOT_JSON", f"{ref}: the title could not be read ({read.code})")
            return is_there
        facts = _facts(ref, read.answer)
        if facts is not None and facts.ref == ref:
            await asyncio.to_thread(self._store, facts)
        return True

    async def _missing(self, found: TitleRead, answer: Answer) -> None:
        """Record a 404 of the title itself: all rows are kept; the title is gone after three such days."""
        ref = found.ref

        def note() -> str:
            with transaction(self._settings) as session:
                on = answer.observed_at.date()
                state = titles.missing(session, ref, on, answer.observed_at + _ASKED_AGAIN)
                if state == "gone":
                    titles.swept(session, ref, self._sweep_days)
                return state

        state = await asyncio.to_thread(note)
        found.counts["gone" if state == "gone" else "missing"] += 1
        if state != "gone":
            message = f"{ref} answers 404; its rows are kept, and it counts as gone after {titles.GONE_DAYS} such days"
            found.fails("NOT_FOUND", message)

    def _store(self, facts: TitleFacts) -> None:
        with transaction(self._settings) as session:
            titles.store(session, facts)

    async def _sweep(self, found: TitleRead) -> bool:
        """Read all comments; return whether the listing was found."""
        ref = found.ref
        sort = "oldest" if self._since is None else "newest"
        target = Target("comments", ref, sort=sort, since=self._since)
        absent: list[tuple[Single, int]] = []
        sweep_ids: list[int] = []

        def completed(session: DatabaseSession, ended: Ended) -> None:
            # In the transaction that ends the sweep: a second ingest never finds the title due in between, and no
            # absent comment is forgotten, as the next sweep asks for those that were planned but not requested.
            known = titles.known_ids(session, ref, ended.sweep_id)
            singles = [Single("comment", ref, number) for number in ended.sweep.absent(known)]
            numbers = self._reader.ledger.plan_in(session, singles, ended.load_id)
            absent.extend(zip(singles, numbers, strict=True))
            sweep_ids.append(ended.sweep_id)
            titles.swept(session, ref, self._sweep_days)

        swept = await self._reader.listing(
            title_comments(ref, sort),
            target,
            seen=lambda *_: None,
            completed=completed,
        )
        sweep = swept.sweep
        if swept.is_missing:
            return False
        found.counts.update(
            {"swept": 1, "comments": len(sweep.ids), "duplicates": sweep.duplicates, "complete": sweep.complete}
        )
        if swept.reason not in (None, "PARTIAL_WINDOW"):
            read = f"{len(sweep.ids):,} comments of {sweep.expected:,} pages were read"
            found.fails(str(swept.reason), f"{ref} was not read completely ({swept.reason}); {read}")
        for sweep_id in sweep_ids:
            await self._absent(found, absent, sweep_id)
        if self._reader.settings.replies:
            found.replied.update(dict.fromkeys(swept.replied))
        return True

    async def _absent(self, found: TitleRead, planned: list[tuple[Single, int]], sweep_id: int) -> None:
        """Ask for the comments that a complete sweep did not show: a 404 means deleted, a 200 moved."""
        found.counts["absent"] += len(planned)
        for single, page_id in planned:
            read = await self._reader.single(comment(single.comment_id or 0), single, page_id)
            if read.is_missing:
                found.counts["deleted"] += 1
            elif read.code is not None:
                found.fails(read.code, f"{found.ref}: comment {single.comment_id} could not be read ({read.code})")
                continue
            there = None if read.answer is None or read.is_missing else _about(read.answer)
            # Also of this title: it came back, or was not seen, and is not among the comments of this sweep.
            if there is not None and single.comment_id is not None:
                await asyncio.to_thread(self._moved, sweep_id, there, single.comment_id)

    def _moved(self, sweep_id: int, there: TitleRef, comment_id: int) -> None:
        with transaction(self._settings) as session:
            titles.moved(session, sweep_id, there, comment_id, self._reader.ledger.day)

    async def _rating(self, found: TitleRead, page_id: int) -> None:
        read = await self._reader.single(ratings(found.ref), Single("rating", found.ref), page_id)
        if read.code is not None:
            found.fails(read.code, f"{found.ref}: its ratings could not be read ({read.code})")
        else:
            found.counts["ratings"] += 1

    async def _replies(self, found: TitleRead, number: int) -> None:
        target = Target("replies", found.ref, comment_id=number)
        swept = await self._reader.listing(replies(number), target, seen=lambda *_: None)
        found.counts["replies"] += len(swept.sweep.ids)
        # A comment that was deleted in the meantime takes its replies with it.
        if swept.reason is not None and not swept.is_missing:
            found.fails(swept.reason, f"{found.ref}: replies to comment {number} were not read ({swept.reason})")


def _facts(ref: TitleRef, answer: Answer) -> TitleFacts | None:
    try:
        document: Any = parse(answer.body).value
    except Unreadable:
        return None
    return TitleFacts.of(ref.kind, document)


def _about(answer: Answer) -> TitleRef | None:
    """Return the movie or show that the headers of a comment name; None for a season, an episode or a list."""
    kind, number = answer.headers.get("x-item-type"), answer.headers.get("x-item-id", "")
    if kind not in {"movie", "show"} or not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        return None
    return TitleRef("movie" if kind == "movie" else "show", int(number))

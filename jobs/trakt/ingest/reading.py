"""Read one page: ask for it, store it as an object, and note its outcome; and read all pages of a listing."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from jobs.trakt.bronze.pages import Page
from jobs.trakt.contract.parse import Unreadable
from jobs.trakt.errors import PageFailed
from jobs.trakt.ingest.ledger_rows import Outcome, Single
from jobs.trakt.ingest.listing import read_list
from jobs.trakt.ingest.page_read import OK, Read, Request, answer_of, judged, outcome_of_answer
from jobs.trakt.ingest.sweep import LIMIT, Sweep, Want
from jobs.trakt.ingest.sweep_rows import SweepRows
from shared.errors import IntegrityError, ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.trakt.api.answer import Answer
    from jobs.trakt.api.client import TraktClient
    from jobs.trakt.ingest.ledger import Ledger
    from jobs.trakt.ingest.ledger_rows import OpenSweep, Target
    from jobs.trakt.ingest.listing import Listing
    from jobs.trakt.ingest.loads import Loads
    from jobs.trakt.settings.ingest import ReadSettings
    from shared.database.session import DatabaseSession

__all__ = ["Ended", "Reader", "Swept"]

_LOG: Final = logging.getLogger(__name__)

# Codes of pages that may hold one item which the API cannot serve (trakt/trakt-api#364): a smaller page may succeed.
# Codes of an overloaded API are absent, as slices would only add to its load.
_SLICED: Final = frozenset({"SERVER_ERROR", "NOT_JSON", "NOT_A_LIST", "BODY_INCOMPLETE"})
# The whole page failed with all retries: one retry per slice is enough to tell a bad item from bad luck.
_SLICE_RETRIES: Final = 1
_RESTARTS: Final = 2
# An answer of a feed may lack the subjects of its comments, which the next one has again (trakt/trakt-api#369).
_BARE_READS: Final = 2
# A stopped run has 30 s in Kubernetes; an object takes less than one.
_STORING_S: Final = 5.0
_RESTARTED: Final = frozenset({"BORDER_CHANGED", "LIMIT_CHANGED"})


@dataclass(frozen=True, slots=True)
class Ended:
    """A sweep, in the transaction that records its end.

    Attributes:
        sweep: what was seen.
        sweep_id: its number.
        load_id: the open load, for rows that are planned in the same transaction.
        replied: comments with replies.
    """

    sweep: Sweep
    sweep_id: int
    load_id: str
    replied: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Swept:
    """A listing that was read.

    Attributes:
        sweep: what was seen.
        sweep_id: its number.
        reason: why it is not complete; None if it is.
        is_missing: the API answered 404 to the first page.
        replied: comments with replies.
        first: the first answer.
    """

    sweep: Sweep
    sweep_id: int
    reason: str | None
    is_missing: bool = False
    replied: tuple[int, ...] = ()
    first: Answer | None = None


class Reader:
    """Requests pages, stores their objects and records their outcomes in the ledger.

    Args:
        client: asks the API.
        ledger: the page ledger.
        loads: takes page objects and outcomes.
        settings: settings of the command.
        run_id: the run.
    """

    def __init__(self, client: TraktClient, ledger: Ledger, loads: Loads, settings: ReadSettings, run_id: str) -> None:
        self.client = client
        self.ledger = ledger
        self.loads = loads
        self.settings = settings
        self._run_id = run_id

    async def plan(self, singles: list[Single]) -> list[int]:
        """Plan documents, and return the numbers of their rows."""
        return await asyncio.to_thread(self.ledger.plan_singles, singles, await self.loads.current())

    async def single(
        self, path: str, single: Single, page_id: int, query: Mapping[str, str | int] | None = None
    ) -> Read:
        """Ask for a document that is not a list. A 404 is an observation, and stored too."""
        request = Request(single.resource, single.ref, comment_id=single.comment_id)
        return await self._read(path, dict(query or {}), request, page_id)

    async def skip(self, page_id: int, reason: str) -> None:
        """Note that a planned document is not asked for."""
        await self.loads.add(Outcome(page_id, "skipped", await self.loads.current(), reason=reason))

    async def store(self, path: str, single: Single, answer: Answer) -> None:
        """Store a document that was asked for before it could be planned, because its id was not known."""
        (page_id,) = await self.plan([single])
        request = Request(single.resource, single.ref, comment_id=single.comment_id)
        await self._keep(path, request, page_id, answer, None)

    async def listing(
        self,
        path: str,
        target: Target,
        *,
        seen: Callable[[Listing, Answer], None],
        query: Mapping[str, str] | None = None,
        completed: Callable[[DatabaseSession, Ended], None] | None = None,
    ) -> Swept:
        """Read all pages of a listing, resuming what an ended process left.

        Args:
            path: of the API.
            target: the listing.
            seen: receives each page that came, in the order of reading.
            query: parameters besides page and limit.
            completed: called in the transaction that notes a complete sweep.

        Raises:
            Busy: another process reads it.
        """
        for attempt in range(_RESTARTS + 1):
            swept = await self._once(path, target, dict(query or {}), seen, completed)
            if swept.sweep.stopped not in _RESTARTED or attempt == _RESTARTS:
                break
        return swept

    async def _once(
        self,
        path: str,
        target: Target,
        query: dict[str, str],
        seen: Callable[[Listing, Answer], None],
        completed: Callable[[DatabaseSession, Ended], None] | None,
    ) -> Swept:
        opened = await asyncio.to_thread(self.ledger.open_sweep, target, LIMIT, await self.loads.current())
        first: Answer | None = None
        replied: dict[int, None] = {}
        if self.settings.replies and target.resource == "comments" and opened.known:
            # The ledger has the ids of a page, but does not say which of the comments have replies.
            opened, found = await asyncio.to_thread(self._replied_before, opened)
            replied.update(dict.fromkeys(found))
        sweep = _sweep(target, opened)
        rows = SweepRows(self.ledger, self.loads, opened.sweep_id, target)
        is_missing = is_bare = False
        while (want := sweep.next()) is not None:
            page_id = await rows.of(want, sweep)
            request = Request(
                target.resource,
                target.ref,
                target.comment_id,
                sort=target.sort,
                page=want.page,
                limit=want.limit,
            )
            read = await self._read(
                path,
                {**query, "page": want.page, "limit": want.limit},
                request,
                page_id,
                retries=_SLICE_RETRIES if want.purpose == "slice" else None,
                land=_landing(sweep, want, target),
            )
            if read.listing is not None and read.answer is not None:
                first = first or read.answer
                if not rows.is_reread(want):
                    replied.update((each.id, None) for each in read.listing.entries if each.replies)
                is_bare |= any(each.about is None for each in read.listing.entries)
                seen(read.listing, read.answer)
            elif read.is_missing:
                is_missing = True
                sweep.stopped = "NOT_FOUND"
            rows.read(want)
        await self.loads.flush()
        # A feed is complete when it was read back to the watermark; a listing, when all of it was read.
        reason = sweep.reason if target.resource != "feed" else sweep.uncovered or ("FEED_BARE" if is_bare else None)
        is_covered = target.resource == "feed" and reason is None
        ended = Ended(sweep, opened.sweep_id, await self.loads.current(), tuple(replied))

        def note(session: DatabaseSession) -> None:
            if reason is None and completed is not None:
                completed(session, ended)
            if self.settings.replies and target.resource == "comments" and target.ref is not None and replied:
                self.ledger.plan_replies(session, target.ref, ended.replied, ended.load_id)

        await asyncio.to_thread(
            lambda: self.ledger.end_sweep(
                opened.sweep_id,
                expected=sweep.expected,
                limit=sweep.limit,
                complete=reason is None,
                verified=is_covered or sweep.stated,
                borders=is_covered or sweep.borders,
                reason=reason,
                notes=sweep.notes,
                sliced=sorted(sweep.sliced),
                ended=note,
            )
        )
        return Swept(sweep, opened.sweep_id, reason, is_missing, tuple(replied), first)

    def _replied_before(self, opened: OpenSweep) -> tuple[OpenSweep, list[int]]:
        """Return a resumed sweep, and the comments with replies according to the objects of its known pages.

        If one of the objects is missing or damaged, all pages are read again.
        """
        found = []
        try:
            for key in opened.keys:
                listing = read_list(answer_of(self.loads.page(key)))
                found += [each.id for each in listing.entries if each.replies]
        except (IntegrityError, ObjectMissing, Unreadable) as error:
            _LOG.warning("a page of an interrupted sweep cannot be read, so it starts again: %s", error)
            return replace(opened, known=(), keys=(), started=None), []
        return opened, found

    async def _read(
        self,
        path: str,
        query: dict[str, Any],
        request: Request,
        page_id: int,
        *,
        retries: int | None = None,
        land: Callable[[Read], int] | None = None,
    ) -> Read:
        """Request, store and record a page. ``land`` informs the planner, and returns the number of repeats."""
        try:
            answer = await self.client.get(path, query or None, retries=retries)
        except PageFailed as error:
            read = Read(code=error.code)
            if land is not None:
                land(read)
            outcome = Outcome(page_id, "failed", await self.loads.current(), reason=error.code)
            outcome.attempts = int(error.data.get("attempts") or 1)
            outcome.throttled = int(error.data.get("throttled") or 0)
            outcome.http_status = error.data.get("status") or None
            await self.loads.add(outcome)
            return read
        if request.resource == "feed":
            answer = await self._with_subjects(path, query, answer)
        target = f"{path}?{urlencode(query)}" if query else path
        return await self._keep(target, request, page_id, answer, land)

    async def _with_subjects(self, path: str, query: dict[str, Any], answer: Answer) -> Answer:
        """Return an answer whose comments name their titles, if asking again helps."""
        for _ in range(_BARE_READS):
            try:
                listing = read_list(answer)
                if not any(each.about is None for each in listing.entries):
                    break
                again = await self.client.get(path, query)
            except (Unreadable, PageFailed):
                break
            if again.status == OK:
                both = {name: getattr(again, name) + getattr(answer, name) for name in ("attempts", "throttled")}
                answer = replace(again, **both)
        return answer

    async def _keep(
        self, target: str, request: Request, page_id: int, answer: Answer, land: Callable[[Read], int] | None
    ) -> Read:
        read = judged(request, answer)
        repeated = land(read) if land is not None else 0
        storing = asyncio.create_task(self._put(target, request, page_id, answer, read, repeated))
        try:
            await asyncio.shield(storing)
        except asyncio.CancelledError:
            # An answer that has arrived is stored even if the run is being stopped: nothing requests it again.
            await asyncio.wait([storing], timeout=_STORING_S)
            raise
        return read

    async def _put(  # noqa: PLR0917 - as _keep, with what was read
        self, target: str, request: Request, page_id: int, answer: Answer, read: Read, repeated: int
    ) -> None:
        load = await self.loads.enter()
        outcome = None
        try:
            outcome = outcome_of_answer(page_id, load, read, answer, repeated)
            if read.code is None or read.is_gone:
                page = Page(
                    request.of(load),
                    target,
                    answer.status,
                    answer.headers,
                    answer.body,
                    answer.requested_at,
                    datetime.now(UTC),
                    answer.observed_at,
                    self._run_id,
                    attempt=answer.attempts,
                    source_system=self.settings.source_system,
                    is_synthetic=self.settings.is_replayer,
                )
                outcome.page_key = await self.loads.put(page)
        except BaseException:
            outcome = None
            raise
        finally:
            await self.loads.leave(load, outcome)


def _sweep(target: Target, opened: OpenSweep) -> Sweep:
    return Sweep(
        sort=target.sort,
        hint=opened.hint,
        since=target.since,
        first_page=target.first_page,
        most=target.most,
        known=opened.known,
        started=None if opened.started is None else _started(opened.started),
        # An absent reply means nothing; a move in the meantime shows in the number of items.
        rechecks=target.resource != "replies",
    )


def _started(moment: datetime) -> datetime:
    # Dates of answers are whole seconds: a comment of the same second may have been counted already.
    return moment + timedelta(seconds=1)


def _landing(sweep: Sweep, want: Want, target: Target) -> Callable[[Read], int]:
    def land(read: Read) -> int:
        if read.listing is None or read.answer is None:
            if not read.is_missing:
                code = read.code or "NOT_JSON"
                sweep.failed(want, code, slices=code in _SLICED)
            return 0
        if sweep.started is None and target.resource != "feed":
            sweep.started = _started(read.answer.observed_at)
        facts = read.listing.facts if target.resource != "feed" else read.listing.by_update
        return sweep.landed(want, facts)

    return land

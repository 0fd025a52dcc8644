"""Loads of one process: page objects go into the open load, which is committed when it is full, and at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.commit import commit_load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.trakt.bronze.pages import Page
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.bronze.report import LoadReport
    from jobs.trakt.ingest.ledger import Ledger
    from jobs.trakt.ingest.ledger_rows import Outcome

__all__ = ["Loads"]

# Rows of the ledger that are written together: a kill loses at most this many; the next run finds their page objects.
_TOGETHER: Final = 40
_AT_LEAST_EVERY_S: Final = 1.0


class Loads:
    """The loads of a run, and the outcomes that are still to be written to the ledger.

    Args:
        place: the bucket.
        ledger: the page ledger.
        size: pages after which a load is committed.

    Attributes:
        reports: of the loads that were committed.
    """

    def __init__(self, place: BronzePlace, ledger: Ledger, size: int) -> None:
        self.reports: list[LoadReport] = []
        self._place = place
        self._ledger = ledger
        self._size = size
        self._load = ""
        self._pages = 0
        self._under_way: dict[str, int] = {}
        self._closed: list[str] = []
        self._changing = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._committing = asyncio.Lock()
        self._waiting: list[Outcome] = []
        self._written_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reads: dict[str, Counter[str]] = {}

    async def current(self) -> str:
        """Return the id of the open load; the first call opens one."""
        async with self._changing:
            if not self._load:
                self._load = await asyncio.to_thread(self._ledger.new_load)
            return self._load

    async def enter(self) -> str:
        """Return the load for a page object that is about to be put; pass it to :meth:`leave` afterwards."""
        load = await self.current()
        self._under_way[load] = self._under_way.get(load, 0) + 1
        self._pages += 1
        return load

    async def put(self, page: Page) -> str:
        """Store a page object, and return its key.

        A page may be read several times in one load, such as by a restarted sweep: each read is its own object.
        """
        reads = self._reads.setdefault(page.request.load_id, Counter())
        key = replace(page.request, read=1).key
        reads[key] += 1
        page = replace(page, request=replace(page.request, read=reads[key]))
        return await asyncio.to_thread(self._place.pages.put, page)

    def page(self, key: str) -> Page:
        """Return a stored page.

        Raises:
            ObjectMissing: it does not exist.
            IntegrityError: it is damaged.
        """
        return self._place.pages.get(key)

    async def leave(self, load: str, outcome: Outcome | None) -> None:
        """Take the outcome of a page whose object was put, and commit full loads into which nothing is being put."""
        if outcome is not None:
            await self.add(outcome)
        self._under_way[load] -= 1
        if self._pages >= self._size and load == self._load:
            self._load, self._pages = "", 0
            self._closed.append(load)
        for ready in [each for each in self._closed if not self._under_way.get(each)]:
            self._closed.remove(ready)
            task = asyncio.create_task(self._commit(ready))
            self._tasks.add(task)

    async def add(self, outcome: Outcome) -> None:
        """Take the outcome of a page; it is written soon."""
        self._waiting.append(outcome)
        now = asyncio.get_running_loop().time()
        if len(self._waiting) >= _TOGETHER or now - self._written_at > _AT_LEAST_EVERY_S:
            await self.flush()

    def settle(self) -> None:
        """Write the waiting outcomes after the event loop has ended, before the process does.

        Raises:
            TransientError: the database is out of reach.
        """
        while self._waiting:
            rows, later = _each_page_once(self._waiting)
            self._ledger.write(rows)
            self._waiting = later

    async def flush(self) -> None:
        """Write the waiting outcomes."""
        async with self._writing:
            self._written_at = asyncio.get_running_loop().time()
            while self._waiting:
                await self._write()

    async def _write(self) -> None:
        """Write the waiting outcomes, each page once; if that fails, they keep waiting."""
        rows, self._waiting = _each_page_once(self._waiting)
        writing = asyncio.create_task(asyncio.to_thread(self._ledger.write, rows))
        try:
            # A thread that writes cannot be cancelled: only when it has ended is it known whether it succeeded.
            await asyncio.shield(writing)
        except BaseException:
            await asyncio.wait([writing])
            if writing.cancelled() or writing.exception() is not None:
                self._waiting = rows + self._waiting
            raise

    async def commit_left(self, loads: Sequence[str]) -> None:
        """Commit the loads that killed runs left."""
        for load in loads:
            await self._commit(load)

    async def finish(self) -> None:
        """Write what waits, and commit all loads; raise the first error of an earlier commit."""
        await self.flush()
        if self._tasks:
            await asyncio.gather(*self._tasks)
        for load in [*self._closed, self._load]:
            if load:
                await self._commit(load)
        self._closed.clear()
        self._load = ""

    async def _commit(self, load: str) -> None:
        # One at a time: a commit holds all rows of a load in memory.
        async with self._committing:
            await self.flush()
            self._reads.pop(load, None)
            report = await asyncio.to_thread(self._commit_now, load)
            if report is not None:
                self.reports.append(report)

    def _commit_now(self, load: str) -> LoadReport | None:
        has_pages = next(iter(self._place.pages.keys(load)), None) is not None
        report = None
        if has_pages:
            read_before = self._ledger.read_before(load)
            report = commit_load(self._place, load, take=self._ledger.letters, read_before=read_before)
        self._ledger.committed(load, report)
        return report


def _each_page_once(outcomes: list[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Return the first outcome of each page, and the rest.

    One statement changes a row only once, but each further read of a page adds to the row's counts.
    """
    first: dict[int, Outcome] = {}
    later = [each for each in outcomes if first.setdefault(each.page_id, each) is not each]
    return list(first.values()), later

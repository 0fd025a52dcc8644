"""The driver of a run: resume what killed runs left, resolve titles, read the feed and the titles, and commit."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final, TypeVar
from zoneinfo import ZoneInfo

from jobs.trakt.api.budget import open_budget
from jobs.trakt.api.client import TraktClient
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.bronze.source import check_source
from jobs.trakt.bronze.tombstones import erased_users
from jobs.trakt.errors import AmbiguousTitle, PageFailed, TitleUnknown
from jobs.trakt.ingest import plan, titles, watch_list
from jobs.trakt.ingest.feed import has_watermark, read_feed
from jobs.trakt.ingest.interruption import run_until_signal
from jobs.trakt.ingest.ledger import Ledger
from jobs.trakt.ingest.ledger_rows import Busy, Single
from jobs.trakt.ingest.loads import Loads
from jobs.trakt.ingest.metadata import Metadata, MetadataRead
from jobs.trakt.ingest.reading import Reader
from jobs.trakt.ingest.recovery import recover
from jobs.trakt.ingest.title_reading import TitleReader
from jobs.trakt.model import SERVICE_ZONE
from jobs.trakt.settings.ingest import BackfillSettings, IngestSettings
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import Stopped, TelecineError, UsageError
from shared.failure import Failure
from shared.ledger.run import new_run_id
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import date

    from jobs.trakt.api.answer import Answer
    from jobs.trakt.api.client import Tally
    from jobs.trakt.bronze.report import LoadReport
    from jobs.trakt.ingest.feed import FeedRead
    from jobs.trakt.ingest.plan import Work
    from jobs.trakt.ingest.title_reading import TitleRead
    from jobs.trakt.ingest.titles import Title
    from jobs.trakt.ingest.watch_list import Entry
    from jobs.trakt.model import TitleRef
    from jobs.trakt.settings.ingest import ReadSettings
    from shared.ledger import StageRun

_T = TypeVar("_T")

__all__ = ["LONGEST_RUN_ID", "Forecast", "Run", "check_titles", "forecast", "read_titles"]

LONGEST_RUN_ID: Final = 94
"""Characters: the id of a load, which is that of its run, a dash and a number, has at most 100."""
_LOG: Final = logging.getLogger(__name__)
# One day of the feed is two or three pages.
_FEED_PAGES: Final = 3
# While one title waits for the database or the store, another one's request is under way.
_TASKS_PER_CONNECTION: Final = 2
_SWEEP_DAYS: Final = 7


@dataclass(slots=True)
class Run:
    """The result of a run.

    Attributes:
        titles: titles of the watch list.
        planned: how many of them the run plans to read something about.
        reads: what was read of them.
        busy: titles that another ingest reads.
        feed: what the feed said; None if it was not read.
        feed_busy: another ingest reads the feed.
        failures: titles and names with something missing.
        loads: commits to the bronze table.
        recovered: pages that a killed run had read but not recorded.
        tally: requests.
        metadata: what was read of TMDb.
        stopped: the error that ended the run; what had come by then is committed.
    """

    titles: int = 0
    planned: int = 0
    reads: list[TitleRead] = field(default_factory=list)
    busy: list[TitleRef] = field(default_factory=list)
    feed: FeedRead | None = None
    feed_busy: bool = False
    failures: list[Failure] = field(default_factory=list)
    loads: list[LoadReport] = field(default_factory=list)
    recovered: int = 0
    tally: Tally | None = None
    metadata: MetadataRead = field(default_factory=MetadataRead)
    stopped: TelecineError | None = None

    @property
    def counts(self) -> Counter[str]:
        """Counts of all titles together."""
        found: Counter[str] = Counter()
        for each in self.reads:
            found.update(each.counts)
        return found


@dataclass(frozen=True, slots=True)
class Forecast:
    """The requests that a run would send.

    Attributes:
        titles: titles of the watch list.
        swept: titles to be swept.
        rated: titles of which only ratings are read.
        unresolved: names that are not resolved to ids yet; each costs two requests and at least one page.
        requests: expected requests, without retries.
        ends: when the last of them could be sent.
    """

    titles: int
    swept: int
    rated: int
    unresolved: int
    requests: int
    ends: datetime


def read_titles(settings: ReadSettings, stage_run: StageRun) -> Run:
    """Read everything that a run asks for, and commit it. An API error ends the reading, and is part of the result.

    Args:
        settings: settings of ``ingest`` or ``backfill``.
        stage_run: takes progress and failures.

    Raises:
        UsageError: the watch list is wrong, the run's id is too long, or bronze has rows of another source.
        ConfigurationError: the database or the store needs an operator, or users were erased, and the salt is missing
            or differs.
        TransientError: the store or the database is out of reach; the next run commits what had come by then.
        Stopped: a signal stopped the run; the next one commits what had come by then.
    """
    if (length := len(stage_run.run_id)) > LONGEST_RUN_ID:
        raise UsageError(
            f"run id '{cut(stage_run.run_id, 30)}' has {length} characters; expected at most {LONGEST_RUN_ID}, as"
            " loads are named after it; name a shorter one with --run-id"
        )
    entries = _entries(settings)
    ready(settings)
    ledger = Ledger(settings, stage_run.run_id, new_run_id(), _day(settings))
    with ledger.alive():
        driver = _Driver(settings, stage_run, ledger)
        try:
            run_until_signal(driver.run(entries))
        except BaseException as error:
            # If the process is killed or the database is unreachable, this is left to the next run.
            try:
                driver.loads.settle()
                ledger.skip_rest("INTERRUPTED")
            except TelecineError as unsettled:
                _LOG.warning("the page ledger is not up to date, which the next run repairs: %s", unsettled)
            if isinstance(error, Stopped | KeyboardInterrupt):
                _LOG.warning("what was read is kept; run the command again: it continues from there")
            raise
    return driver.done


def check_titles(settings: ReadSettings) -> None:
    """Check the watch list, the database and the bucket; send no request.

    Raises:
        UsageError: the watch list is wrong, no title is named or tracked, or bronze has rows of another source.
        ConfigurationError: users were erased, and the salt is missing or differs; or the store needs an operator.
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    entries = _entries(settings)
    ready(settings)
    _known(settings, entries)
    _check_bronze(settings, BronzePlace(settings))


def forecast(settings: ReadSettings) -> Forecast:
    """Return the requests that a run would send; send none.

    Raises:
        UsageError: the watch list is wrong.
    """
    entries = _entries(settings)
    ready(settings)
    known, unresolved = _known(settings, entries)
    works = _plan(settings, known, (), rated=_unrated(settings))
    # A name costs its summary, which a sweep needs anyway, its ratings and a page or more.
    requests = plan.estimate(known, works) + 3 * len(unresolved)
    if isinstance(settings, IngestSettings):
        requests += _FEED_PAGES

    async def ends() -> datetime:
        budget = open_budget(settings, settings)
        try:
            return (await budget.forecast(requests)).ends_at
        finally:
            await budget.close()

    swept = sum(each.sweep for each in works)
    return Forecast(
        len(known) + len(unresolved), swept, len(works) - swept, len(unresolved), requests, asyncio.run(ends())
    )


def _day(settings: ReadSettings) -> date:
    return settings.as_of or datetime.now(ZoneInfo(SERVICE_ZONE)).date()


def _check_bronze(settings: ReadSettings, place: BronzePlace) -> None:
    """Check what a commit would refuse only after all requests, or would never undo."""
    with transaction(settings) as session:
        erased_users(session, settings)
    check_source(place, settings.source_system)


def _since(settings: ReadSettings) -> datetime | None:
    if isinstance(settings, BackfillSettings) and settings.since is not None:
        return datetime.combine(settings.since, time(), UTC)
    return None


def _entries(settings: ReadSettings) -> list[Entry]:
    """Return the titles that the settings name; an empty list stands for all tracked titles."""
    if settings.titles:
        return watch_list.parse_names(settings.titles, "--titles")
    found = [] if settings.watch_list is None else watch_list.read_file(settings.watch_list, settings)
    found += watch_list.parse_names(settings.movie_ids, "--movie-ids", "movie")
    return list({each.key: each for each in found}.values())


def _known(settings: ReadSettings, entries: Sequence[Entry]) -> tuple[list[Title], list[Entry]]:
    """Return the titles of the watch list that have ids, and the entries that have none yet."""
    with transaction(settings) as session:
        if not entries:
            known = titles.tracked(session)
            if not known:
                raise UsageError(
                    "no title is named or tracked; expected --watch-list FILE with one title per line, such as"
                    " movie:dune-2021, or --titles"
                )
            return known, []
        named = titles.by_name(session, [each.key for each in entries])
    unique = {title.ref: title for title in named.values()}
    return list(unique.values()), [each for each in entries if each.key not in named]


def _unrated(settings: ReadSettings) -> set[TitleRef]:
    if isinstance(settings, BackfillSettings):
        return set()
    with transaction(settings) as session:
        return plan.unrated(session)


def _plan(
    settings: ReadSettings,
    known: Sequence[Title],
    resumable: Collection[TitleRef],
    *,
    rated: Collection[TitleRef],
    owed: Mapping[TitleRef, Sequence[int]] | None = None,
) -> list[Work]:
    is_all = settings.ratings == "all"
    if isinstance(settings, BackfillSettings):
        with transaction(settings) as session:
            fresh = plan.fresh(session, settings.skip_hours, _since(settings))
        wanted = {title.ref for title in known if title.ref not in fresh or title.ref in resumable}
        chosen = [title for title in known if title.ref in wanted or title.ref in (owed or {})]
        return plan.works(chosen, due=wanted, all_ratings=is_all, owed=owed)
    return plan.works(known, due=resumable, rated=rated, all_ratings=is_all, owed=owed)


class _Driver:
    """One run."""

    def __init__(self, settings: ReadSettings, stage_run: StageRun, ledger: Ledger) -> None:
        self.done = Run()
        self._settings = settings
        self._stage_run = stage_run
        self._ledger = ledger
        self._place = BronzePlace(settings)
        self.loads = Loads(self._place, ledger, settings.commit_pages)
        self._metadata = Metadata(settings, self.loads, stage_run.run_id)
        self.done.metadata = self._metadata.done

    async def run(self, entries: Sequence[Entry]) -> None:
        """Read, and commit what came, whatever ended the reading."""
        settings, done = self._settings, self.done
        done.recovered = await recover(self._ledger, self._place, self.loads)
        # After the recovery, which may commit the table's first load, and before any request.
        await asyncio.to_thread(_check_bronze, settings, self._place)
        async with TraktClient(settings, open_budget(settings, settings)) as client, self._metadata as metadata:
            done.tally = client.tally
            reader = Reader(client, self._ledger, self.loads, settings, self._stage_run.run_id)
            try:
                await self._read(reader, entries)
            except UsageError:
                raise
            except TelecineError as error:
                # Keep the pages that were read: the next run continues from there.
                done.stopped = error
                _LOG.error("%s; what was read is committed", error.message.rstrip("."))
            done.stopped = await metadata.finish() or done.stopped
        await self.loads.flush()
        await asyncio.to_thread(self._ledger.skip_rest, done.stopped.code if done.stopped else "BUSY")
        await self.loads.finish()
        done.loads = self.loads.reports

    async def _read(self, reader: Reader, entries: Sequence[Entry]) -> None:
        settings, done = self._settings, self.done
        # Before the titles are looked up: one that another ingest completes from now on may look due.
        await asyncio.to_thread(self._ledger.planning)
        known = await self._resolved(reader, entries)
        done.titles = len(known)
        resumable = await asyncio.to_thread(self._ledger.resumable)
        await asyncio.to_thread(self._ledger.abandon, [title.ref for title in known])
        # A backfill sets the first watermark: the next ingest then need not sweep what the backfill has read.
        if isinstance(settings, IngestSettings) or not await asyncio.to_thread(has_watermark, settings):
            known = await self._feed(reader, known)
        rated = await asyncio.to_thread(_unrated, settings)
        owed = await asyncio.to_thread(self._ledger.owed_replies) if settings.replies else {}
        works = await asyncio.to_thread(lambda: _plan(settings, known, resumable, rated=rated, owed=owed))
        done.planned = len(works)
        await self._titles(reader, works)

    # Titles

    async def _resolved(self, reader: Reader, entries: Sequence[Entry]) -> list[Title]:
        """Resolve new names to ids, and return the titles of the watch list."""
        settings = self._settings
        _, unresolved = await asyncio.to_thread(_known, settings, entries)
        await self._resolve(reader, unresolved)
        if not entries:
            return (await asyncio.to_thread(_known, settings, entries))[0]

        def tracked() -> list[Title]:
            known = _known(settings, entries)[0]
            refs = [title.ref for title in known]
            with transaction(settings) as session:
                titles.found(session, refs)
                # Titles in a flag are a part of the watch list; a file is all of it.
                if isinstance(settings, IngestSettings) and settings.watch_list and not settings.titles:
                    titles.drop_others(session, refs)
            return _known(settings, entries)[0]

        return await asyncio.to_thread(tracked)

    async def _resolve(self, reader: Reader, entries: Sequence[Entry]) -> None:
        """Resolve names to ids, and track their titles; if one is ambiguous, track none."""
        ambiguous: list[AmbiguousTitle] = []
        resolved: dict[Entry, tuple[Answer, titles.TitleFacts]] = {}

        async def resolve(entry: Entry) -> None:
            try:
                resolved[entry] = await watch_list.resolve(reader.client, entry)
            except AmbiguousTitle as error:
                ambiguous.append(error)
            except (TitleUnknown, PageFailed) as error:
                self._fails(Failure.of(entry.key, error))

        async def track(entry: Entry) -> None:
            if not entry.is_number:
                await resolve(entry)
            if entry in resolved:
                answer, facts = resolved.pop(entry)
                await reader.store(f"/{facts.ref.kind}s/{facts.ref.trakt_id}", Single("title", facts.ref), answer)
                await asyncio.to_thread(self._name, facts, entry.key)

        # Only numbers can be ambiguous. All other names are stored one by one, so that a kill loses none.
        connections = self._settings.connections
        await _each([entry for entry in entries if entry.is_number], resolve, connections)
        if ambiguous:
            raise AmbiguousTitle(
                "\n".join(sorted(error.message for error in ambiguous)), **ambiguous[0].data
            ) from ambiguous[0]
        await _each(entries, track, connections)

    def _name(self, facts: titles.TitleFacts, name: str) -> None:
        with transaction(self._settings) as session:
            titles.store(session, facts, name)

    async def _feed(self, reader: Reader, known: list[Title]) -> list[Title]:
        """Read the feed, and return the titles, which it may have made due."""
        settings = self._settings
        tracked = {title.ref for title in known if title.state == "tracked"}
        most = sum(map(plan.pages_of, known))
        try:
            self.done.feed = await read_feed(
                reader, settings, tracked, self._ledger.day, most=most, replies=settings.replies
            )
        except Busy:
            self.done.feed_busy = True
            return known
        if reason := self.done.feed.reason:
            message = f"the feed of updates was not read back to its watermark ({reason})"
            self._fails(Failure("feed updates", reason, message, retryable=True))
        refs = {title.ref for title in known}

        def again() -> list[Title]:
            with transaction(settings) as session:
                return [title for title in titles.tracked(session, gone=True) if title.ref in refs]

        return await asyncio.to_thread(again)

    async def _titles(self, reader: Reader, works: Sequence[Work]) -> None:
        settings, done = self._settings, self.done
        sweep_days = settings.sweep_days if isinstance(settings, IngestSettings) else _SWEEP_DAYS
        title_reader = TitleReader(reader, settings, sweep_days=sweep_days, since=_since(settings))
        singles = [Single("title", each.ref) for each in works if each.summary]
        singles += [Single("rating", each.ref) for each in works if each.rating]
        numbers = await reader.plan(singles)
        planned = {
            (single.resource, single.ref): number
            for single, number in zip(singles, numbers, strict=True)
            if single.ref is not None
        }
        self._stage_run.progress.start(len(works), "titles")

        async def read(work: Work) -> None:
            try:
                found = await title_reader.read(work, planned)
            except Busy:
                done.busy.append(work.ref)
            else:
                done.reads.append(found)
                if found.counts["swept"]:
                    self._metadata.add(work.ref)
                if found.code is not None:
                    self._fails(Failure(str(work.ref), found.code, found.message, retryable=True))
            self._stage_run.progress.advance(1)

        await _each(works, read, settings.connections * _TASKS_PER_CONNECTION)

    def _fails(self, failure: Failure) -> None:
        self.done.failures.append(failure)
        self._stage_run.record_errors([failure])


async def _each(items: Sequence[_T], work: Callable[[_T], Awaitable[None]], tasks: int) -> None:
    """Run a function for each item, in up to ``tasks`` tasks; the first error ends the others, and is raised."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(tasks, len(items))):
                group.create_task(worker())
    except ExceptionGroup as errors:
        # With except*, Python 3.11.2, which the images have, would wrap it in a group again; 3.11.7 would not.
        raise _first(errors) from None


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group: the others are mostly the same error, met by other tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

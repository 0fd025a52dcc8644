"""Read the TMDb metadata of titles that were swept, alongside the reading of Trakt.

Metadata is optional: no title and no run fails because of it, and it has no rows in the page ledger, which measures how
completely Trakt was read. A page object that a killed run left is committed with its load like any other.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from jobs.trakt.bronze.pages import Page, PageRequest
from jobs.trakt.errors import TMDB_CODES, MetadataFailed
from jobs.trakt.ingest import titles
from jobs.trakt.tmdb.client import TmdbClient
from shared.database.session import transaction
from shared.errors import ConfigurationError, TelecineError

if TYPE_CHECKING:
    from jobs.trakt.api.answer import Answer
    from jobs.trakt.ingest.loads import Loads
    from jobs.trakt.model import TitleRef
    from jobs.trakt.settings.ingest import ReadSettings

__all__ = ["Metadata", "MetadataRead"]

_LOG: Final = logging.getLogger(__name__)
_NOT_FOUND: Final = 404


@dataclass(slots=True)
class MetadataRead:
    """The result of reading metadata.

    Attributes:
        is_asked: whether there is a token; without one, nothing is read.
        read: titles whose metadata was read.
        missing: titles that TMDb does not have: it answered 404.
        failed: code of :data:`jobs.trakt.errors.TMDB_CODES` -> titles for which this run read no metadata.
        requests: requests to TMDb, retries included.
    """

    is_asked: bool = False
    read: int = 0
    missing: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    @property
    def warnings(self) -> list[tuple[str, int, str]]:
        """Code, titles without metadata, and what to do about it."""
        return [(code, number, TMDB_CODES[code]) for code, number in sorted(self.failed.items())]


class Metadata:
    """Reads metadata in tasks of its own: ``async with Metadata(...) as metadata: metadata.add(ref)``.

    Args:
        settings: settings of the command; without a token, :meth:`add` does nothing.
        loads: takes page objects.
        run_id: the run.

    Attributes:
        done: the result so far.
    """

    def __init__(self, settings: ReadSettings, loads: Loads, run_id: str) -> None:
        self.done = MetadataRead(is_asked=settings.tmdb_token is not None)
        self._settings = settings
        self._loads = loads
        self._run_id = run_id
        self._client: TmdbClient | None = None
        self._asked: set[TitleRef] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._error: TelecineError | None = None

    async def __aenter__(self) -> Self:
        """Open the connections."""
        if self.done.is_asked:
            try:
                self._client = TmdbClient(self._settings)
            except ConfigurationError as error:
                _LOG.warning("TMDb is not asked: %s", error.message)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel what is under way, and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def add(self, ref: TitleRef) -> None:
        """Read the metadata of a title, once in a run, in the background."""
        if self.done.is_asked and ref not in self._asked:
            self._asked.add(ref)
            self._tasks.append(asyncio.create_task(self._read(ref)))

    async def finish(self) -> TelecineError | None:
        """Wait for the reads under way; return the first error of the store or the database, if any."""
        await asyncio.gather(*self._tasks)
        if self._client is not None:
            self.done.requests = self._client.tally.requests
        return self._error

    async def _read(self, ref: TitleRef) -> None:
        if self._client is None:
            self.done.failed["TMDB_REFUSED"] += 1
            return
        try:
            number = await asyncio.to_thread(self._tmdb_id, ref)
            if number is None:
                return
            answer = await self._client.get(ref.kind, number)
            await self._keep(ref, self._client.target(ref.kind, number), answer)
        except MetadataFailed as error:
            self.done.failed[error.code] += 1
            _LOG.debug("no TMDb metadata for %s: %s", ref, error.message)
        except TelecineError as error:
            self._error = self._error or error
        else:
            self.done.missing += answer.status == _NOT_FOUND
            self.done.read += answer.status != _NOT_FOUND

    def _tmdb_id(self, ref: TitleRef) -> int | None:
        with transaction(self._settings) as session:
            return titles.tmdb_id(session, ref)

    async def _keep(self, ref: TitleRef, target: str, answer: Answer) -> None:
        """Store the page object, even that of a 404, without a row in the page ledger."""
        load = await self._loads.enter()
        try:
            page = Page(
                PageRequest(load, "tmdb", ref),
                target,
                answer.status,
                answer.headers,
                answer.body,
                answer.requested_at,
                datetime.now(UTC),
                answer.observed_at,
                self._run_id,
                attempt=answer.attempts,
                source_system=self._settings.source_system,
                is_synthetic=self._settings.is_tmdb_replayed,
            )
            await self._loads.put(page)
        finally:
            await self._loads.leave(load, None)

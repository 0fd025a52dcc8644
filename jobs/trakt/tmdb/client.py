"""The TMDb client: one GET per title, with a few retries; it stops for good if TMDb refuses or cannot serve requests.

It shares nothing with Trakt's client: it has no Trakt key, does not use the request budget, and never ends a run.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from jobs.trakt.api.answer import Answer, observed
from jobs.trakt.api.clock import ReplayerClock, SystemClock
from jobs.trakt.api.retry import judge_failure, wait_demanded
from jobs.trakt.api.wire import Pool, Site
from jobs.trakt.contract.parse import Unreadable, parse
from jobs.trakt.errors import TMDB_CODES, MetadataFailed

if TYPE_CHECKING:
    import httpx

    from jobs.trakt.api.clock import Clock
    from jobs.trakt.api.wire import Exchange
    from jobs.trakt.model import TitleKind
    from jobs.trakt.settings.tmdb import TmdbSettings

__all__ = ["IN_FLIGHT", "LONGEST_WAIT_S", "Answer", "MetadataTally", "TmdbClient"]

IN_FLIGHT: Final = 4
"""Requests at once. TMDb refuses more than about 40 a second, which 4 connections of 100 ms each reach at most."""
LONGEST_WAIT_S: Final = 60.0
"""The longest wait in seconds that TMDb may demand: metadata is optional, and must not hold up a run."""

_LOG: Final = logging.getLogger(__name__)
# A title has the settings' retries, but not more than these: a TMDb that hangs costs 30 s for each.
_MOST_RETRIES: Final = 3
# No further request is sent after this many titles in a row have failed with all their retries.
_DOWN_LIMIT: Final = 3
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 200, 401, 403, 404, 429
_CLIENT, _SERVER = 400, 500
_PATHS: Final = {"movie": "movie", "show": "tv"}
_REFUSALS: Final = {_UNAUTHORIZED: "TMDB_UNAUTHORIZED", _FORBIDDEN: "TMDB_REFUSED"}


@dataclass(slots=True)
class MetadataTally:
    """Counts of a client, for reports.

    Attributes:
        requests: requests sent, retries included.
        statuses: status -> answers; 0 counts requests without an answer.
    """

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


class TmdbClient:
    """Requests to TMDb: ``async with TmdbClient(settings) as client: await client.get("movie", 550)``.

    Any number of tasks may call :meth:`get` at once; up to :data:`IN_FLIGHT` requests are in flight. Until TMDb has
    answered once, only one is, so a wrong token costs one request.

    Args:
        settings: token, base URL, retries, timeouts.
        clock: how to wait; by default for real, or by advancing the replayer's clock if the settings say so.
        transport: for tests.

    Attributes:
        tally: counts so far.
        stopped: code of :data:`jobs.trakt.errors.TMDB_CODES` that ended all requests; None while they go out.

    Raises:
        ConfigurationError: the proxy of the environment cannot be used.
        ValueError: the settings have no token.
    """

    def __init__(
        self,
        settings: TmdbSettings,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if settings.tmdb_token is None:
            raise ValueError("the settings have no token of TMDb; expected tmdb_token")
        self.tally = MetadataTally()
        self.stopped: str | None = None
        self._settings = settings
        advances = settings.advance_replayer and settings.is_tmdb_replayed
        self._clock = clock or (ReplayerClock(settings.base_url) if advances else SystemClock())
        # Never in the URL, as a key of version 3 would be: URLs end up in logs.
        headers = {"Authorization": f"Bearer {settings.tmdb_token.get_secret_value()}"}
        site = Site("TMDb", settings.tmdb_site, headers, settings.is_tmdb_local)
        self._pool = Pool(settings, site=site, transport=transport)
        self._random = random.Random()  # noqa: S311 - jitter
        self._retries = min(settings.max_retries, _MOST_RETRIES)
        self._lanes = asyncio.Semaphore(1)
        self._is_proven = False
        self._paused_until = 0.0
        self._down_in_row = 0

    async def __aenter__(self) -> Self:
        """Return the client; requests open the connections."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    @staticmethod
    def path(kind: TitleKind, number: int) -> str:
        """Return the path of a title.

        >>> TmdbClient.path("show", 1396)
        '/tv/1396'
        """
        return f"/{_PATHS[kind]}/{number:d}"

    def target(self, kind: TitleKind, number: int) -> str:
        """Return the path of a title with that of the base URL, as page objects keep it."""
        return f"{urlsplit(self._settings.tmdb_site).path}{self.path(kind, number)}"

    async def get(self, kind: TitleKind, number: int) -> Answer:
        """Return TMDb's answer about a title: 200 with a JSON body, or 404 by TMDb itself.

        Args:
            kind: movie or show.
            number: its id at TMDb.

        Raises:
            MetadataFailed: this title failed, or an earlier one has ended all requests.
        """
        async with self._lanes:
            began, attempt = self._clock.monotonic(), 0
            while True:
                await self._pause_ends()
                if self.stopped is not None:
                    raise MetadataFailed(TMDB_CODES[self.stopped], code=self.stopped)
                exchange = await self._pool.get(self.path(kind, number), now=self._clock.now)
                attempt += 1
                self.tally.requests += 1
                self.tally.statuses[exchange.status] += 1
                failure = _failure(exchange)
                if not failure:
                    self._proven()
                    return Answer(
                        status=exchange.status,
                        headers=exchange.headers,
                        body=exchange.body,
                        requested_at=exchange.requested_at,
                        observed_at=observed(
                            exchange.headers, exchange.arrived_at, any_date=self._settings.is_tmdb_replayed
                        ),
                        attempts=attempt,
                        elapsed_s=self._clock.monotonic() - began,
                    )
                await self._again(failure, exchange, attempt)

    def _proven(self) -> None:
        self._down_in_row = 0
        if not self._is_proven:
            self._is_proven = True
            for _ in range(IN_FLIGHT - 1):
                self._lanes.release()

    async def _again(self, code: str, exchange: Exchange, attempt: int) -> None:
        """Wait before the next attempt, or raise the error if there is none."""
        verdict = judge_failure(
            "TIMEOUT", attempt=attempt, backoff_s=self._settings.backoff_seconds, draw=self._random.random()
        )
        demanded = wait_demanded(exchange.headers, exchange.arrived_at) or 0.0
        if exchange.status in _REFUSALS or demanded > LONGEST_WAIT_S:
            self._stop(code)
        if self.stopped is not None or attempt > self._retries or code == "TMDB_REFUSED":
            self._down_in_row += code != "TMDB_REFUSED"
            if self._down_in_row >= _DOWN_LIMIT:
                self._stop(code)
            message = f"{TMDB_CODES[code]} ({_facts(exchange)})"
            raise MetadataFailed(message, code=code, status=exchange.status, attempts=attempt)
        wait_s = max(demanded, verdict.wait_s)
        if code == "TMDB_RATE_LIMITED":
            # The limit is that of this machine's address: the other requests would be refused too.
            self._paused_until = max(self._paused_until, self._clock.monotonic() + wait_s)
        else:
            await self._clock.sleep(wait_s)

    async def _pause_ends(self) -> None:
        while self.stopped is None and (rest := self._paused_until - self._clock.monotonic()) > 0:
            await self._clock.sleep(rest)

    def _stop(self, code: str) -> None:
        if self.stopped is None:
            self.stopped = code
            _LOG.warning("No more requests to TMDb in this run: %s (%s).", TMDB_CODES[code], code)


def _failure(exchange: Exchange) -> str:
    """Return the code of an answer that cannot be used; empty for one that can."""
    status = exchange.status
    if status in _REFUSALS:
        return _REFUSALS[status]
    if status == _TOO_MANY:
        return "TMDB_RATE_LIMITED"
    # TMDb's own 404 is JSON; HTML comes from an edge in front of it.
    if status in (_OK, _NOT_FOUND) and not exchange.failure and _is_json(exchange.body):
        return ""
    if _CLIENT <= status < _SERVER and status != _NOT_FOUND:
        return "TMDB_REFUSED"
    return "TMDB_UNAVAILABLE"


def _is_json(body: bytes) -> bool:
    try:
        parse(body)
    except Unreadable as error:
        # A retry would not help an answer that is nested too deeply: it becomes a dead letter.
        return error.code != "NOT_JSON"
    return True


def _facts(exchange: Exchange) -> str:
    """Return the status or the failure, without TMDb's own words, which are untrusted."""
    return f"status {exchange.status}" if exchange.status and not exchange.failure else exchange.failure or "no answer"

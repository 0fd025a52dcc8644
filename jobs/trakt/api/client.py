"""The API client: requests with one key, one budget and one retry policy."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

from jobs.trakt.api.answer import Answer, observed
from jobs.trakt.api.clock import ReplayerClock, SystemClock
from jobs.trakt.api.refusals import no_answer_yet, page_failed, stopped
from jobs.trakt.api.retry import Verdict, is_from_api, judge, judge_failure
from jobs.trakt.api.wire import USED, Pool
from jobs.trakt.contract.parse import is_sprawling
from jobs.trakt.errors import ApiDown, EdgeBlocked
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

    from jobs.trakt.api.budget import Budget
    from jobs.trakt.api.clock import Clock
    from jobs.trakt.api.wire import Exchange
    from jobs.trakt.settings.api import ApiSettings
    from shared.errors import TelecineError

__all__ = ["Answer", "Tally", "TraktClient"]

_LOG: Final = logging.getLogger(__name__)
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~%-]+)+", re.ASCII)
_DOTS: Final = re.compile(r"/\.{1,2}(/|$)")
# The run ends after this many refusals by the edge without an answer of the API in between; a request fails after this
# many of its own.
_EDGE_LIMIT: Final = 3
# The run ends after this many requests in a row failed, each after all its retries, because nothing answers.
_DOWN_LIMIT: Final = 5
_DOWN: Final = frozenset({"OVERLOADED", "TIMEOUT", "UNREACHABLE"})
_WORTH_SAYING_S: Final = 10.0
_START: Final = 4_096
_TOO_MANY: Final = 429
_OK: Final = 200


@dataclass(slots=True)
class Tally:
    """Counts of a client, for reports.

    Attributes:
        requests: requests sent, retries included.
        retries: how many of them were retries.
        bytes: bytes of accepted bodies, after decompression.
        waited_s: total seconds that requests waited for retries and in pauses.
        budget_s: total seconds that requests waited for the budget.
        statuses: status -> answers; 0 counts requests without an answer.
        failures: code of an attempt, of :data:`jobs.trakt.errors.PAGE_CODES` or of an error -> attempts.
    """

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    waited_s: float = 0.0
    budget_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


class TraktClient:
    """Requests to the API: ``async with TraktClient(settings, budget) as client: await client.get(path, query)``.

    Any number of tasks may call :meth:`get` at once; up to ``settings.connections`` requests are in flight. Until the
    API has answered once, only one is, so a dead key costs one request. Redirects are not followed, cookies not kept.

    Args:
        settings: key, base URL, retries, timeouts.
        budget: the request budget, from :func:`jobs.trakt.api.budget.open_budget`; the client closes it.
        clock: how to wait; by default for real, or by advancing the replayer's clock if the settings say so.
        transport: for tests.

    Attributes:
        tally: counts so far.

    Raises:
        ConfigurationError: no key is set, or the proxy of the environment cannot be used.
    """

    def __init__(
        self,
        settings: ApiSettings,
        budget: Budget,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.tally = Tally()
        self._settings = settings
        self._budget = budget
        self._clock = clock or (ReplayerClock(settings.base_url) if settings.advance_replayer else SystemClock())
        self._pool = Pool(settings, transport=transport)
        self._random = random.Random()  # noqa: S311 - jitter
        self._lanes = asyncio.Semaphore(settings.connections)
        self._first = asyncio.Lock()
        self._proven = asyncio.Event()
        self._warned = False
        self._pausing = asyncio.Lock()
        self._paused_until = 0.0
        self._ban_noted = 0
        self._edge_in_row = 0
        self._down_in_row = 0
        self._stop: TelecineError | None = None
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Return the client; requests open the connections."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections, and return unused slots to the budget."""
        try:
            await self._pool.close()
        finally:
            await self._budget.close()

    async def get(
        self, path: str, query: Mapping[str, str | int] | None = None, *, retries: int | None = None
    ) -> Answer:
        """Return the answer to a GET: 200 with a complete body, or 404 by the API itself.

        Args:
            path: from :mod:`jobs.trakt.api.resources`.
            query: parameters, such as ``{"page": 1, "limit": 250}``.
            retries: retries of this request; by default ``settings.max_retries``.

        Raises:
            PageFailed: this request failed after all its retries; others may succeed.
            KeyRefused: the API does not accept the key. This and the errors below also end every other call.
            Unauthorized: 401.
            AccountLimit: 420.
            AccountLocked: 423.
            VipOnly: 426.
            EdgeBlocked: the edge has refused three times in a row.
            RateLimited: the API demands a wait of more than 15 minutes.
            ApiDown: five requests in a row failed, because the API is overloaded or unreachable.
            TransientError: the budget's database does not answer.
            ValueError: the path is not a path of the API.
        """
        if not _PATH.fullmatch(path) or _DOTS.search(path):
            raise ValueError(f"{path!r} is not a path of the API; expected one of jobs.trakt.api.resources")
        target = f"{path}?{urlencode(query)}" if query else path
        most = 1 + (self._settings.max_retries if retries is None else retries)
        began, attempt, edges, throttled = self._clock.monotonic(), 0, 0, 0
        while True:
            async with self._lane():
                exchange, number = await self._send(target)
                attempt += 1
                self.tally.retries += attempt > 1
                throttled += exchange.status == _TOO_MANY
                verdict = self._judge(exchange, attempt)
                await self._note(verdict, exchange, number)
            if verdict.action == "accept":
                self.tally.bytes += len(exchange.body)
                return Answer(
                    status=exchange.status,
                    headers=exchange.headers,
                    body=exchange.body,
                    requested_at=exchange.requested_at,
                    observed_at=observed(exchange.headers, exchange.arrived_at, any_date=self._settings.is_replayer),
                    attempts=attempt,
                    elapsed_s=self._clock.monotonic() - began,
                    throttled=throttled,
                )
            edges += verdict.everyone == "ban"
            if verdict.action == "fail" or attempt >= most or edges >= _EDGE_LIMIT:
                self._fail(verdict, exchange, path, attempt, throttled=throttled)
            _LOG.debug("%s: %s, waiting %.1f s.", one_line(cut(target, 200)), verdict.code, verdict.wait_s)
            if not (verdict.everyone or self._proven.is_set() or self._warned):
                # Otherwise a run without an API is silent for a minute. A pause of all requests is logged already.
                self._warned = True
                _LOG.warning("%s.", no_answer_yet(verdict.code, exchange, self._settings, most - 1))
            if not verdict.everyone:
                await self._sleep(verdict.wait_s)

    # One request

    @asynccontextmanager
    async def _lane(self) -> AsyncIterator[None]:
        """Hold a connection; until the API has accepted the key, there is only one."""
        async with self._lanes, AsyncExitStack() as held:
            if not self._proven.is_set():
                await self._first.acquire()
                if self._proven.is_set():
                    # Another request has proven the key in the meantime.
                    self._first.release()
                else:
                    held.callback(self._first.release)
            yield

    async def _send(self, target: str) -> tuple[Exchange, int]:
        while True:
            await self._pause_ends()
            began = self._clock.monotonic()
            slot = await self._unless_stopped(self._budget.take())
            self.tally.budget_s += self._clock.monotonic() - began
            # Another request may have been refused while this one waited.
            if self._stop is None and self._clock.monotonic() >= self._paused_until:
                break
            self._budget.unused(slot)
        self.tally.requests += 1
        number = self.tally.requests
        exchange = await self._pool.get(target, now=self._clock.now)
        if exchange.ended:
            self._budget.done(slot)
        self.tally.statuses[exchange.status] += 1
        return exchange, number

    def _judge(self, exchange: Exchange, attempt: int) -> Verdict:
        draw, backoff_s = self._random.random(), self._settings.backoff_seconds
        code = exchange.failure
        if exchange.status and not (code and exchange.status in USED):
            verdict = judge(
                exchange.status,
                exchange.headers,
                exchange.body[:_START],
                attempt=attempt,
                backoff_s=backoff_s,
                now=exchange.arrived_at,
                draw=draw,
            )
            if verdict.action != "accept" or exchange.status != _OK:
                return verdict
            code = _incomplete(exchange)
            if not code:
                return verdict
        return judge_failure(code, attempt=attempt, backoff_s=backoff_s, draw=draw)

    async def _note(self, verdict: Verdict, exchange: Exchange, number: int) -> None:
        """Apply a verdict to other requests and to the run."""
        if verdict.code:
            self.tally.failures[verdict.code] += 1
        from_api = bool(exchange.status) and is_from_api(exchange.headers, exchange.body[:_START])
        if verdict.action == "accept" or from_api:
            if number > self._ban_noted:
                self._edge_in_row = 0
            if verdict.action == "accept":
                self._proven.set()
                self._down_in_row = 0
        if verdict.everyone:
            await self._pause(verdict, number)
        if verdict.action == "stop":
            self._end(stopped(verdict.code, exchange, self._settings))
        elif verdict.everyone == "ban" and self._edge_in_row >= _EDGE_LIMIT:
            self._end(stopped(EdgeBlocked.default_code, exchange, self._settings))
        if self._stop is not None and verdict.action != "accept":
            raise self._stop

    async def _pause(self, verdict: Verdict, number: int) -> None:
        now = self._clock.monotonic()
        if verdict.everyone == "ban" and number > self._ban_noted:
            # Requests already in flight when the ban began are part of it, and do not count as another refusal.
            self._edge_in_row += 1
            self._ban_noted = self.tally.requests
        if now + verdict.wait_s > self._paused_until:
            if verdict.wait_s >= _WORTH_SAYING_S and now >= self._paused_until:
                _LOG.warning("%s: all requests wait %.0f s.", verdict.code, verdict.wait_s)
            self._paused_until = now + verdict.wait_s
        await self._budget.block(verdict.wait_s, ban=verdict.everyone == "ban")

    def _fail(self, verdict: Verdict, exchange: Exchange, path: str, attempts: int, *, throttled: int) -> None:
        failed = page_failed(verdict.code, exchange, path, attempts)
        failed.data["throttled"] = throttled
        if verdict.code in _DOWN:
            self._down_in_row += 1
            if self._down_in_row >= _DOWN_LIMIT:
                self._end(
                    ApiDown(
                        f"{_DOWN_LIMIT} requests in a row failed after all retries, the last with {failed.message};"
                        " expected an API that answers. Run the command again later: it resumes where it stopped.",
                        failed=self._down_in_row,
                    )
                )
                assert self._stop is not None
                raise self._stop from failed
        raise failed

    # Waits, which end when the run ends

    def _end(self, error: TelecineError) -> None:
        if self._stop is None:
            self._stop = error
            self._stopping.set()

    async def _pause_ends(self) -> None:
        # One at a time: with a replayer's clock, each sleep moves it.
        async with self._pausing:
            while (rest := self._paused_until - self._clock.monotonic()) > 0:
                await self._sleep(rest)
        if self._stop is not None:
            raise self._stop

    async def _sleep(self, seconds: float) -> None:
        self.tally.waited_s += seconds
        await self._unless_stopped(self._clock.sleep(seconds))

    async def _unless_stopped(self, work: Any) -> Any:
        """Return the result of a coroutine, or raise the error that ends the run, whichever comes first."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if self._stop is not None:
                raise self._stop
            return task.result()
        finally:
            for each in (task, stop):
                each.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)


def _incomplete(exchange: Exchange) -> str:
    """Return BODY_INCOMPLETE if the body is truncated JSON; neither status nor length reveal every truncation."""
    body = exchange.body
    last = body.rstrip()[-1:]
    closes = {b"{": b"}", b"[": b"]"}[body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]]
    if last != closes:
        return "BODY_INCOMPLETE"
    # The contract refuses a body of so many values.
    if exchange.framed or is_sprawling(body):
        return ""
    # The body ends where the connection did, perhaps just after a bracket: only parsing reveals the truncation.
    try:
        json.loads(body.decode("utf-8-sig", "replace"), parse_int=str, parse_float=str)
    except RecursionError:
        return ""
    except ValueError:
        return "BODY_INCOMPLETE"
    return ""

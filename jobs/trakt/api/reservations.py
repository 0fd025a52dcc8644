"""Reservations of requests: a strict sliding window, shared through PostgreSQL by all processes that use one key.

Nobody knows exactly when a request reaches the API, only that it does so after its reservation and before its answer.
So a reservation counts from the moment it is made until one window after its answer. Without an answer (a timeout, a
killed process), it counts until one window after the latest moment at which the request could have been sent and given
up. All times are those of the database's clock.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jobs.trakt.api.clock import SystemClock
from jobs.trakt.api.forecast import Forecast
from shared.database.session import transaction
from shared.errors import TelecineError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.trakt.api.clock import Clock
    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["RequestBudget"]

_LOG: Final = logging.getLogger(__name__)
# A waiting process asks this often, so that others notice if it has died, and it does not miss a ban.
_POLL_S: Final = 5.0
_DEAD_S: Final = 3 * _POLL_S
# A process that lets another go first asks again after this long.
_YIELD_S: Final = 0.25
# A run waits up to this long for a database that restarts, so no page fails because of it.
_PATIENCE_S: Final = 60.0
_FIRST_PAUSE_S: Final = 0.25
# Clocks of two machines may differ in speed by 100 ppm, and both ends of a window are part of it.
_MARGIN: Final = 0.001
_LEAST_MARGIN_S: Final = 0.05
# A client that vanishes in the middle of a transaction without closing its connection holds the key's row this long.
_LOCKED_MS: Final = 15_000
_T = TypeVar("_T")
_MOST_HALVINGS: Final = 3


@dataclass(frozen=True, slots=True)
class _Asked:
    """A reply of the database: numbers of new slots, or how long to wait; and the bans so far."""

    bans: int
    slots: list[int] = field(default_factory=list)
    wait_s: float = 0.0


class RequestBudget:
    """Reservations in PostgreSQL, made a few at a time.

    Free slots go to the waiting process with the fewest, so that a second process soon has its half. Nothing is locked
    between transactions: a process that dies leaves only reservations, which expire.

    Args:
        database: where reservations are stored.
        key_hash: hash of the key.
        limit: requests per window.
        window_s: length of the window in seconds.
        lease_s: seconds within which a reserved request is sent or its slot returned.
        timeout_s: seconds after which a sent request is given up.
        batch: slots to reserve at once, at most a tenth of the limit.
        clock: how to wait; by default for real.
    """

    def __init__(
        self,
        database: DatabaseSettings,
        key_hash: str,
        *,
        limit: int,
        window_s: float,
        lease_s: float,
        timeout_s: float,
        batch: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._key = key_hash
        self._limit = limit
        self._window_s = window_s + max(window_s * _MARGIN, _LEAST_MARGIN_S)
        self._lease_s = lease_s
        self._timeout_s = timeout_s
        self._batch = max(1, min(batch, limit // 10))
        self._clock = clock or SystemClock()
        self._client = uuid.uuid4()
        self._lock = asyncio.Lock()
        self._free: deque[tuple[int, float]] = deque()
        self._done: list[tuple[int, float]] = []
        self._unused: list[int] = []
        self._late: list[asyncio.Future[Any]] = []
        self._bans_before: int | None = None
        self._bans = 0

    @property
    def limit(self) -> int:
        """Requests per window: halved by each ban since this run began, but never below an eighth."""
        return max(1, self._limit >> min(self._bans, _MOST_HALVINGS))

    async def take(self) -> int:
        """Wait until one more request may be sent, and return the number of its slot.

        Raises:
            TransientError: PostgreSQL did not answer for a minute.
        """
        async with self._lock:
            said = False
            while (slot := self._next()) is None:
                began = time.monotonic()
                asked = await self._ask()
                # The lease begins before the reservation: it never ends later than the database assumes.
                self._free.extend((slot, began + self._lease_s) for slot in asked.slots)
                if asked.slots:
                    continue
                if asked.wait_s >= 1.0 and not said:
                    _LOG.info("The request budget is used up: %d per %.0f s.", self.limit, self._window_s)
                    said = True
                await self._clock.sleep(asked.wait_s)
            return slot

    def _next(self) -> int | None:
        while self._free:
            slot, until = self._free.popleft()
            if time.monotonic() < until:
                return slot
            self._unused.append(slot)
        return None

    def done(self, slot: int) -> None:
        """Record that a slot's request has ended: it counts for one window from now."""
        self._done.append((slot, time.monotonic()))

    def unused(self, slot: int) -> None:
        """Return a slot whose request was not sent."""
        self._unused.append(slot)

    async def block(self, seconds: float, *, ban: bool) -> None:
        """Let no process with this key send anything for some seconds.

        A ban during a ban is the same ban: the refused requests were already in flight.
        """

        def work(session: DatabaseSession) -> tuple[int, int]:
            return self._block(session, seconds, ban=ban)

        before, after = await self._transact(work)
        self._note(before)
        self._note(after)

    async def forecast(self, requests: int) -> Forecast:
        """Return when the last of some more requests could be sent, if no other process sends any.

        Requests in flight count until they would be given up, so the actual end may be a little sooner.
        """

        def work(session: DatabaseSession) -> Forecast:
            return self._forecast(session, requests)

        return await self._transact(work)

    async def close(self) -> None:
        """Return unused slots, also those of calls that were cancelled; if the database does not answer, only warn."""
        for late in await asyncio.gather(*self._late, return_exceptions=True):
            if isinstance(late, _Asked):
                self._unused += late.slots
        self._late.clear()
        self._unused += [slot for slot, _ in self._free]
        self._free.clear()
        done, unused = list(self._done), list(self._unused)

        def work(session: DatabaseSession) -> None:
            self._lock_key(session)
            self._settle(session, done, unused)
            session.run(
                "DELETE FROM trakt.request_clients WHERE key_hash = :key AND client = CAST(:client AS uuid)",
                key=self._key,
                client=str(self._client),
            )

        try:
            await self._transact(work, patience_s=0)
        except TelecineError as error:
            _LOG.warning("Unused reservations were not returned and remain until they expire: %s", error)

    async def _transact(self, work: Callable[[DatabaseSession], _T], *, patience_s: float = _PATIENCE_S) -> _T:
        """Run one transaction in a thread, and again after a lost connection; the waits in between can be cancelled.

        A transaction that commits twice reserves twice. That is safe: the first slots are never used.
        """

        def attempt() -> _T:
            with transaction(self._database) as session:
                return work(session)

        deadline, pause = time.monotonic() + patience_s, _FIRST_PAUSE_S
        while True:
            running = asyncio.ensure_future(asyncio.to_thread(attempt))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                # The thread runs on, and would write after the last transaction of `close`.
                self._late.append(running)
                raise
            except TransientError as error:
                if time.monotonic() >= deadline:
                    raise
                _LOG.warning("The request budget waits: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _POLL_S)

    async def _ask(self) -> _Asked:
        done, unused = list(self._done), list(self._unused)

        def work(session: DatabaseSession) -> _Asked:
            return self._reserve(session, done, unused)

        asked = await self._transact(work)
        del self._done[: len(done)], self._unused[: len(unused)]
        self._note(asked.bans)
        return asked

    def _note(self, bans: int) -> None:
        if self._bans_before is None:
            self._bans_before = bans
        if bans - self._bans_before > self._bans:
            self._bans = bans - self._bans_before
            _LOG.warning("The edge has banned this key: this run sends at most %d requests per window.", self.limit)

    # In a thread

    def _lock_key(self, session: DatabaseSession) -> Any:
        """Lock the key's row; return for how many seconds it is blocked and banned, and its bans so far."""
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            session.run(f"SET LOCAL {limit} = {_LOCKED_MS}")
        session.run("INSERT INTO trakt.request_keys (key_hash) VALUES (:key) ON CONFLICT DO NOTHING", key=self._key)
        session.rows("SELECT 1 FROM trakt.request_keys WHERE key_hash = :key FOR UPDATE", key=self._key)
        (row,) = session.rows(
            "SELECT coalesce(extract(epoch FROM blocked_until - clock_timestamp()), 0)::float8 AS blocked_s,"
            " coalesce(extract(epoch FROM banned_until - clock_timestamp()), 0)::float8 AS banned_s, bans"
            " FROM trakt.request_keys WHERE key_hash = :key",
            key=self._key,
        )
        return row

    def _reserve(self, session: DatabaseSession, done: Sequence[tuple[int, float]], unused: Sequence[int]) -> _Asked:
        key = self._lock_key(session)
        bans = key.bans
        self._settle(session, done, unused)
        used, next_s, poorer = self._state(session)
        free = self._limit_at(bans) - used
        if key.blocked_s > 0:
            asked = _Asked(bans, wait_s=min(key.blocked_s, _POLL_S))
        elif free <= 0:
            asked = _Asked(bans, wait_s=min(max(next_s, 0.001), _POLL_S))
        elif poorer and free <= self._batch * (poorer + 1):
            asked = _Asked(bans, wait_s=_YIELD_S)
        else:
            asked = _Asked(bans, self._insert(session, min(free, self._batch)))
        session.run(
            "INSERT INTO trakt.request_clients (key_hash, client, asked_at, waiting)"
            " VALUES (:key, CAST(:client AS uuid), clock_timestamp(), :waiting) ON CONFLICT (key_hash, client)"
            " DO UPDATE SET asked_at = excluded.asked_at, waiting = excluded.waiting",
            key=self._key,
            client=str(self._client),
            waiting=not asked.slots,
        )
        return asked

    def _settle(self, session: DatabaseSession, done: Sequence[tuple[int, float]], unused: Sequence[int]) -> None:
        """Record ended requests, and delete reservations that were not used or no longer count."""
        if done:
            now = time.monotonic()
            session.run(
                "UPDATE trakt.request_reservations AS there SET counts_until = least(there.counts_until,"
                " clock_timestamp() + make_interval(secs => ended.rest))"
                " FROM unnest(CAST(:ids AS bigint[]), CAST(:rests AS float8[])) AS ended (id, rest)"
                " WHERE there.id = ended.id",
                ids=[slot for slot, _ in done],
                rests=[max(self._window_s - (now - at), 0.0) for _, at in done],
            )
        session.run(
            "DELETE FROM trakt.request_reservations"
            " WHERE key_hash = :key AND (counts_until <= clock_timestamp() OR id = ANY (CAST(:unused AS bigint[])))",
            key=self._key,
            unused=list(unused),
        )
        session.run(
            "DELETE FROM trakt.request_clients"
            " WHERE key_hash = :key AND asked_at < clock_timestamp() - interval '1 day'",
            key=self._key,
        )

    def _state(self, session: DatabaseSession) -> tuple[int, float, int]:
        """Return the slots in use, seconds until one expires, and how many waiting processes have fewer than this."""
        (row,) = session.rows(
            """
            WITH held AS (
                SELECT client, count(*) AS slots, min(counts_until) AS first
                FROM trakt.request_reservations WHERE key_hash = :key GROUP BY client
            ), mine AS (
                SELECT coalesce(sum(slots), 0) AS slots FROM held WHERE client = CAST(:client AS uuid)
            )
            SELECT
                (SELECT coalesce(sum(slots), 0) FROM held)::bigint AS used,
                (SELECT extract(epoch FROM min(first) - clock_timestamp()) FROM held)::float8 AS next_s,
                (
                    SELECT count(*) FROM trakt.request_clients AS other LEFT JOIN held USING (client)
                    WHERE other.key_hash = :key AND other.client <> CAST(:client AS uuid) AND other.waiting
                        AND other.asked_at > clock_timestamp() - make_interval(secs => :dead)
                        AND coalesce(held.slots, 0) < (SELECT slots FROM mine)
                ) AS poorer
            """,
            key=self._key,
            client=str(self._client),
            dead=_DEAD_S,
        )
        return row.used, row.next_s or 0.0, row.poorer

    def _insert(self, session: DatabaseSession, count: int) -> list[int]:
        rows = session.rows(
            "INSERT INTO trakt.request_reservations (key_hash, client, reserved_at, counts_until)"
            " SELECT :key, CAST(:client AS uuid), moment.now, moment.now + make_interval(secs => :seconds)"
            " FROM (SELECT clock_timestamp() AS now) AS moment, generate_series(1, :count) RETURNING id",
            key=self._key,
            client=str(self._client),
            seconds=self._lease_s + self._timeout_s + self._window_s,
            count=count,
        )
        return [row.id for row in rows]

    def _block(self, session: DatabaseSession, seconds: float, *, ban: bool) -> tuple[int, int]:
        """Block the key, and return its bans before and after."""
        key = self._lock_key(session)
        after = key.bans + (1 if ban and key.banned_s <= 0 else 0)
        session.run(
            "UPDATE trakt.request_keys SET bans = :bans, blocked_until = greatest(blocked_until, moment.until),"
            " banned_until = CASE WHEN :ban THEN greatest(banned_until, moment.until) ELSE banned_until END"
            " FROM (SELECT clock_timestamp() + make_interval(secs => :seconds) AS until) AS moment"
            " WHERE key_hash = :key",
            key=self._key,
            seconds=seconds,
            ban=ban,
            bans=after,
        )
        return key.bans, after

    def _forecast(self, session: DatabaseSession, requests: int) -> Forecast:
        rows = session.rows(
            "SELECT counts_until FROM trakt.request_reservations"
            " WHERE key_hash = :key AND counts_until > clock_timestamp() ORDER BY counts_until",
            key=self._key,
        )
        found = session.rows(
            "SELECT clock_timestamp() AS now, max(blocked_until) AS blocked_until, coalesce(max(bans), 0) AS bans"
            " FROM trakt.request_keys WHERE key_hash = :key",
            key=self._key,
        )[0]
        limit = self._limit_at(found.bans)
        start = max(found.now, found.blocked_until or found.now)
        taken = [max(row.counts_until, start) for row in rows]
        # The time at which each slot of the window can be used next: now if it is free, otherwise when it expires.
        slots = [start] * (limit - len(taken)) + taken[max(len(taken) - limit, 0) :]
        windows, rest = divmod(max(requests, 1) - 1, limit)
        ends_at = slots[rest] + windows * timedelta(seconds=self._window_s) if requests > 0 else found.now
        return Forecast(requests, found.now, ends_at, limit, len(taken))

    def _limit_at(self, bans: int) -> int:
        before = bans if self._bans_before is None else self._bans_before
        return max(1, self._limit >> min(max(bans - before, 0), _MOST_HALVINGS))

"""The request budget in PostgreSQL: no window has too many requests, over processes, kills and bans."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from jobs.trakt.api.budget import UnlimitedBudget, open_budget
from jobs.trakt.api.client import TraktClient
from jobs.trakt.api.reservations import RequestBudget
from jobs.trakt.replayer.server import running
from jobs.trakt.settings.api import ApiSettings
from shared.errors import DatabaseUnreachable
from tests.forks import Forks
from tests.postgres_server import database, postgres, until  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

ROOT = Path(__file__).parents[2]
KEY = "3f9c" * 16
LIMIT, WINDOW_S = 12, 0.6

READER = """
import asyncio, sys
from jobs.trakt.api.budget import open_budget
from jobs.trakt.api.client import TraktClient
from jobs.trakt.settings.api import ApiSettings
from shared.settings.database import DatabaseSettings
from shared.step.guard import signals

async def read(number):
    settings = ApiSettings(request_quota=12, request_window_s=0.6, request_lease_s=0.5, total_timeout_s=2.0)
    async with TraktClient(settings, open_budget(settings, DatabaseSettings())) as client:
        print("started", flush=True)
        await asyncio.gather(*(client.get(f"/movies/1001/comments/oldest", {"page": number}) for _ in range(number)))

from shared.errors import Stopped
with signals():
    try:
        asyncio.run(read(int(sys.argv[1])))
    except Stopped as error:
        sys.exit(error.exit_code)
"""


def budget_of(database, **values):
    named = {"limit": LIMIT, "window_s": WINDOW_S, "lease_s": 1.0, "timeout_s": 1.0, "batch": 1, **values}
    return RequestBudget(database.settings(), "0" * 64, **named)


async def take(budget, count):
    for _ in range(count):
        budget.done(await budget.take())


@pytest.fixture(scope="module")
def forks():
    modules = ("jobs.trakt.api.budget", "jobs.trakt.api.client", "jobs.trakt.settings.api", "shared.step.guard")
    with Forks.started(*modules, "sqlalchemy.dialects.postgresql.psycopg") as found:
        yield found


def start(forks, database, site, number):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TELECINE_DATABASE_URL": database.url,
        "TRAKT_BASE_URL": site.url,
        "SOURCE_SYSTEM": "replay",
        "TRAKT_CLIENT_ID": KEY,
    }
    return forks.start(READER, str(number), env=environment, cwd=ROOT)


def busiest(site):
    return site.site.journal.busiest(int(WINDOW_S * 1_000))


def dump(database):
    tables = ("request_keys", "request_clients", "request_reservations")
    return str([database.rows(f"SELECT * FROM trakt.{table}") for table in tables])


def test_two_processes_and_a_kill_never_exceed_the_quota(forks, database):
    # The site's clock is the real one, and counts what it admits in any window, both ends included.
    with running("calm", 1, speed=1.0, quota=0, step=0) as site:
        first, second = start(forks, database, site, 300), start(forks, database, site, 300)
        try:
            until(lambda: site.site.journal.requests >= 2 * LIMIT)
            first.kill()
            third = start(forks, database, site, LIMIT)
            try:
                assert third.wait(60) == 0, third.said()
            finally:
                third.kill()
                third.communicate()
            second.send_signal(signal.SIGTERM)
            _, errors = second.communicate(timeout=30)
        finally:
            for each in (first, second):
                each.kill()
                each.communicate()
        assert second.returncode == 143
        assert "Task" not in errors
        assert "Traceback" not in errors
        assert LIMIT / 2 <= busiest(site) <= LIMIT
        assert {entry.status for entry in site.site.journal} <= {200, 404}
    found = dump(database)
    assert KEY not in found + errors


def test_the_quota_of_a_site_is_never_exceeded(database):
    values = {"request_quota": LIMIT, "request_window_s": WINDOW_S, "total_timeout_s": 2.0}

    async def read(site):
        settings = ApiSettings(source_system="replay", base_url=site.url, **values)
        async with TraktClient(settings, open_budget(settings, database.settings())) as client:
            await asyncio.gather(*(client.get("/movies/1001/ratings") for _ in range(3 * LIMIT)))
            return client.tally

    with running("calm", 1, speed=1.0, quota=0, step=0) as site:
        began = time.monotonic()
        tally = asyncio.run(read(site))
        assert tally.requests == 3 * LIMIT
        assert time.monotonic() - began >= 2 * WINDOW_S
        assert busiest(site) <= LIMIT


def test_a_killed_process_holds_its_requests_until_they_can_no_longer_arrive(database):
    async def work():
        dead = budget_of(database, limit=2, window_s=0.5, lease_s=0.2, timeout_s=0.3)
        await dead.take()
        await dead.take()
        began = time.monotonic()
        alive = budget_of(database, limit=2, window_s=0.5, lease_s=0.2, timeout_s=0.3)
        await alive.take()
        waited = time.monotonic() - began
        await alive.take()
        return waited

    assert asyncio.run(work()) >= 0.9
    # Reservations that no longer count are deleted in passing.
    assert database.rows("SELECT count(DISTINCT client) FROM trakt.request_reservations") == [(1,)]


def test_what_is_not_sent_within_its_lease_or_at_the_end_is_returned(database):
    async def work():
        budget = budget_of(database, limit=40, batch=4, lease_s=0.1, window_s=60)
        first = await budget.take()
        budget.done(first)
        await asyncio.sleep(0.15)
        second = await budget.take()
        assert second > first + 3
        assert database.rows("SELECT count(*) FROM trakt.request_reservations") == [(5,)]
        budget.unused(second)
        await budget.close()

    asyncio.run(work())
    assert database.rows("SELECT count(*) FROM trakt.request_reservations") == [(1,)]
    assert database.rows("SELECT count(*) FROM trakt.request_clients") == [(0,)]


def test_slots_of_a_call_that_was_cancelled_are_returned(database):
    async def work():
        budget = budget_of(database)
        with database.connect() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO trakt.request_keys (key_hash) VALUES (%s)", ["0" * 64])
            task = asyncio.create_task(budget.take())
            # Its thread waits for the key's row.
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%request_keys%%'"
            await asyncio.to_thread(until, lambda: database.rows(waiting))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            closed = asyncio.create_task(budget.close())
            await asyncio.sleep(0.05)
            assert not closed.done()
        await asyncio.wait_for(closed, 10)

    asyncio.run(work())
    assert database.rows("SELECT count(*) FROM trakt.request_reservations") == [(0,)]
    assert database.rows("SELECT count(*) FROM trakt.request_clients") == [(0,)]


class Sleeper:
    """A clock whose sleeper wakes when it is told to."""

    def __init__(self):
        self.asleep, self.awake = asyncio.Event(), asyncio.Event()

    async def sleep(self, _):
        self.asleep.set()
        await self.awake.wait()


def test_a_free_slot_waits_for_the_process_that_has_fewer(database):
    async def work():
        long = {"limit": 8, "window_s": 60, "lease_s": 60, "timeout_s": 60}
        rich, clock = budget_of(database, **long), Sleeper()
        await take(rich, 8)
        poor = asyncio.create_task(budget_of(database, clock=clock, **long).take())
        await clock.asleep.wait()
        database.rows(
            "UPDATE trakt.request_reservations SET counts_until = clock_timestamp()"
            " WHERE id = (SELECT min(id) FROM trakt.request_reservations) RETURNING id"
        )
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rich.take(), 0.6)
        clock.awake.set()
        await asyncio.wait_for(poor, 10)

    asyncio.run(work())


def test_the_second_process_soon_has_its_half(database):
    async def work():
        counts = {"first": 0, "second": 0}
        budgets = {name: budget_of(database, limit=8, window_s=0.3, lease_s=0.15, timeout_s=0.15) for name in counts}
        stop = time.monotonic() + 2.0

        async def spend(name):
            while time.monotonic() < stop:
                budgets[name].done(await budgets[name].take())
                counts[name] += 1

        first = asyncio.create_task(spend("first"))
        await asyncio.sleep(0.5)
        await spend("second")
        await first
        return counts

    counts = asyncio.run(work())
    assert counts["second"] >= counts["first"] / 3


def test_a_ban_stops_other_processes_and_halves_the_budget_of_running_ones(database):
    async def work():
        one, other = budget_of(database), budget_of(database)
        await take(one, 1)
        await take(other, 1)
        await one.block(0.6, ban=True)
        await other.block(0.6, ban=True)
        began = time.monotonic()
        await take(other, 1)
        waited = time.monotonic() - began
        later = budget_of(database)
        await take(later, 1)
        return waited, one.limit, other.limit, later.limit

    waited, *limits = asyncio.run(work())
    assert waited >= 0.5
    # The second ban came during the first: it is the same one.
    assert limits == [LIMIT // 2, LIMIT // 2, LIMIT]
    assert database.rows("SELECT bans FROM trakt.request_keys") == [(1,)]


def test_a_pause_stops_other_processes_and_lowers_nothing(database):
    async def work():
        one, other = budget_of(database), budget_of(database)
        await one.block(0.4, ban=False)
        began = time.monotonic()
        await take(other, 1)
        return time.monotonic() - began, one.limit

    waited, limit = asyncio.run(work())
    assert (waited >= 0.3, limit) == (True, LIMIT)


def test_the_forecast_counts_whole_windows_and_what_is_used(database):
    async def work():
        budget = budget_of(database, limit=10, window_s=100.0)
        free = await budget.forecast(10)
        more = await budget.forecast(25)
        none = await budget.forecast(0)
        await take(budget, 4)
        await budget.close()
        used = await budget.forecast(7)
        return free, more, none, used

    free, more, none, used = asyncio.run(work())
    assert (free.seconds, none.seconds, free.limit) == (0, 0, 10)
    assert more.seconds == pytest.approx(200, rel=0.01)
    assert (used.seconds, used.used) == (pytest.approx(100, rel=0.05), 4)


def test_a_transaction_that_hangs_delays_others_but_locks_nobody_out(database):
    async def work():
        with database.connect() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO trakt.request_keys (key_hash) VALUES (%s)", ["0" * 64])
            task = asyncio.create_task(budget_of(database).take())
            await asyncio.sleep(0.3)
            assert not task.done()
        # The connection is closed, as by the death of its process.
        await asyncio.wait_for(task, 10)

    asyncio.run(work())


def test_a_database_that_is_away_is_named(database, monkeypatch):
    monkeypatch.setattr("jobs.trakt.api.reservations._PATIENCE_S", 0.0)
    budget = RequestBudget(
        database.settings(database_url="postgresql://u@127.0.0.1:1/none"),
        "0" * 64,
        limit=1,
        window_s=1,
        lease_s=1,
        timeout_s=1,
    )
    budget.unused(1)

    async def work():
        await budget.close()
        with pytest.raises(DatabaseUnreachable):
            await budget._transact(lambda session: session.rows("SELECT 1"), patience_s=0)

    asyncio.run(work())


def test_a_lifted_quota_needs_no_database(database):
    lifted = ApiSettings(source_system="replay", base_url="http://127.0.0.1:1", request_quota=0)
    assert isinstance(open_budget(lifted, database.settings()), UnlimitedBudget)
    assert isinstance(open_budget(ApiSettings(client_id=KEY), database.settings()), RequestBudget)
    assert asyncio.run(open_budget(lifted, database.settings()).forecast(5)).seconds == 0


def test_the_replayer_is_advanced_by_its_clock():
    with running("calm", 1, quota=0) as site:
        settings = ApiSettings(source_system="replay", base_url=site.url, request_quota=0, advance_replayer=True)

        async def work():
            async with TraktClient(settings, UnlimitedBudget()) as client:
                await client._sleep(299.5)
                await client.get("/movies/1001")

        asyncio.run(work())
        with urllib.request.urlopen(f"{site.url}/_replayer/status") as answer:
            assert json.load(answer)["now"] >= "2026-05-04T00:05:00"

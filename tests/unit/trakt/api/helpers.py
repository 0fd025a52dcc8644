"""A clock that does not wait, a budget that records, and clients of a function or of a replayer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from jobs.trakt.api.client import TraktClient
from jobs.trakt.api.clock import ReplayerClock
from jobs.trakt.settings.api import ApiSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from jobs.trakt.api.forecast import Forecast
    from jobs.trakt.replayer.server import Running

__all__ = ["KEY", "FakeClock", "RecordingBudget", "Transport", "client_of", "client_of_site", "run"]

KEY = "3f9c" * 16
START = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


class FakeClock:
    """A clock that only sleeps move; the sleeps are recorded."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.passed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1_000.0 + self.passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)


class RecordingBudget:
    """A budget that allows everything and records each call."""

    def __init__(self) -> None:
        self.taken = 0
        self.ended: list[int] = []
        self.returned: list[int] = []
        self.blocked: list[tuple[float, bool]] = []
        self.closed = 0

    async def take(self) -> int:
        self.taken += 1
        return self.taken

    def done(self, slot: int) -> None:
        self.ended.append(slot)

    def unused(self, slot: int) -> None:
        self.returned.append(slot)

    async def block(self, seconds: float, *, ban: bool) -> None:
        self.blocked.append((seconds, ban))

    async def forecast(self, requests: int) -> Forecast:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed += 1


class Transport(httpx.AsyncBaseTransport):
    """A function as a server, whose bodies arrive as from a connection."""

    def __init__(self, handler: Callable[[httpx.Request], Any]) -> None:
        self._handler = handler

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        found = self._handler(request)
        response = await found if asyncio.iscoroutine(found) else found
        if not response.is_stream_consumed:
            return response
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(response.content))


def client_of(
    handler: Callable[[httpx.Request], Any],
    *,
    clock: Any = None,
    budget: Any = None,
    **values: Any,
) -> TraktClient:
    """A client whose requests a function answers."""
    settings = ApiSettings(**{"client_id": KEY, "source_system": "replay", "base_url": "http://127.0.0.1:1", **values})
    return TraktClient(
        settings,
        budget or RecordingBudget(),
        clock=clock or FakeClock(),
        transport=Transport(handler),
    )


def client_of_site(site: Running, *, budget: Any = None, clock: Any = None, **values: Any) -> TraktClient:
    """A client of a replayer, whose clock moves in place of waiting."""
    settings = ApiSettings(
        **{
            "client_id": KEY,
            "source_system": "replay",
            "base_url": site.url,
            "request_quota": 0,
            "read_timeout_s": 0.3,
            **values,
        }
    )
    return TraktClient(settings, budget or RecordingBudget(), clock=clock or ReplayerClock(site.url))


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)

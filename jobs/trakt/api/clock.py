"""Clocks for a client's waits: this machine's, or one that advances a replayer's clock instead of waiting."""

from __future__ import annotations

import asyncio
import http.client
import math
import time
import urllib.request
from datetime import UTC, datetime
from typing import Final, Protocol

from jobs.trakt.errors import ApiDown
from shared.text import one_line

__all__ = ["Clock", "ReplayerClock", "SystemClock"]

_TIMEOUT_S: Final = 30.0


class Clock(Protocol):
    """Time and waiting."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of the clock that event loops use."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for real."""
        await asyncio.sleep(seconds)


class ReplayerClock:
    """A clock that advances a replayer's clock instead of waiting, and counts skipped seconds as passed.

    The replayer advances by whole seconds, so waits are rounded up.

    Args:
        base_url: the replayer's URL.
    """

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/_replayer/advance"
        self._skipped = 0.0

    def now(self) -> datetime:
        """Return this machine's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds, including skipped ones."""
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Advance the replayer's clock.

        Raises:
            ApiDown: the replayer does not answer.
        """
        whole = math.ceil(seconds)
        if whole > 0:
            await asyncio.to_thread(self._advance, whole)
            self._skipped += whole

    def _advance(self, seconds: int) -> None:
        request = urllib.request.Request(f"{self._url}?seconds={seconds}", method="POST")  # noqa: S310 - validated
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT_S):
                pass
        except (OSError, http.client.HTTPException) as error:
            raise ApiDown(
                f"{self._url} does not answer: {one_line(error)}; expected a replayer, because --advance-replayer is"
                " set. Start `telecine trakt replayer`, and set TRAKT_BASE_URL to the URL that it prints, and"
                " SOURCE_SYSTEM=replay."
            ) from error

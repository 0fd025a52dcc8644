"""The request budget of a run: reservations that all processes of a key share, or none for a replayer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from jobs.trakt.api.forecast import Forecast
from jobs.trakt.api.reservations import RequestBudget

if TYPE_CHECKING:
    from jobs.trakt.api.clock import Clock
    from jobs.trakt.settings.api import ApiSettings
    from shared.settings.database import DatabaseSettings

__all__ = ["Budget", "UnlimitedBudget", "open_budget"]


class Budget(Protocol):
    """A budget that allows each request; see :func:`open_budget`."""

    async def take(self) -> int:
        """Wait until one more request may be sent, and return the number of its slot.

        The caller sends the request at once, or returns the slot with :meth:`unused`.
        """
        ...

    def done(self, slot: int) -> None:
        """Record that a slot's request has ended: it counts for one window from now."""
        ...

    def unused(self, slot: int) -> None:
        """Return a slot whose request was not sent."""
        ...

    async def block(self, seconds: float, *, ban: bool) -> None:
        """Let no process with this key send anything for some seconds.

        Args:
            seconds: from now.
            ban: halve the budget of all running processes for the rest of their runs.
        """
        ...

    async def forecast(self, requests: int) -> Forecast:
        """Return when the last of some more requests could be sent."""
        ...

    async def close(self) -> None:
        """Return slots that were not used."""
        ...


class UnlimitedBudget:
    """The budget of a replayer without a quota; it stores nothing."""

    async def take(self) -> int:
        """Return at once."""
        return 0

    def done(self, slot: int) -> None:
        """Record nothing."""

    def unused(self, slot: int) -> None:
        """Record nothing."""

    async def block(self, seconds: float, *, ban: bool) -> None:
        """Block nothing: the calling client waits by itself."""

    async def forecast(self, requests: int) -> Forecast:
        """Return the current time."""
        now = datetime.now(UTC)
        return Forecast(requests, now, now, 0, 0)

    async def close(self) -> None:
        """Do nothing: there are no slots to return."""


def open_budget(settings: ApiSettings, database: DatabaseSettings, *, clock: Clock | None = None) -> Budget:
    """Return the budget of the key; one without a limit if ``settings.request_quota`` is 0.

    Args:
        settings: the API's settings.
        database: where reservations are stored; a command passes its settings for both.
        clock: how to wait; by default for real.

    Raises:
        ConfigurationError: no key is set.
    """
    if not settings.request_quota:
        return UnlimitedBudget()
    return RequestBudget(
        database,
        settings.key_hash(),
        limit=settings.request_quota,
        window_s=settings.request_window_s,
        lease_s=settings.request_lease_s,
        timeout_s=settings.total_timeout_s,
        batch=settings.connections,
        clock=clock,
    )

"""The request budget: what allows each request, shared by all processes of one key through PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.trakt.settings.api import ApiSettings

__all__ = ["Budget", "open_budget"]


class Budget(Protocol):
    """What allows each request; see :func:`open_budget`."""

    async def take(self) -> int:
        """Wait until one more request may be sent, and return the number of its slot.

        The request must be sent at once.
        """
        ...

    def done(self, slot: int) -> None:
        """Record that the answer to a slot's request has arrived: it counts for one window from now."""
        ...

    async def block(self, seconds: float, *, ban: bool) -> None:
        """Let no process with this key send anything for some seconds.

        Args:
            seconds: from now.
            ban: lower the budget of all processes that run now, for the rest of their runs.
        """
        ...

    async def forecast(self, requests: int) -> datetime:
        """Return when the last of some more requests could be sent, if nobody else sends any."""
        ...

    async def close(self) -> None:
        """Return slots that were not used."""
        ...


def open_budget(settings: ApiSettings) -> Budget:
    """Return the budget of the key; one without a limit if ``settings.quota`` is 0."""
    raise NotImplementedError

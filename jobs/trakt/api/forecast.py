"""A forecast of when some more requests could be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Forecast"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast of when some more requests could be sent, if no other process sends any.

    Attributes:
        requests: number of requests.
        now: the database's time.
        ends_at: when the last of them could be sent.
        limit: requests per window that this run may send.
        used: how many requests count against the limit now.
    """

    requests: int
    now: datetime
    ends_at: datetime
    limit: int
    used: int

    @property
    def seconds(self) -> float:
        """Seconds from now to the last request."""
        return (self.ends_at - self.now).total_seconds()

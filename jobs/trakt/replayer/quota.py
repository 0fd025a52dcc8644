"""The quota: at most 500 GETs per key in any 300 s of the site's clock."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from typing import Final

from jobs.trakt.replayer.clock import SECOND, iso

__all__ = ["WINDOW", "Quota"]

WINDOW: Final = 300 * SECOND
_KEYS: Final = 1_000


class Quota:
    """The requests admitted in the last window, per key.

    Only admitted requests count: one that was refused does not postpone the next.

    Args:
        limit: requests per window; 0 admits all.
    """

    def __init__(self, limit: int = 500) -> None:
        self.limit = limit
        self._admitted: OrderedDict[str, deque[int]] = OrderedDict()

    def admit(self, key: str, now: int) -> int:
        """Count a request, and return 0; or return the milliseconds after which one would be admitted.

        The window includes both of its ends, so that no 300 s have 501 requests, however the client rounds.
        """
        if not self.limit:
            return 0
        times = self._admitted.setdefault(key, deque(maxlen=self.limit))
        self._admitted.move_to_end(key)
        if len(self._admitted) > _KEYS:
            self._admitted.popitem(last=False)
        if len(times) == self.limit and now - times[0] <= WINDOW:
            return times[0] + WINDOW - now + 1
        times.append(now)
        return 0

    def headers(self, wait: int, now: int) -> list[tuple[str, str]]:
        """Return the headers of a refusal.

        Args:
            wait: milliseconds until a request would be admitted.
            now: of the site's clock.
        """
        fact = {
            "name": "UNAUTHED_API_GET_LIMIT",
            "period": WINDOW // SECOND,
            "limit": self.limit,
            "remaining": 0,
            "until": iso(now + wait),
        }
        return [
            ("Retry-After", str(-(-wait // SECOND))),
            ("X-Ratelimit", json.dumps(fact, separators=(",", ":"))),
        ]

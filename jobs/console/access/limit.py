"""Limit attempts per peer and in total, within one process."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Limit"]


class Limit:
    """Counts attempts in a sliding window.

    Args:
        per_peer: maximum attempts of one peer in the window.
        all_peers: maximum attempts of all peers in the window; also bounds the memory.
        seconds: length of the window.
        clock: monotonic seconds.
    """

    def __init__(
        self, *, per_peer: int, all_peers: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_peer = per_peer
        self._all = all_peers
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._attempts: deque[tuple[float, str]] = deque()

    def wait(self, peer: str) -> int:
        """Count an attempt and return 0, or return the seconds after which the next one is admitted."""
        with self._lock:
            now = self._clock()
            while self._attempts and self._attempts[0][0] <= now - self._seconds:
                self._attempts.popleft()
            own = [at for at, who in self._attempts if who == peer]
            if len(own) >= self._per_peer:
                return math.ceil(own[0] + self._seconds - now)
            if len(self._attempts) >= self._all:
                return math.ceil(self._attempts[0][0] + self._seconds - now)
            self._attempts.append((now, peer))
            return 0

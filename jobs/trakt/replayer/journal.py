"""The journal: every request, when it came and what it got."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.replayer.clock import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entry", "Journal"]

# 100,000 entries are about 40 MB and three hours at the full quota of 20 keys.
_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its answer.

    Attributes:
        number: from 1, in order of arrival.
        at: milliseconds of the site's clock.
        method: as sent.
        target: path and query, cut to 300 characters.
        key: first 12 digits of the SHA-256 of the API key; empty without one.
        status: of the answer; 0 if none was sent.
        fault: what the scenario did to it; empty if nothing.
        rows: items in the body, before any cut.
        bytes: length of the body, before any cut.
        early: whether the key should still have waited, because of a Retry-After in seconds.
        admitted: whether it counts against the quota.
    """

    number: int
    at: int
    method: str
    target: str
    key: str
    status: int
    fault: str
    rows: int
    bytes: int
    early: bool
    admitted: bool

    def document(self) -> dict[str, Any]:
        """Return the entry as JSON, with its time as text too."""
        return {**asdict(self), "time": iso(self.at)}


class Journal:
    """The last 100,000 requests, and counts of all."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.requests = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        self._entries.append(entry)
        self.requests += 1
        self.statuses[entry.status] += 1
        if entry.fault:
            self.faults[entry.fault] += 1

    def after(self, number: int, limit: int) -> list[Entry]:
        """Return up to ``limit`` entries after the one with a number."""
        first = self._entries[0].number if self._entries else 1
        skip = max(number + 1 - first, 0)
        return list(islice(self._entries, skip, skip + limit))

    def busiest(self, window: int) -> int:
        """Return the largest number of admitted requests of one key in any window, both of its ends included.

        Args:
            window: its length in milliseconds.
        """
        most = 0
        recent: dict[str, deque[int]] = {}
        for entry in self._entries:
            if entry.admitted:
                times = recent.setdefault(entry.key, deque())
                times.append(entry.at)
                while entry.at - times[0] > window:
                    times.popleft()
                most = max(most, len(times))
        return most

    def summary(self, window: int) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "requests": self.requests,
            "kept": len(self._entries),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "faults": dict(sorted(self.faults.items())),
            "busiest_window": self.busiest(window),
        }

"""A usable answer of the API, and the facts that its headers state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "http_time", "observed"]

_COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
# An Age of more than a year is nonsense. The oldest Date that can be parsed is in the year 100.
_OLDEST_S: Final = 31_536_000
_CLOCKS_DIFFER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with status 200 whose body is complete and looks like JSON, or a 404 by the API itself.

    Attributes:
        status: 200 or 404.
        headers: by name in lower case; several of one name are joined with ", ". The text is untrusted.
        body: the body after decompression, at most 64 MiB.
        requested_at: when the last attempt was sent, by this machine's clock.
        observed_at: when the API produced the answer: Date minus Age; without a Date, when it arrived.
        attempts: number of requests sent, at least 1.
        throttled: how many of them were answered with 429.
        elapsed_s: seconds from the first attempt to the end of the body, including waits.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    requested_at: datetime
    observed_at: datetime
    attempts: int = 1
    elapsed_s: float = 0.0
    throttled: int = 0

    @property
    def page(self) -> int | None:
        """X-Pagination-Page; like the counts below, None if it is absent or not a number."""
        return self._count("x-pagination-page")

    @property
    def page_limit(self) -> int | None:
        """X-Pagination-Limit: rows per page according to the API, which may differ from the limit requested."""
        return self._count("x-pagination-limit")

    @property
    def page_count(self) -> int | None:
        """X-Pagination-Page-Count."""
        return self._count("x-pagination-page-count")

    @property
    def item_count(self) -> int | None:
        """X-Pagination-Item-Count, which may be wrong."""
        return self._count("x-pagination-item-count")

    @property
    def server(self) -> str | None:
        """x-trakt-server; "rails" is known for wrong item counts."""
        return self.headers.get("x-trakt-server")

    @property
    def etag(self) -> str | None:
        """ETag as sent, such as ``W/"33a6"``."""
        return self.headers.get("etag")

    def _count(self, name: str) -> int | None:
        text = self.headers.get(name, "").strip()
        return int(text) if _COUNT.fullmatch(text) else None


def http_time(text: str | None) -> datetime | None:
    """Return the time in an HTTP header, in UTC (RFC 9110, section 5.6.7); None if it is not a time.

    >>> http_time("Sat, 28 Nov 2026 12:00:40 GMT")
    datetime.datetime(2026, 11, 28, 12, 0, 40, tzinfo=datetime.timezone.utc)
    """
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def observed(headers: Mapping[str, str], arrived: datetime, *, any_date: bool = False) -> datetime:
    """Return when the API produced an answer: its Date minus its Age (RFC 9111, section 4.2.3).

    Args:
        headers: by name in lower case.
        arrived: when the answer arrived; used if it has no Date.
        any_date: accept even a Date more than a day from the arrival, such as that of a replayer's clock. From the API,
            such a Date is wrong: the newest observation decides, so one in the future would outlast all that follow.
    """
    made = http_time(headers.get("date"))
    if made is None:
        return arrived
    if not any_date and abs(made - arrived) > _CLOCKS_DIFFER:
        made = arrived
    text = headers.get("age", "").strip()
    age = int(text) if _COUNT.fullmatch(text) else 0
    return made - timedelta(seconds=age if age <= _OLDEST_S else 0)

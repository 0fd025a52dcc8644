"""An answer of the API that can be used: its facts, as headers state them."""

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
# An Age of more than a year is nonsense. The oldest Date that can be read is of the year 100.
_OLDEST_S: Final = 31_536_000
_CLOCKS_DIFFER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with status 200, whose body arrived whole and looks like JSON, or 404 by the API itself.

    Attributes:
        status: 200 or 404.
        headers: by name in lower case; several of one name are joined with ", ". They are text from outside.
        body: as received, without its Content-Encoding; at most 64 MiB.
        requested_at: when the last attempt was sent, by this machine's clock.
        observed_at: when the API made it: Date minus Age; without a Date, when it arrived here.
        attempts: requests that it took, at least 1.
        throttled: how many of them were answered with 429.
        elapsed_s: seconds from the first attempt to the end of the body, waits included.
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
        """X-Pagination-Page; None if it is absent or not a number, as with the counts below."""
        return self._count("x-pagination-page")

    @property
    def page_limit(self) -> int | None:
        """X-Pagination-Limit: rows per page as the API counts, which is not always what was asked for."""
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
    """Return the time of an HTTP header in UTC (RFC 9110, section 5.6.7); None if it is not one.

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
    """Return when the API made an answer: its Date minus its Age (RFC 9111, section 4.2.3).

    Args:
        headers: by name in lower case.
        arrived: when it arrived, for an answer without a Date.
        any_date: take a Date that is more than a day from the arrival too, as a replayer's clock has it. Of the API, it
            is wrong: the newest observation decides, so one of the future would outlast all that follow.
    """
    made = http_time(headers.get("date"))
    if made is None:
        return arrived
    if not any_date and abs(made - arrived) > _CLOCKS_DIFFER:
        made = arrived
    text = headers.get("age", "").strip()
    age = int(text) if _COUNT.fullmatch(text) else 0
    return made - timedelta(seconds=age if age <= _OLDEST_S else 0)

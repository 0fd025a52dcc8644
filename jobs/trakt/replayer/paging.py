"""Pages: which page a query asks for, with a limit that the site clamps, and the headers that describe it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_LIMIT", "MAX_LIMIT", "SORTS", "SYNONYMS", "BadQuery", "Page", "page_of"]

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 250
"""A larger limit is answered with this one, not refused."""
SYNONYMS: Final = {"added": "newest", "rating": "highest", "watched": "plays"}
"""Newer names of orders -> the name in the contract."""
SORTS: Final = ("newest", "oldest", "likes", "replies", "highest", "lowest", "plays", *SYNONYMS)

_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class BadQuery(ValueError):
    """A query that is answered with 400."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, numbered from 1."""

    number: int
    limit: int

    @property
    def start(self) -> int:
        """Place of its first item."""
        return (self.number - 1) * self.limit

    @property
    def stop(self) -> int:
        """Place after its last item."""
        return self.number * self.limit

    def headers(self, items: int) -> list[tuple[str, str]]:
        """Return the headers of a list with a number of items, hidden ones included."""
        return [
            ("X-Pagination-Page", str(self.number)),
            ("X-Pagination-Limit", str(self.limit)),
            ("X-Pagination-Page-Count", str(-(-items // self.limit))),
            ("X-Pagination-Item-Count", str(items)),
        ]


def page_of(query: Mapping[str, str], default: int = DEFAULT_LIMIT) -> Page:
    """Return the page that a query asks for.

    Args:
        query: its parameters.
        default: items per page if it does not say.

    Raises:
        BadQuery: ``page`` or ``limit`` is not a positive number.
    """
    limit = query.get("limit", str(default))
    # The contract knows limit=all; the site answers as to any limit that is too large.
    size = MAX_LIMIT if limit == "all" else _positive("limit", limit)
    return Page(_positive("page", query.get("page", "1")), min(size, MAX_LIMIT))


def _positive(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text) or not int(text):
        raise BadQuery(f"{name} is not a number; expected 1 or more")
    return int(text)

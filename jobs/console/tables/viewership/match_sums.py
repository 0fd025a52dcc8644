"""Rows and hours by fate: the sums of a week, a platform, a bucket or an upload, and their match rates."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from shared.report.sections import Part

__all__ = ["FATES", "PARTS", "Sums"]

FATES: Final = (
    *(Part("final", "blue-2"), Part("review", "amber"), Part("unmatched", "red"), Part("held", "brown")),
    *(Part("rejected", "dark-red"), Part("filtered", "gray"), Part("topline", "light-gray")),
)
"""Fates of rows with their colours, which are those of viewership's reports."""

_BUCKETS: Final = (
    *(Part("FULL_DATA", "blue-1"), Part("REF_ID_SERIES", "blue-2"), Part("REF_ID_ONLY", "blue-3")),
    *(Part("SERIES_SEASON_EPISODE", "teal-1"), Part("SERIES_ONLY", "teal-2"), Part("TITLE_ONLY", "teal-3")),
    *(Part("FUZZY", "violet-1"), Part("ALIAS", "violet-2"), Part("DECISION", "violet-3")),
)
PARTS: Final = (*_BUCKETS, *FATES[1:])
"""The buckets of final rows, then the other fates, as in viewership's reports."""

_OPEN: Final = ("review", "unmatched")
_ZERO: Final = Decimal()


@dataclass(slots=True)
class Sums:
    """Rows and hours of a group: a week, a platform, a bucket or an upload.

    The match rate is the share of final rows among those that are final, in review or unmatched, as in viewership's
    reports: held rows lack a deal or a value, not an episode.

    Attributes:
        key: the group.
        units: rows by fate, or by part.
        hours: hours, likewise.
        row: further columns of an upload.
    """

    key: Any
    units: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    hours: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    row: Any = None

    def add(self, name: str, units: int, hours: Decimal) -> None:
        """Add rows of a fate."""
        self.units[name] += units
        self.hours[name] += hours

    @property
    def of_units(self) -> Decimal | None:
        """The match rate in rows, 0 to 1; None if there was nothing to match."""
        return _rate(Decimal(self.units.get("final", 0)), Decimal(sum(self.units.get(name, 0) for name in _ASKED)))

    @property
    def of_hours(self) -> Decimal | None:
        """The match rate in hours, 0 to 1; None if no such row has hours."""
        return _rate(self.hours.get("final", _ZERO), sum((self.hours.get(name, _ZERO) for name in _ASKED), _ZERO))

    @property
    def open_units(self) -> int:
        """Rows that wait for a decision or match nothing."""
        return sum(self.units.get(name, 0) for name in _OPEN)

    @property
    def open_hours(self) -> Decimal:
        """Hours of the rows that wait for a decision or match nothing."""
        return sum((self.hours.get(name, _ZERO) for name in _OPEN), _ZERO)

    @property
    def all_units(self) -> int:
        """All rows."""
        return sum(self.units.values())

    @property
    def all_hours(self) -> Decimal:
        """Hours of all rows."""
        return sum(self.hours.values(), _ZERO)


_ASKED: Final = ("final", *_OPEN)


def _rate(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None

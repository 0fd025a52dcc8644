"""Match rates by platform: units, hours and revenue of every bucket and fate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from jobs.viewership.matching.model import BUCKETS, Bucket
from jobs.viewership.model import Fate, exact_sum
from jobs.viewership.tables.fates import BucketSum
from shared.report import Part, Shares, Table
from shared.report.rates import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.viewership.tables.fates import Fates
    from jobs.viewership.tables.uploads import Upload
    from shared.report import Section

__all__ = ["BUCKET_PARTS", "DECISION", "ORDER", "MatchRate", "match_rates", "rate_sections"]

DECISION: Final = "DECISION"
"""Bucket of matches that a reviewer set."""

ORDER: Final = (
    *(str(bucket) for bucket in (*BUCKETS, Bucket.FUZZY, Bucket.ALIAS)),
    DECISION,
    *(Fate.REVIEW, Fate.UNMATCHED, Fate.HELD, Fate.REJECTED, Fate.FILTERED, Fate.TOPLINE),
)
"""Parts of a bar: the buckets of final units in their order, then the fates of all others."""

_TONES: Final = (
    *("blue-1", "blue-2", "blue-3", "teal-1", "teal-2", "teal-3", "violet-1", "violet-2", "violet-3"),
    *("amber", "red", "brown", "dark-red", "gray", "light-gray"),
)
BUCKET_PARTS: Final = tuple(Part(name, tone) for name, tone in zip(ORDER, _TONES, strict=True))
"""The parts of :data:`ORDER` with their colours."""
_OPEN: Final = (Fate.REVIEW, Fate.UNMATCHED)


@dataclass(frozen=True, slots=True)
class MatchRate:
    """Fates of the units of one platform, and the match rate.

    The rate is the share of final units among those that are final, in review or unmatched. Units that are held wait
    for a deal or a value, not for an episode, and are not counted.

    Attributes:
        platform: the platform.
        uploads: number of uploads.
        sums: by fate and bucket.
    """

    platform: str
    uploads: int
    sums: tuple[BucketSum, ...]

    def units_of(self, *fates: str) -> int:
        """Return the number of units with one of these fates."""
        return sum(each.units for each in self.sums if each.fate in fates)

    def hours_of(self, *fates: str) -> Decimal:
        """Return the hours of units with one of these fates."""
        return exact_sum(each.hours for each in self.sums if each.fate in fates)

    @property
    def of_units(self) -> Decimal | None:
        """Return the match rate in units, 0 to 1; None if there was nothing to match."""
        return _rate(Decimal(self.units_of(Fate.FINAL)), Decimal(self.units_of(Fate.FINAL, *_OPEN)))

    @property
    def of_hours(self) -> Decimal | None:
        """Return the match rate in hours, 0 to 1; None if no such unit has hours."""
        return _rate(self.hours_of(Fate.FINAL), self.hours_of(Fate.FINAL, *_OPEN))


def _rate(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None


def match_rates(uploads: Iterable[Upload], found: Mapping[int, Fates]) -> list[MatchRate]:
    """Return the match rates of uploads, by platform.

    Args:
        uploads: some uploads.
        found: the fates of those that are matched; the others are not counted.
    """
    platforms = defaultdict(list)
    for each in uploads:
        if each.upload_id in found and found[each.upload_id].buckets:
            platforms[each.platform or ""].append(found[each.upload_id])
    rates = []
    for platform, members in sorted(platforms.items()):
        groups = defaultdict(list)
        for one in members:
            for part in one.buckets:
                groups[part.fate, part.bucket].append(part)
        sums = tuple(
            BucketSum(
                fate,
                bucket,
                sum(part.units for part in group),
                exact_sum(part.hours for part in group),
                exact_sum(part.revenue for part in group),
            )
            for (fate, bucket), group in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        )
        rates.append(MatchRate(platform, len(members), sums))
    return rates


def rate_sections(rates: Sequence[MatchRate]) -> list[Section]:
    """Return the bars of units and of hours by platform, and the table of match rates.

    Args:
        rates: by platform.
    """
    if not rates:
        return []
    rows = [
        (
            rate.platform,
            rate.uploads,
            rate.units_of(Fate.FINAL),
            rate.units_of(Fate.FINAL, *_OPEN),
            percent(rate.of_units),
            round(rate.hours_of(Fate.FINAL), 2),
            round(rate.hours_of(Fate.FINAL, *_OPEN), 2),
            percent(rate.of_hours),
        )
        for rate in rates
    ]
    # Reports of revenue have no hours.
    timed = [(label, values) for label, values in (_bar(rate, hours=True) for rate in rates) if any(values)]
    note = (
        "Share of final rows among those that are final, in review or unmatched. Held rows wait for a deal or a value"
        " and are not counted."
    )
    columns = ("platform", "uploads", "final", "of rows", "rate", "final hours", "of hours", "rate in hours")
    return [
        Shares("Rows by bucket", "rows", BUCKET_PARTS, [_bar(rate, hours=False) for rate in rates]),
        *([Shares("Hours by bucket", "hours", BUCKET_PARTS, timed)] if timed else []),
        Table("Match rate", columns, rows, note),
    ]


def _bar(rate: MatchRate, *, hours: bool) -> tuple[str, list[float | Decimal]]:
    values: dict[str, Decimal] = dict.fromkeys(ORDER, Decimal())
    for each in rate.sums:
        # A bucket added by a later version is counted as another bucket, so that it does not vanish from the bar.
        part = each.part if each.part in values else DECISION
        values[part] += each.hours if hours else each.units
    return rate.platform, list(values.values())

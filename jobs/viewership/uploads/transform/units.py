"""Units of an upload, and their totals: by fate, and of the whole file."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import Fate, exact_sum
from shared.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.model import Note

__all__ = ["CONTINUES", "Sums", "Units"]

CONTINUES: Final = "continues"
"""In totals, the units that have no fate yet."""

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows, hours and revenue of some units, and how many of their hours or revenues cannot be read."""

    rows: int = 0
    hours: Decimal = _ZERO
    revenue: Decimal = _ZERO
    unparsable: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.rows + other.rows,
            exact_sum((self.hours, other.hours)),
            exact_sum((self.revenue, other.revenue)),
            self.unparsable + other.unparsable,
        )


@dataclass(frozen=True, slots=True)
class Units:
    """The units of an upload.

    Attributes:
        frame: one row per unit, in the order of the file: ``line``; ``column`` (of a date in a wide sheet, or of the
            rejected cell); all fields of :data:`jobs.viewership.model.FIELDS`; ``date_grain``, ``week``, ``day``,
            ``mangled_id``; ``fate`` (null for a unit that continues), ``code``, ``reason``, ``raw`` (text of the
            rejected cell), ``control`` (a total, which counts on neither side).
        file: sums of the file, taken from its columns before units have a fate.
        empty_rows: rows without any value; they are not units.
        notes: warnings, those of the sheet and its layout included.
        evidence: column -> sentence with the value that decided its convention.
    """

    frame: pl.DataFrame
    file: Sums
    empty_rows: int = 0
    notes: tuple[Note, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)

    def totals(self) -> dict[str, Sums]:
        """Return the sums of each fate, and of :data:`CONTINUES`. Hours and revenue of control totals do not count."""
        counted = ~pl.col("control")
        found = (
            self.frame.group_by(pl.col("fate").fill_null(CONTINUES), maintain_order=True)
            .agg(
                pl.len().alias("rows"),
                pl.col("hours").filter(counted).sum(),
                pl.col("revenue").filter(counted).sum(),
                pl.col("unparsable").filter(counted).sum(),
            )
            .rows()
        )
        return {fate: Sums(rows, hours, revenue, unparsable) for fate, rows, hours, revenue, unparsable in found}

    def reconcile(self) -> dict[str, Sums]:
        """Return :meth:`totals` after a comparison with the file.

        Raises:
            IntegrityError: the fates do not add up to the file.
        """
        totals = self.totals()
        actual = sum(totals.values(), Sums())
        if actual != self.file:
            raise IntegrityError(
                f"the fates of the units add up to {_said(actual)}; expected those of the file: {_said(self.file)}"
            )
        return totals

    def rejected_share(self) -> float:
        """Return the share of rejected units among those that are not filtered; the caller compares it with a limit."""
        fates = self.frame["fate"]
        rejected, filtered = int((fates == Fate.REJECTED).sum()), int((fates == Fate.FILTERED).sum())
        return rejected / max(1, len(fates) - filtered)


def _said(sums: Sums) -> str:
    return f"{sums.rows} rows, {sums.hours} hours, {sums.revenue} revenue and {sums.unparsable} unreadable values"

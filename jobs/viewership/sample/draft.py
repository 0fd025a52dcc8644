"""A report of the sample set under construction: its rows, and the expected result."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from jobs.viewership.sample.episodes import SampleEpisode

__all__ = ["FIRST_DAY", "PERIOD", "Draft", "Truth"]

FIRST_DAY: Final = date(2025, 7, 1)
PERIOD: Final = "2025-07"
"""The period of reports that name no date."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The expected result of a report.

    Attributes:
        outcome: ``read``; ``choice`` if the file leaves a question open; ``refused``.
        code: code of a refusal.
        format: full name of the format; None if none fits.
        period: value of ``--period``, if the file names no date.
        encoding: encoding of a text file.
        header_line: line of the names, from 1.
        units: number of units: rows, or pairs of row and date that hold a value.
        fates: units that are rejected, filtered or topline; all others are matched.
        totals: sums over all units that are not filtered, as they are in the file, by field.
        refs: line -> id of the episode that it is about; None for one that the catalogue lacks.
    """

    outcome: Literal["read", "choice", "refused"] = "read"
    code: str | None = None
    format: str | None = None
    period: str | None = None
    encoding: str | None = "utf-8"
    header_line: int | None = 1
    units: int = 0
    fates: dict[str, int] = field(default_factory=dict)
    totals: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """A report under construction.

    Attributes:
        catalogue: the episodes.
        chance: random numbers of this report.
        lines: rows of texts, from the first line on.
        totals: sums of what was written.
        units: number of units.
        fates: units with another fate than matching.
        refs: line -> ref_id.
    """

    catalogue: Sequence[SampleEpisode]
    chance: random.Random
    lines: list[list[str]] = field(default_factory=list)
    totals: dict[str, Decimal] = field(default_factory=dict)
    units: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    refs: dict[str, str | None] = field(default_factory=dict)

    def row(
        self, *cells: object, ref: SampleEpisode | None = None, fate: str | None = None, **sums: Decimal | int
    ) -> None:
        """Add a row that is one unit.

        Args:
            cells: texts of the row.
            ref: the episode that it is about.
            fate: its fate, if that is not matching.
            sums: values that count in the totals, by field.
        """
        self.lines.append(["" if cell is None else str(cell) for cell in cells])
        self.units += 1
        if fate is not None:
            self.fates[fate] += 1
        else:
            self.refs[str(len(self.lines))] = ref.ref_id if ref else None
        if fate != "filtered":
            self.add(**sums)

    def add(self, **sums: Decimal | int) -> None:
        """Add values to the totals."""
        for name, value in sums.items():
            self.totals[name] = self.totals.get(name, Decimal(0)) + Decimal(value)

    def other(self, *cells: object) -> None:
        """Add a line that is not a unit: a banner, a header or a blank line."""
        self.lines.append([str(cell) for cell in cells])

    def day(self, number: int) -> date:
        """Return a day of the period."""
        return FIRST_DAY + timedelta(days=number)

    def hours(self, most: int = 5000) -> Decimal:
        """Return hours with two digits."""
        return Decimal(self.chance.randrange(1, most * 100)) / 100

    def money(self, most: int = 900) -> Decimal:
        """Return an amount with cents."""
        return Decimal(self.chance.randrange(1, most * 100)) / 100

    def count(self, most: int = 90_000) -> int:
        """Return a count."""
        return self.chance.randrange(1, most)

    def text(self, delimiter: str = ",", line_end: str = "\r\n", *, quoted: bool = False) -> str:
        """Return the lines as delimited text."""
        text = io.StringIO()
        quoting: Any = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
        csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows(self.lines)
        return text.getvalue()

    def truth(self, **known: Any) -> Truth:
        """Return the expected result, with the facts that the caller adds."""
        totals = {name: f"{value:f}" for name, value in sorted(self.totals.items())}
        return Truth(units=self.units, fates=dict(self.fates), totals=totals, refs=self.refs, **known)

"""The layout of a sheet: which rows are its header, what its columns are called, and where its data begins."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from jobs.viewership.model import Note  # noqa: TC001 - part of the public attributes
from jobs.viewership.uploads.layout.names import header_key
from jobs.viewership.uploads.letters import column_letters

__all__ = ["Column", "DateColumn", "Layout"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column that has a header or values.

    Attributes:
        position: position in ``Sheet.cells``, from 0.
        name: unique name: the cleaned header, ``Hours (2)`` for the second of that name, ``Column D`` without a header.
        raw: the header as it is in the file; None without one.
        key: the header folded for comparison, equal for columns of one name; empty without a header.
        occurrence: 1 for the first column of its name, 2 for the second, and so on.
        occurrences: number of columns with this name.
        group: header of the row above the names, if the header has two rows; None without one.
    """

    position: int
    name: str
    raw: str | None
    key: str
    occurrence: int = 1
    occurrences: int = 1
    group: str | None = None


@dataclass(frozen=True, slots=True)
class DateColumn:
    """A column of a wide sheet: one metric on one date.

    Attributes:
        position: position in ``Sheet.cells``, from 0.
        name: unique name, such as ``2025-07-01 Hours``.
        date_text: the date as it is in the file.
        metric: header of the metric, cleaned; empty if the column has a date only.
        key: the metric folded for comparison.
    """

    position: int
    name: str
    date_text: str
    metric: str
    key: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The header of a sheet and the place of its data.

    Attributes:
        header_rows: rows of the header, as indexes of ``Sheet.cells``; the last one has the names.
        header_line: line of the file (row of the workbook) with the names, from 1.
        first_row: first row of data, as an index of ``Sheet.cells``; every row from there on is data, a total or blank.
        columns: columns that are not dates, from left to right.
        dates: date columns of a wide sheet, from left to right; empty otherwise.
        banners: texts above the header, with their lines.
        confidence: 0 to 1, how clearly the header was found.
        reasons: why this row is the header, as sentences.
        notes: warnings, such as duplicate names.
    """

    header_rows: tuple[int, ...]
    header_line: int
    first_row: int
    columns: tuple[Column, ...]
    dates: tuple[DateColumn, ...] = ()
    banners: tuple[tuple[int, str], ...] = ()
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    _named: dict[str, tuple[Column, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the columns by the names that mean them; formats look up hundreds."""
        by_key: defaultdict[str, list[Column]] = defaultdict(list)
        by_name: defaultdict[str, list[Column]] = defaultdict(list)
        for column in self.columns:
            by_key[column.key].append(column)
            by_name[header_key(column.name)].append(column)
        named = {key: tuple(columns) for key, columns in by_key.items()}
        for others in (
            {key: tuple(columns) for key, columns in by_name.items()},
            {f"{key} (1)": columns[:1] for key, columns in named.items()},
            {f"column {column_letters(one.position)}".casefold(): (one,) for one in self.columns},
        ):
            named = {**others, **named}
        object.__setattr__(self, "_named", named)

    @property
    def is_wide(self) -> bool:
        """Return whether there is one column per date."""
        return bool(self.dates)

    def by_key(self, key: str) -> tuple[Column, ...]:
        """Return all columns of a name, folded by :func:`~jobs.viewership.uploads.layout.names.header_key`."""
        return tuple(column for column in self._named.get(key, ()) if column.key == key)

    def called(self, name: str) -> tuple[Column, ...]:
        """Return the columns of a name: all with this header, else the one with this unique name or these letters."""
        return self._named.get(header_key(name), ())

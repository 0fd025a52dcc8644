"""Name the columns of a sheet: each name is unique, and names that occur twice are marked."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.model import Note
from jobs.viewership.uploads.layout.model import Column, DateColumn
from jobs.viewership.uploads.layout.names import clean_header, header_key
from jobs.viewership.uploads.layout.texts import is_total
from jobs.viewership.uploads.letters import column_letters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["Header", "date_columns", "duplicate_notes", "plain_columns"]

_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one column.

    Attributes:
        position: position of the column, from 0.
        name: text of the row of names; None without one.
        group: text of the row above; None without one.
    """

    position: int
    name: str | None
    group: str | None


def plain_columns(headers: Sequence[Header], *, is_wide: bool) -> tuple[Column, ...]:
    """Return the columns that are not dates.

    Names that occur several times are told apart by the groups above them, if each has its own, else by a number.

    Args:
        headers: of columns that have a name or a value, from left to right.
        is_wide: other columns are dates; a group such as "Total" is then part of the name.
    """
    keys = Counter(header_key(header.name) for header in headers)
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for header in headers:
        if header.group is not None:
            groups[header_key(header.name)].add(header_key(header.group))
    seen: Counter[str] = Counter()
    names = _Names()
    columns = []
    for header in headers:
        key, group, label = header_key(header.name), clean_header(header.group), clean_header(header.name)
        if not key:
            label = names.unique(f"Column {column_letters(header.position)}")
            columns.append(Column(header.position, label, header.name, ""))
            continue
        seen[key] += 1
        if is_total(group) if is_wide else 1 < keys[key] == len(groups[key]):
            label = f"{group} {label}"
        elif seen[key] > 1:
            label = f"{label} ({seen[key]})"
        columns.append(
            Column(header.position, names.unique(label), header.name, key, seen[key], keys[key], group or None)
        )
    return tuple(columns)


def date_columns(dates: Mapping[int, tuple[str, str]], taken: Collection[str]) -> tuple[DateColumn, ...]:
    """Return the columns of dates.

    Args:
        dates: position of each column -> its date and metric.
        taken: names of the other columns.
    """
    names = _Names(taken)
    return tuple(
        DateColumn(position, names.unique(f"{text} {metric}".strip()), text, metric, header_key(metric))
        for position, (text, metric) in sorted(dates.items())
    )


def duplicate_notes(columns: Sequence[Column], line: int) -> tuple[Note, ...]:
    """Return a warning for each name that several columns have."""
    same: defaultdict[str, list[Column]] = defaultdict(list)
    for column in columns:
        if column.occurrences > 1:
            same[column.key].append(column)
    return tuple(
        Note(
            "DUPLICATE_COLUMN",
            f"{len(found)} columns are named {clean_header(found[0].raw)!r}; they are read as "
            + ", ".join(f"{column.name!r} (column {column_letters(column.position)})" for column in found[:_SHOWN])
            + (f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""),
            line=line,
        )
        for found in same.values()
    )


class _Names:
    """Names that are taken; counts on where it stopped, as thousands of columns may have one name."""

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = set(taken)
        self._last: Counter[str] = Counter()

    def unique(self, name: str) -> str:
        """Take a name, with a number behind it if it is taken."""
        unique = name
        while unique in self._taken:
            self._last[name] = max(self._last[name], 1) + 1
            unique = f"{name} ({self._last[name]})"
        self._taken.add(unique)
        return unique

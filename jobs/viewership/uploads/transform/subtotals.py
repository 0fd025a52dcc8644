"""Subtotals: rows that name a total and a group, such as "Harbour Lights Total", and whose values add up its rows."""

from __future__ import annotations

import re
from bisect import bisect_left
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.viewership.uploads.values.fold import fold, is_blank

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import polars as pl

__all__ = ["Candidate", "Subtotals", "digits", "named_totals", "tolerance"]

_HALF: Final = Decimal("0.5")
# A prefilter, since most texts have none of these words.
_WORDS: Final = ("total", "sum", "somma", "gesamt")
_MARK: Final = (
    r"(?:(?:grand|overall) )?(?:sub|sous)?[ -]?total[es]?|(?:zwischen|teil|gesamt)?summe|(?:ins)?gesamt|suma|somma|sum"
)
# A file may consist of a million titles such as "Total Recall"; each candidate takes up to a millisecond.
_MOST: Final = 10_000
# Values added to find groups: a million takes about 50 ms.
_WORK: Final = 60_000_000
_LETTERS: Final = re.compile(r"[^\W\d_]{2}")
_JOINT: Final = r"(?: ?[:\-\u2013\u2014] ?| )"
_BEFORE: Final = re.compile(rf"(?:{_MARK}){_JOINT}((?:(?:of|for|von|f\xfcr|de|du|pour|di|por) )?)(.+)")
_AFTER: Final = re.compile(rf"(.+?)(?:{_JOINT}| ?\()(?:{_MARK})\)?:?")


class Candidate(NamedTuple):
    """A row that may be a subtotal.

    Attributes:
        row: its position.
        place: position of the column with its label.
        label: the label.
        names: what the group may be called, folded.
    """

    row: int
    place: int
    label: str
    names: tuple[str, ...]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _names(label: str) -> tuple[str, ...]:
    """Return the names that a label has besides the word for a total.

    >>> _names("Harbour Lights Total"), _names("Total of Us"), _names("Totality")
    (('harbour lights',), ('us', 'of us'), ())
    """
    text, found = _folded(label), []
    if match := _BEFORE.fullmatch(text):
        found += [match[2], match[1] + match[2]]
    if match := _AFTER.fullmatch(text):
        found.append(match[1])
    return tuple(dict.fromkeys(name.strip() for name in found))


def named_totals(cells: pl.DataFrame, places: Sequence[int], skip: Collection[int]) -> list[Candidate]:
    """Return the rows with a label that names a total and a group, in their order.

    Args:
        cells: the cells of the rows.
        places: positions of the columns that may hold labels.
        skip: rows that are known to be totals.
    """
    found: dict[int, Candidate] = {}
    for place in places:
        column = cells.to_series(place)
        hits = column.str.contains_any(list(_WORDS), ascii_case_insensitive=True).fill_null(value=False)
        if not hits.any():
            continue
        texts = column.filter(hits).unique()
        names = {text: named for text in texts.to_list() if (named := _names(text))}
        if names:
            for row in column.is_in(list(names)).fill_null(value=False).arg_true().head(_MOST).to_list():
                if row not in skip:
                    found.setdefault(row, Candidate(row, place, column[row], names[column[row]]))
    return [found[row] for row in sorted(found)]


class Subtotals:
    """Finds the groups that candidates add up.

    Args:
        cells: the cells of the rows.
        headers: position -> name of each column that may hold names.
        sums: field -> its value of each row.
        named: positions of the columns of names or dates, which say something even without a word.
        totals: rows that are known to be totals.
        candidates: rows that may be subtotals.
    """

    def __init__(
        self,
        cells: pl.DataFrame,
        headers: Mapping[int, str],
        sums: Mapping[str, pl.Series],
        *,
        named: Collection[int],
        totals: Collection[int],
        candidates: Sequence[Candidate],
    ) -> None:
        self._cells = cells
        self._work = 0
        self._named = named
        self._sums = sums
        self._totals = set(totals)
        self._candidates = candidates
        self._bounds = sorted({*totals, *(each.row for each in candidates)})
        # Without a candidate, no text is looked at.
        self._texts = {
            place: cells.to_series(place).str.to_lowercase().str.strip_chars().str.replace_all(r"\s+", " ")
            for place in headers
            if candidates
        }
        self._rows = self._indexed(headers)
        self._ends = set(self._bounds)
        self._alike: dict[str, set[int]] = {}
        for each in candidates:
            for name in each.names:
                self._alike.setdefault(name, set()).add(each.row)

    def _indexed(self, headers: Mapping[int, str]) -> dict[str, list[list[int]]]:
        """Return the rows whose cell of a column is a name, or is with the column's name before it ("Season 1")."""
        names = {name for each in self._candidates for name in each.names}
        index: dict[str, list[list[int]]] = {}
        for place, header in headers.items() if names else ():
            values = {name: name for name in names}
            before = f"{_folded(header)} "
            values |= {name.removeprefix(before): name for name in names if name.startswith(before)}
            column = self._texts[place]
            rows: dict[str, list[int]] = {}
            for row in column.is_in(list(values)).fill_null(value=False).arg_true().to_list():
                rows.setdefault(values[column[row]], []).append(row)
            for name, members in rows.items():
                index.setdefault(name, []).append(members)
        return index

    def find(self) -> set[int]:
        """Return the candidates whose values are the sums of their group.

        A title such as "Total Recall" is a candidate that belongs to a group: a second pass counts those left over.
        """
        found: set[int] = set()
        for others in (set(self._bounds), self._totals):
            excluded = others | found
            index = {
                name: [[row for row in rows if row not in excluded] for rows in lists]
                for name, lists in self._rows.items()
            }
            found |= {
                each.row
                for each in self._candidates
                if each.row not in found
                and any(self._is_total(each, group) for group in self._groups(each, index, excluded))
            }
        return found

    def _groups(
        self, each: Candidate, index: Mapping[str, list[list[int]]], excluded: Collection[int]
    ) -> Iterator[list[int]]:
        """Yield the rows that a candidate may add up: of its name, those next to it or all; or the block above it."""
        for name in each.names:
            for rows in index.get(name, ()):
                at = bisect_left(rows, each.row)
                own = at < len(rows) and rows[at] == each.row
                # Most groups are long: none of them is copied as a whole unless it has the row itself. Totals of parts
                # may be among its rows, and the total of another group of the same name ends it.
                for ends in (self._ends, self._alike[name]):
                    yield _run((rows[place] for place in range(at - 1, -1, -1)), each.row, -1, excluded, ends)
                    yield _run((rows[place] for place in range(at + own, len(rows))), each.row, 1, excluded, ends)
                yield rows[:at] + rows[at + 1 :] if own else rows
        block = self.block(each.row)
        # A heading above the block, or the titles, name the group.
        if self.fits(each.row, block) and any(
            column.gather(block).str.contains(name, literal=True).any()
            for name in each.names
            for column in self._texts.values()
        ):
            yield block

    def block(self, row: int) -> list[int]:
        """Return the rows above one, down from the last total."""
        at = bisect_left(self._bounds, row)
        return list(range(self._bounds[at - 1] + 1 if at else 0, row))

    def is_empty(self, row: int) -> bool:
        """Return whether a row has no value to compare, or only zeros."""
        return not any(column[row] for column in self._sums.values())

    def _is_total(self, each: Candidate, group: list[int]) -> bool:
        if not self.fits(each.row, group):
            return False
        # Whatever else the row names is the same in its whole group; an episode of a series has more.
        others = [
            self._cells.to_series(place) for place in self._texts if place != each.place and self._says(place, each.row)
        ]
        return not others or (
            len(group) > 1
            and all((column.gather(group) == column[each.row]).fill_null(value=False).all() for column in others)
        )

    def _says(self, place: int, row: int) -> bool:
        text = fold(self._cells.to_series(place)[row] or "")
        return not is_blank(text) and (place in self._named or _LETTERS.search(text) is not None)

    @property
    def exhausted(self) -> bool:
        """Return whether so much was added that no further row fits: thousands of totals of a million rows."""
        return self._work > _WORK

    def fits(self, row: int, group: list[int] | pl.Series) -> bool:
        """Return whether the values of a row are the sums of other rows, and not all 0."""
        is_any = False
        self._work += len(group)
        if self.exhausted:
            return False
        for column in self._sums.values() if len(group) else ():
            value = column[row]
            if value is None:
                continue
            others, value = column.gather(group).drop_nulls(), Decimal(value)
            if abs(Decimal(others.sum() or 0) - value) > min(tolerance(others, value), abs(value) / 100):
                return False
            is_any |= value != 0
        return is_any


def _run(rows: Iterable[int], start: int, step: int, excluded: Collection[int], ends: Collection[int]) -> list[int]:
    """Return the first of some rows that have only excluded ones between them and a start, and none that ends them."""
    found, cursor = [], start + step
    for row in rows:
        while cursor != row and cursor in excluded and cursor not in ends:
            cursor += step
        if cursor != row:
            break
        found.append(row)
        cursor += step
    return found


def tolerance(column: pl.Series, value: Decimal) -> Decimal:
    """Return how far a total may be from the sum of rows that were rounded: four times the expected error."""
    if column.dtype.is_integer():
        return Decimal(0)
    shares = [digits(each) for each in column.tail(1000).to_list()]
    step = Decimal(1).scaleb(-max(shares, default=0))
    return _HALF.scaleb(-digits(value)) + 4 * step * (Decimal(len(column)) / 12).sqrt()


def digits(value: Decimal) -> int:
    """Return the number of digits after the decimal mark, without trailing zeros."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0

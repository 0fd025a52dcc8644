"""Stream the sheets of an .xlsx or .xlsm workbook: memory does not depend on the sheet's extent.

calamine allocates the rectangle up to the last cell, so that one cell in XFD1048576 aborts the process, reads a formula
without a value and an error as a blank, and cannot tell them apart.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.viewership.model import CellKind
from jobs.viewership.uploads.letters import column_letters, column_number
from jobs.viewership.uploads.reading._archive import Stop, damaged
from jobs.viewership.uploads.reading._cells import (
    date_text,
    format_kind,
    number_text,
    serial_text,
)
from jobs.viewership.uploads.reading.limits import MAX_MERGED, over
from shared.text import brief

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.viewership.uploads.reading._archive import Archive
    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["Content", "SheetEntry", "Xlsx"]

_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_RANGE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6}):([A-Z]{1,3})([1-9][0-9]{0,6})")
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Excel's own limit for the code of a format.
_MAX_CODE: Final = 255
# Digits that a float holds exactly.
_EXACT_DIGITS: Final = 15
_MAX_SHEETS: Final = 1_000
_MAX_ROW: Final = 1_048_576
_KIND_DIGITS: Final = {kind: str(int(kind)) for kind in CellKind}


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A sheet in a workbook's list.

    Attributes:
        name: its name.
        is_hidden: hidden, or very hidden.
        part: its part in the archive.
    """

    name: str
    is_hidden: bool
    part: str


@dataclass(slots=True)
class Content:
    """Contents of a sheet other than its rows.

    Attributes:
        merged: ranges of merged cells: first row, first column, last row, last column; rows from 1, columns from 0.
        unvalued: references of the first formulas without a value.
        unvalued_count: number of such formulas.
        errors: references of the first cells with errors.
        error_count: number of such cells.
    """

    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    unvalued: list[str] = field(default_factory=list)
    unvalued_count: int = 0
    errors: list[str] = field(default_factory=list)
    error_count: int = 0


class Xlsx:
    """A workbook.

    Args:
        archive: the archive.
        limits: limits on the characters of a cell.

    Attributes:
        sheets: its worksheets, in their order; charts and dialogs are left out.
        is_1904: day numbers count from 1904.

    Raises:
        Refused: ``FORMAT``; ``LIMIT``.
    """

    def __init__(self, archive: Archive, limits: ReadLimits) -> None:
        self._archive = archive
        self._limits = limits
        roots = [target for kind, target in archive.related("").values() if kind == "officeDocument"]
        self._book = next((target for target in roots if target in archive), "xl/workbook.xml")
        if self._book not in archive:
            raise damaged("it has no workbook part")
        self._relations = archive.related(self._book)
        self.is_1904 = False
        self.sheets: list[SheetEntry] = []
        archive.parse(self._book, {"workbookPr": self._start_book, "sheet": self._start_sheet})
        self._kinds = self._styles()
        self._strings: list[str] | None = None
        self._filled: dict[str, bool] = {}

    def _start_book(self, attributes: dict[str, str]) -> None:
        self.is_1904 = attributes.get("date1904", "0") in ("1", "true", "on")

    def _start_sheet(self, attributes: dict[str, str]) -> None:
        identifier = next((value for key, value in attributes.items() if key.endswith(":id")), "")
        kind, part = self._relations.get(identifier, ("", ""))
        if kind == "worksheet":
            is_hidden = attributes.get("state", "visible") != "visible"
            self.sheets.append(SheetEntry(attributes.get("name", ""), is_hidden, part))
        if len(self.sheets) > _MAX_SHEETS:
            raise over("the workbook has", f"more than {_MAX_SHEETS:,} sheets", _MAX_SHEETS, "save the sheet as CSV")

    def _part(self, kind: str) -> str | None:
        return next(
            (target for found, target in self._relations.values() if found == kind and target in self._archive), None
        )

    def _styles(self) -> list[CellKind]:
        """Return the kind of number of each cell format."""
        codes: dict[int, CellKind] = {}
        kinds: list[CellKind] = []
        is_inside = False

        def number_format(attributes: dict[str, str]) -> None:
            number = _integer(attributes.get("numFmtId", ""))
            codes[number] = format_kind(number, attributes.get("formatCode", "")[:_MAX_CODE])

        def cell_formats(_: dict[str, str]) -> None:
            nonlocal is_inside
            is_inside = True

        def cell_format(attributes: dict[str, str]) -> None:
            if is_inside:
                number = _integer(attributes.get("numFmtId", "0"))
                kinds.append(codes[number] if number in codes else format_kind(number, None))

        def end() -> None:
            raise Stop

        if (part := self._part("styles")) is not None:
            starts = {"numFmt": number_format, "cellXfs": cell_formats, "xf": cell_format}
            self._archive.parse(part, starts, {"cellXfs": end})
        return kinds

    def _shared_strings(self) -> list[str]:
        if self._strings is None:
            self._strings = []
            if (part := self._part("sharedStrings")) is not None:
                reader = _Strings(self._strings, self._limits)
                self._archive.parse(part, reader.starts, reader.ends, reader.texts.append)
        return self._strings

    def has_values(self, sheet: SheetEntry) -> bool:
        """Return whether a sheet has a cell with a value."""
        # A thousand sheets may share one part, which is read only once.
        if (known := self._filled.get(sheet.part)) is not None:
            return known
        found = False

        def take(*_: object) -> None:
            nonlocal found
            found = True
            raise Stop

        self.read(sheet, take)
        self._filled[sheet.part] = found
        return found

    def read(self, sheet: SheetEntry, take: Callable[[int, list[str], str], None]) -> Content:
        """Stream a sheet.

        Args:
            sheet: one of :attr:`sheets`.
            take: receives the rows with a value: number, text of its cells up to the last value, and kinds, a digit
                each. It may raise :class:`Stop`.

        Raises:
            Refused: ``FORMAT``; ``LIMIT``.
        """
        if sheet.part not in self._archive:
            raise damaged(f"sheet {sheet.name!r} is missing")
        reader = _Rows(self._shared_strings(), self._kinds, self._limits, take, is_1904=self.is_1904)
        self._archive.parse(sheet.part, reader.starts, reader.ends, reader.texts.append)
        return reader.content


class _Strings:
    """Handlers of the part with shared strings."""

    def __init__(self, strings: list[str], limits: ReadLimits) -> None:
        self._strings = strings
        self._limits = limits
        self._runs: list[str] = []
        self._is_phonetic = False
        self.texts: list[str] = []
        self.starts = {"t": self._start_text, "si": self._start_string, "rPh": self._start_phonetic}
        self.ends = {"t": self._end_text, "si": self._end_string, "rPh": self._end_phonetic}

    def _start_text(self, _: dict[str, str]) -> None:
        self.texts.clear()

    def _start_string(self, _: dict[str, str]) -> None:
        self._runs = []

    def _start_phonetic(self, _: dict[str, str]) -> None:
        self._is_phonetic = True

    def _end_text(self) -> None:
        if not self._is_phonetic:
            self._runs.append("".join(self.texts))

    def _end_string(self) -> None:
        self._strings.append(_checked(_unescaped("".join(self._runs)), self._limits, "a shared string"))

    def _end_phonetic(self) -> None:
        self._is_phonetic = False


class _Rows:
    """Handlers of the part of a sheet."""

    def __init__(
        self,
        strings: list[str],
        kinds: list[CellKind],
        limits: ReadLimits,
        take: Callable[[int, list[str], str], None],
        *,
        is_1904: bool,
    ) -> None:
        self._strings = strings
        self._kinds = {str(number): kind for number, kind in enumerate(kinds)}
        self._limits = limits
        self._take = take
        self._is_1904 = is_1904
        self._columns: dict[str, int] = {}
        self._row = 0
        self._column = -1
        self._cells: list[str] = []
        self._digits: list[str] = []
        # Of the present cell: its type and style, and what was found in it; None for an element that is absent.
        self._is_cell = False
        self._type = "n"
        self._style = ""
        self._value: str | None = None
        self._formula: str | None = None
        self._runs: list[str] | None = None
        self._is_phonetic = False
        self.texts: list[str] = []
        self.content = Content()

        self.starts = {
            "c": self._start_cell,
            **dict.fromkeys(("v", "f", "t"), self._start_text),
            "row": self._start_row,
            "is": self._start_runs,
            "rPh": self._start_phonetic,
            "mergeCell": self._merge,
        }
        self.ends = {
            "v": self._end_value,
            "c": self._end_cell,
            "row": self._end_row,
            "t": self._end_text,
            "f": self._end_formula,
            "rPh": self._end_phonetic,
        }

    def _start_text(self, _: dict[str, str]) -> None:
        self.texts.clear()

    def _start_runs(self, _: dict[str, str]) -> None:
        self._runs = []

    def _start_phonetic(self, _: dict[str, str]) -> None:
        self._is_phonetic = True

    def _end_value(self) -> None:
        self._value = "".join(self.texts)

    def _end_row(self) -> None:
        if self._cells:
            self._take(self._row, self._cells, "".join(self._digits))
            self._cells, self._digits = [], []

    def _end_text(self) -> None:
        if self._runs is not None and not self._is_phonetic:
            self._runs.append("".join(self.texts))

    def _end_formula(self) -> None:
        self._formula = "".join(self.texts)

    def _end_phonetic(self) -> None:
        self._is_phonetic = False

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = attributes.get("r")
        row = self._row + 1 if number is None else _integer(number)
        if not self._row < row <= _MAX_ROW:
            raise damaged(f"row {row} comes after row {self._row}")
        self._row, self._column = row, -1

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        if reference is None:
            column = self._column + 1
        else:
            letters = reference.rstrip("0123456789")
            found = self._columns.get(letters)
            column = self._new_column(reference, letters) if found is None else found
        if column <= self._column:
            raise damaged(f"cell {column_letters(column)}{self._row} appears twice, or after a cell to its right")
        self._column = column
        self._is_cell = True
        self._type = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self._value = self._formula = self._runs = None

    def _new_column(self, reference: str, letters: str) -> int:
        if not _REFERENCE.fullmatch(reference) or (column := column_number(letters)) >= 16_384:  # noqa: PLR2004  XFD
            raise damaged(f"{brief(reference)} is not a cell")
        self._columns[letters] = column
        return column

    def _end_cell(self) -> None:
        if not self._is_cell:
            return
        self._is_cell = False
        text, kind = self._read_cell()
        if not text:
            return
        limits, column, cells = self._limits, self._column, self._cells
        if len(text) > limits.cell_chars:
            _checked(text, limits, f"cell {self._reference()}")
        if column >= limits.columns:
            raise over(
                f"cell {self._reference()} is in column",
                column + 1,
                limits.columns,
                f"delete everything to the right of column {column_letters(limits.columns - 1)}, or save as CSV",
            )
        if missing := column - len(cells):
            cells += [""] * missing
            self._digits += ["0"] * missing
        cells.append(text)
        self._digits.append(_KIND_DIGITS[kind])

    def _read_cell(self) -> tuple[str, CellKind]:
        """Return text and kind of the present cell; an empty text for a blank."""
        kind = self._type
        if kind == "s":
            return self._shared(self._value) if self._value else "", CellKind.TEXT
        if kind == "inlineStr":
            return _unescaped("".join(self._runs or ())), CellKind.TEXT
        if kind == "str" and self._value is not None:
            return _unescaped(self._value), CellKind.TEXT
        value = "" if self._value is None else self._value.strip()
        if value:
            return self._number(value) if kind == "n" else self._other(value)
        if self._formula is None:
            return "", CellKind.TEXT
        _note(self.content.unvalued, self._reference())
        self.content.unvalued_count += 1
        return f"={self._formula}"[: self._limits.cell_chars], CellKind.FORMULA

    def _other(self, value: str) -> tuple[str, CellKind]:
        """Return text and kind of a boolean, an error, or a date in ISO 8601."""
        if self._type == "b":
            return "TRUE" if value in ("1", "true") else "FALSE", CellKind.BOOLEAN
        if self._type == "e":
            _note(self.content.errors, self._reference())
            self.content.error_count += 1
            return value, CellKind.ERROR
        if self._type != "d":
            raise damaged(f"cell {self._reference()} has the type {brief(self._type)}")
        try:
            moment = dt.datetime.fromisoformat(value.removesuffix("Z"))
        except ValueError:
            return value, CellKind.TEXT
        return date_text(moment.date(), moment.hour * 3600 + moment.minute * 60 + moment.second), CellKind.DATE

    def _number(self, value: str) -> tuple[str, CellKind]:
        kind = self._kinds.get(self._style, CellKind.NUMBER)
        if kind is CellKind.NUMBER and value.isdecimal() and value.isascii() and len(value) <= _EXACT_DIGITS:
            return (value if value[0] != "0" else str(int(value))), kind
        # Text in place of a number rejects the row, not the workbook.
        if not _NUMBER.fullmatch(value) or not math.isfinite(found := float(value)):
            return value, CellKind.TEXT
        return (
            (number_text(found), kind) if kind is CellKind.NUMBER else serial_text(found, kind, is_1904=self._is_1904)
        )

    def _shared(self, value: str) -> str:
        number = _integer(value)
        if number >= len(self._strings):
            raise damaged(f"cell {self._reference()} refers to shared string {number}, which is missing")
        return self._strings[number]

    def _reference(self) -> str:
        return f"{column_letters(self._column)}{self._row}"

    def _merge(self, attributes: dict[str, str]) -> None:
        if (match := _RANGE.fullmatch(attributes.get("ref", ""))) is None:
            return
        if len(self.content.merged) == MAX_MERGED:
            raise over("the sheet has", f"more than {MAX_MERGED:,} merged ranges", MAX_MERGED, "save the sheet as CSV")
        first, first_row, last, last_row = match.groups()
        self.content.merged.append((int(first_row), column_number(first), int(last_row), column_number(last)))


_SHOWN: Final = 5


def _note(references: list[str], reference: str) -> None:
    if len(references) < _SHOWN:
        references.append(reference)


def _integer(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 10):  # noqa: PLR2004  all numbers of rows and formats
        raise damaged(f"{brief(text)} is not a number")
    return int(text)


def _unescaped(text: str) -> str:
    """Replace escapes of characters that XML cannot hold, such as ``_x000D_``; those of half a character stay."""
    if "_x" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        code = int(match[1], 16)
        return match[0] if 0xD800 <= code <= 0xDFFF else chr(code)  # noqa: PLR2004  surrogates

    return _ESCAPE.sub(character, text)


def _checked(text: str, limits: ReadLimits, what: str) -> str:
    if len(text) > limits.cell_chars:
        raise over(f"{what} has", f"{len(text):,} characters", limits.cell_chars, "shorten it")
    return text

"""Split the text of a table into records: by Polars where that is exact, by the csv module everywhere else.

The csv module decides: excel dialect, CR LF, LF and CR as line ends, quotes only around whole cells. Blocks of lines
of which each is a whole record by itself are read by Polars, at about three times the speed; a block with a quoted
line break or a stray quote is not such a block.
"""

from __future__ import annotations

import csv
import re
from array import array
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import polars as pl

from jobs.viewership.errors import refuse
from jobs.viewership.model import Note
from jobs.viewership.uploads.reading.encoding import line_of
from jobs.viewership.uploads.reading.limits import over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.viewership.errors import Refused
    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["Records", "split"]

# The frame of lines of a block and its parsed cells exist at once: about ten times this.
_BLOCK: Final = 1 << 24
# Rows that are transposed at once: their lists are held beside the columns.
_ROWS: Final = 50_000
# Text that the csv module is given lines of at once.
_PIECE: Final = 1 << 20


class Records(NamedTuple):
    """The records of a text table.

    Attributes:
        cells: String columns ``"0"``, ``"1"``, …; null for a cell that is absent or empty.
        lines: UInt32, the line where each record begins.
        notes: warnings.
    """

    cells: pl.DataFrame
    lines: pl.Series
    notes: tuple[Note, ...]


class _Block(NamedTuple):
    """Records that stand next to each other.

    Attributes:
        cells: as in :class:`Records`.
        lines: UInt32, line of each record, counted from 0 at the start of the block.
        widths: UInt32, cells of each record.
        end: position in the text of what follows.
        line_count: lines that the block takes.
        misquoted: line of the first cell with text beside its quotes, counted as ``lines``; None if there is none.
    """

    cells: pl.DataFrame
    lines: pl.Series
    widths: pl.Series
    end: int
    line_count: int
    misquoted: int | None = None


def split(text: bytes, delimiter: str, limits: ReadLimits, *, start: int = 0) -> Records:
    """Split text into records; lines without any character are none.

    Args:
        text: UTF-8 without a byte-order mark.
        delimiter: one ASCII character.
        limits: see :class:`~jobs.viewership.uploads.reading.limits.ReadLimits`.
        start: position of the first line that is not skipped.

    Raises:
        Refused: ``LIMIT``; ``FORMAT`` for a quote that is never closed.
    """
    blocks: list[_Block] = []
    position, line, rows = start, line_of(text, start), 0
    misquoted: list[int] = []
    has_lf = b"\n" in text
    while position < len(text):
        end = _line_end(text, position + _BLOCK, has_lf=has_lf)
        block = _by_polars(text[position:end], end, delimiter, limits, line) or _by_csv(
            text, position, end, delimiter, limits, line
        )
        blocks.append(block._replace(lines=block.lines + line))
        if block.misquoted is not None:
            misquoted.append(line + block.misquoted)
        line += block.line_count
        rows += len(block.lines)
        position = block.end
        if rows > limits.rows:
            found = rows + text.count(b"\n", position)
            raise over("the file has about", f"{found:,} records", limits.rows, "split it by date, or raise the limit")
    return _joined(text, blocks, misquoted)


def _line_end(text: bytes, least: int, *, has_lf: bool) -> int:
    """Return the position behind the first line end at or after a position."""
    if least >= len(text):
        return len(text)
    found = text.find(b"\n" if has_lf else b"\r", least)
    return len(text) if found < 0 else found + 1


def _by_polars(raw: bytes, end: int, delimiter: str, limits: ReadLimits, first: int) -> _Block | None:
    """Read a block whose lines are whole records each; None if one is not, or if Polars sees other records."""
    # Harmless: if a cell held a line end, its line would not be a whole record.
    body = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw
    lines = pl.Series([body]).cast(pl.String).str.split("\n").explode()
    if body.endswith(b"\n"):
        lines = lines.head(-1)
    has_quotes = b'"' in body
    widths = lines.str.count_matches(delimiter, literal=True) + 1
    if has_quotes:
        is_quoted = lines.str.contains('"', literal=True)
        quoted = lines.filter(is_quoted)
        if not quoted.str.contains(_record_pattern(delimiter)).all():
            return None
        of_quoted = quoted.str.replace_all(r'"[^"]*"', "").str.count_matches(delimiter, literal=True) + 1
        widths = widths.scatter(is_quoted.arg_true(), of_quoted)
    width = int(widths.max())  # type: ignore[arg-type]
    if width > limits.columns:
        _refuse_width(width, first + int(widths.arg_max() or 0), limits)
    cells = _parsed(body, lines, width, delimiter, has_quotes=has_quotes)
    if cells is None:
        return None
    longest = lines.str.len_chars()
    if int(longest.max()) > limits.cell_chars:  # type: ignore[arg-type]
        for column in cells.iter_columns():
            found = column.str.len_chars()
            if (found.max() or 0) > limits.cell_chars:  # type: ignore[operator]
                _refuse_cell(found.max(), first + int(found.arg_max() or 0), limits)
    count = len(lines)
    numbers = pl.int_range(count, dtype=pl.UInt32, eager=True)
    is_blank = lines == ""
    if is_blank.any():
        cells, numbers, widths = cells.filter(~is_blank), numbers.filter(~is_blank), widths.filter(~is_blank)
    return _Block(cells, numbers, widths.cast(pl.UInt32), end, count)


def _record_pattern(delimiter: str) -> str:
    """Return the expression of a line that is a record by itself, with quotes around whole cells only."""
    mark = re.escape(delimiter) if delimiter != "\t" else r"\t"
    cell = f'(?:[^"{mark}]*|"(?:[^"]|"")*")'
    return f"^{cell}(?:{mark}{cell})*$"


def _parsed(body: bytes, lines: pl.Series, width: int, delimiter: str, *, has_quotes: bool) -> pl.DataFrame | None:
    names = [str(position) for position in range(width)]
    if width == 1:
        if has_quotes:
            return None
        cells = lines.alias("0").to_frame()
        return cells.with_columns(pl.when(pl.all() != "").then(pl.all()))
    try:
        cells = pl.read_csv(
            # Polars takes the number of columns from the first line.
            delimiter.encode() * (width - 1) + b"\n" + body,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            separator=delimiter,
            quote_char='"' if has_quotes else None,
            infer_schema=False,
        ).slice(1)
    except pl.exceptions.PolarsError:
        return None
    if len(cells) != len(lines):
        return None
    if b'""' in body:
        cells = cells.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return cells


def _by_csv(text: bytes, start: int, end: int, delimiter: str, limits: ReadLimits, first: int) -> _Block:
    """Read the lines up to ``end`` by the csv module, and those beyond it that the last record takes."""
    try:
        return _read_csv(text, start, end, delimiter, limits, first, strict=True)
    except _Misquoted as error:
        block = _read_csv(text, start, end, delimiter, limits, first, strict=False)
        return block._replace(misquoted=error.line)


class _Misquoted(Exception):
    """A cell has text beside its quotes.

    Attributes:
        line: line of its record, counted from 0 at the start of the block.
    """

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Lines:
    """Lines of a text with their ends, decoded.

    Attributes:
        position: position in the text behind the last line.
        count: number of lines so far.
        is_exhausted: a line was asked for after the last one.
    """

    def __init__(self, text: bytes, start: int) -> None:
        self._text = text
        self._has_lf = b"\n" in text
        self._end = start
        self._lines: Iterator[bytes] = iter(())
        self.position = start
        self.count = 0
        self.is_exhausted = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            start, self._end = self._end, _line_end(self._text, self._end + _PIECE, has_lf=self._has_lf)
            # The method of bytes splits at CR LF, LF and CR only.
            self._lines = iter(self._text[start : self._end].splitlines(keepends=True))
            line = next(self._lines, None)
            if line is None:
                self.is_exhausted = True
                raise StopIteration
        self.position += len(line)
        self.count += 1
        return line.decode()


def _read_csv(
    text: bytes, start: int, end: int, delimiter: str, limits: ReadLimits, first: int, *, strict: bool
) -> _Block:
    source = _Lines(text, start)
    reader = csv.reader(source, delimiter=delimiter, strict=strict)
    frames: list[pl.DataFrame] = []
    rows: list[list[str]] = []
    numbers, widths = array("I"), array("I")
    while source.position < end:
        began = source.count
        try:
            row = next(reader)
        except csv.Error as error:
            if "field limit" in str(error):
                raise over(
                    f"the record that begins in line {first + began:,} has a cell of",
                    f"more than {csv.field_size_limit():,} characters",
                    limits.cell_chars,
                    "a quote is probably opened there and never closed",
                    line=first + began,
                ) from None
            if source.is_exhausted:
                raise _never_closed(first + began) from None
            raise _Misquoted(began) from None
        if source.is_exhausted:
            raise _never_closed(first + began)
        if not row:
            continue
        if len(row) > limits.columns:
            _refuse_width(len(row), first + began, limits)
        rows.append(row)
        numbers.append(began)
        widths.append(len(row))
        if len(rows) == _ROWS:
            frames.append(_transposed(rows))
            rows = []
    frames.append(_transposed(rows))
    cells = pl.concat(frames, how="diagonal")
    lines = pl.Series(numbers, dtype=pl.UInt32)
    for column in cells.iter_columns():
        found = column.str.len_chars()
        if (longest := int(found.max() or 0)) > limits.cell_chars:  # type: ignore[arg-type]
            _refuse_cell(longest, first + int(lines[int(found.arg_max() or 0)]), limits)
    return _Block(cells, lines, pl.Series(widths, dtype=pl.UInt32), source.position, source.count)


def _transposed(rows: list[list[str]]) -> pl.DataFrame:
    columns = enumerate(zip_longest(*rows))
    frame = pl.DataFrame([pl.Series(str(position), column, dtype=pl.String) for position, column in columns])
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all())) if frame.width else frame


def _never_closed(line: int) -> Refused:
    return refuse(
        "FORMAT",
        f"the quote that opens in the record of line {line:,} is never closed; close it, or double the quotes inside "
        "the cell",
        line=line,
    )


def _refuse_width(width: int, line: int, limits: ReadLimits) -> NoReturn:
    raise over(
        f"line {line:,} has", f"{width:,} cells", limits.columns, "remove the columns that are not needed", line=line
    )


def _refuse_cell(chars: int, line: int, limits: ReadLimits) -> NoReturn:
    raise over(
        f"a cell of line {line:,} has",
        f"{chars:,} characters",
        limits.cell_chars,
        "shorten it, or close the quote that opens there",
        line=line,
    )


def _joined(text: bytes, blocks: list[_Block], misquoted: list[int]) -> Records:
    if not blocks:
        return Records(pl.DataFrame(), pl.Series("lines", [], dtype=pl.UInt32), ())
    cells = pl.concat([block.cells for block in blocks], how="diagonal", rechunk=False)
    lines = pl.concat([block.lines for block in blocks]).alias("lines")
    widths = pl.concat([block.widths for block in blocks])
    notes = [*_ragged(widths, lines), *_nuls(text)]
    if misquoted:
        notes.append(
            Note(
                "QUOTES",
                f"a cell of line {misquoted[0]:,} has text beside its quotes, which were dropped; check the titles that "
                "hold quotes",
                misquoted[0],
            )
        )
    return Records(cells, lines, tuple(notes))


def _ragged(widths: pl.Series, lines: pl.Series) -> list[Note]:
    """Return a note about records, from the first of usual width on, with more or fewer cells than usual."""
    if not len(widths) or widths.min() == widths.max():
        return []
    counts = widths.value_counts().sort("count", pl.nth(0), descending=True)
    usual = int(counts[0, 0])
    start = int((widths == usual).arg_max() or 0)
    widths, lines = widths.slice(start), lines.slice(start)
    is_other = widths != usual
    if not (count := int(is_other.sum())):
        return []
    at = int(is_other.arg_max() or 0)
    line = int(lines[at])
    longer = int((widths > usual).sum())
    message = (
        f"{count:,} records do not have the usual {usual:,} cells ({longer:,} have more); the first is in line "
        f"{line:,} with {int(widths[at]):,}; no cell was dropped"
    )
    return [Note("RAGGED", message, line)]


def _nuls(text: bytes) -> list[Note]:
    first = text.find(b"\0")
    if first < 0:
        return []
    line = line_of(text, first)
    return [
        Note(
            "NUL",
            f"the file holds {text.count(0):,} NUL characters, the first in line {line:,}; no value with one is accepted",
            line,
        )
    ]

"""Split the text of a table into records: by Polars where that is exact, by the csv module everywhere else.

The csv module decides: excel dialect, CR LF, LF and CR as line ends, quotes only around whole cells. A block of lines
is read by Polars, three times as fast, if each of its records matches an expression that leaves no doubt, with the
lines that quotes hold together joined before. A stray quote, or a lone CR between lines of a cell, is a doubt.
"""

from __future__ import annotations

import csv
import re
from array import array
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import polars as pl

from jobs.viewership.errors import refuse
from jobs.viewership.model import Note
from jobs.viewership.uploads.reading.encoding import line_of
from jobs.viewership.uploads.reading.limits import FREE_PLACES, check_grid, over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["Records", "split"]

# The frame of lines of a block and its parsed cells exist at once: about ten times this.
_BLOCK: Final = 1 << 23
# Stands for a line end in a cell while Polars splits the lines.
_JOINT: Final = "\x02"
# Lines without text and line ends in cells are lines too.
_LINES_PER_ROW: Final = 4
# Rows that are transposed at once: their lists and their columns are held together.
_ROWS: Final = 50_000
# Smaller tails without values are split like all else, and count as ragged.
_TAIL: Final = 1 << 20
# Text that the csv module is given lines of at once.
_PIECE: Final = 1 << 20


class Records(NamedTuple):
    """The records of delimited text.

    Attributes:
        cells: String columns ``"0"``, ``"1"``, …; null for a cell that is absent or empty.
        lines: UInt32, the line where each record begins.
        notes: warnings.
        empty_rows: records at the end without any value that were not split.
    """

    cells: pl.DataFrame
    lines: pl.Series
    notes: tuple[Note, ...]
    empty_rows: int = 0


class _Block(NamedTuple):
    """Consecutive records.

    Attributes:
        cells: as in :class:`Records`.
        lines: as in :class:`Records`.
        widths: UInt32, cells of each record.
        end: position in the text of what follows.
        line_count: lines that the block takes.
        misquoted: line of the first record with text outside quotes; None if there is none.
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
    has_lf = b"\n" in text
    text, empty_rows = _without_tail(text, delimiter, has_lf=has_lf)
    if (found := text.count(b"\n" if has_lf else b"\r")) > _LINES_PER_ROW * limits.rows:
        raise over("the file has", f"{found:,} lines", limits.rows, "split it by date, or raise the limit")
    splitter = _Splitter(text, delimiter, limits, has_lf=has_lf)
    blocks: list[_Block] = []
    position, line, rows, width = start, line_of(text, start), 0, 0
    while position < len(text):
        block = splitter.block(position, line)
        blocks.append(block)
        line += block.line_count
        rows += len(block.lines)
        width = max(width, block.cells.width)
        splitter.check_places(rows, width)
        position = block.end
        if rows > limits.rows:
            found = rows + text.count(b"\n", position)
            raise over("the file has about", f"{found:,} records", limits.rows, "split it by date, or raise the limit")
    return _joined(text, blocks)._replace(empty_rows=empty_rows)


def _without_tail(text: bytes, delimiter: str, *, has_lf: bool) -> tuple[bytes, int]:
    """Cut off the many records at the end that have delimiters only, as spreadsheets export rows once used.

    Returns:
        The text, and the number of records that were cut off.
    """
    mark = delimiter.encode()
    if len(text) < _TAIL or text[-_TAIL:].strip(mark + b"\r\n"):
        return text, 0
    end = _line_end(text, len(text.rstrip(mark + b"\r\n")), has_lf=has_lf)
    # Each record of the tail ends with a delimiter; lines without any are none.
    records = text.count(mark + b"\n", end) + text.count(mark + b"\r", end) + text.endswith(mark)
    return text[:end], records


def _line_end(text: bytes, least: int, *, has_lf: bool) -> int:
    """Return the position behind the first line end at or after a position."""
    if least >= len(text):
        return len(text)
    found = text.find(b"\n" if has_lf else b"\r", least)
    return len(text) if found < 0 else found + 1


@dataclass(slots=True)
class _Splitter:
    """Splits blocks of one text.

    Attributes:
        text: see :func:`split`.
        delimiter: see there.
        limits: see there.
        has_lf: lines end with LF or CR LF; otherwise with CR.
        value_count: see :meth:`_values`; None until it is needed.
    """

    text: bytes
    delimiter: str
    limits: ReadLimits
    has_lf: bool
    value_count: int | None = None

    def block(self, start: int, first: int) -> _Block:
        """Read about :data:`_BLOCK` bytes, and the record that is open at their end.

        Args:
            start: position of the first byte, where a record begins.
            first: line of that byte.
        """
        end = _line_end(self.text, start + _BLOCK, has_lf=self.has_lf)
        if (block := self._by_polars(start, end, first)) is not None:
            return block
        try:
            return self._by_csv(start, end, first, strict=True)
        except _Misquoted as error:
            return self._by_csv(start, end, first, strict=False)._replace(misquoted=error.line)

    def check_places(self, rows: int, columns: int) -> None:
        """Refuse the text if so many rows and columns are more than its values warrant; the rest adds no values."""
        if rows * columns > FREE_PLACES:
            check_grid("the file has", rows, columns, self._values())

    def _values(self) -> int:
        """Return how many values the text has; one with a space or a delimiter inside counts more than once."""
        if self.value_count is None:
            ends = bytearray(b"x" * 256)
            for mark in (*b" \t\r\n\v\f\0", ord(self.delimiter)):
                ends[mark] = ord(" ")
            count = 0
            for at in range(0, len(self.text), _PIECE):
                # With the next byte: a value may end where a piece does.
                count += self.text[at : at + _PIECE + 1].translate(bytes(ends)).count(b"x ")
            self.value_count = count + 1
        return self.value_count

    def _by_polars(self, start: int, end: int, first: int) -> _Block | None:
        """Read a block whose lines are whole records each; None if one is not, or if Polars sees other records."""
        raw = self.text[start:end]
        # Harmless: if a cell held a line end, its line would not be a whole record.
        body = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw
        lines = _lines_of(body)
        widths = _widths(lines, self.delimiter, has_quotes=b'"' in body)
        if widths is not None:
            numbers = pl.int_range(first, first + len(lines), dtype=pl.UInt32, eager=True)
            return self._parse(_Lined(body, lines, numbers, end, len(lines)), widths)
        if (joined := _joined_lines(raw, start, first)) is None:
            return None
        widths = _widths(joined.records, self.delimiter, has_quotes=True)
        return None if widths is None else self._parse(joined, widths)

    def _parse(self, lined: _Lined, widths: pl.Series) -> _Block | None:
        body, lines, numbers, end, line_count, is_joined = lined
        width = _largest(widths)
        if width > self.limits.columns:
            _refuse_width(width, int(numbers[int(widths.arg_max() or 0)]), self.limits)
        self.check_places(len(lines), width)
        cells = _parsed(body, width, self.delimiter, has_quotes=b'"' in body) if width > 1 else _column(lines)
        if cells is None or len(cells) != len(lines):
            return None
        if is_joined:
            cells = cells.with_columns(pl.all().str.replace_all(_JOINT, "\n", literal=True))
        if _largest(lines.str.len_chars()) > self.limits.cell_chars:
            _check_cells(cells, numbers, self.limits)
        is_blank = lines == ""
        if is_blank.any():
            cells, numbers, widths = cells.filter(~is_blank), numbers.filter(~is_blank), widths.filter(~is_blank)
        return _Block(cells, numbers, widths.cast(pl.UInt32), end, line_count)

    def _by_csv(self, start: int, end: int, first: int, *, strict: bool) -> _Block:
        """Read the lines up to ``end`` by the csv module, and those beyond it that the last record takes."""
        source = _Lines(self.text, start, has_lf=self.has_lf)
        reader = csv.reader(source, delimiter=self.delimiter, strict=strict)
        frames: list[pl.DataFrame] = []
        rows: list[list[str]] = []
        numbers, widths = array("I"), array("I")
        while source.position < end:
            line = first + source.count
            row = self._next(reader, source, line)
            if not row:
                continue
            if len(row) > self.limits.columns:
                _refuse_width(len(row), line, self.limits)
            rows.append(row)
            numbers.append(line)
            widths.append(len(row))
            if len(rows) == _ROWS:
                self.check_places(len(numbers), max(widths))
                frames.append(_transposed(rows))
                rows = []
        self.check_places(len(numbers), max(widths, default=0))
        frames.append(_transposed(rows))
        cells = pl.concat(frames, how="diagonal")
        lines = pl.Series(numbers, dtype=pl.UInt32)
        _check_cells(cells, lines, self.limits)
        return _Block(cells, lines, pl.Series(widths, dtype=pl.UInt32), source.position, source.count)

    def _next(self, reader: Iterator[list[str]], source: _Lines, line: int) -> list[str]:
        try:
            row = next(reader)
        except csv.Error as error:
            if "field limit" in str(error):
                raise over(
                    f"the record that begins in line {line:,} has a cell of",
                    f"more than {csv.field_size_limit():,} characters",
                    self.limits.cell_chars,
                    "a quote is probably opened there and never closed",
                    line=line,
                ) from None
            if not source.is_exhausted:
                raise _Misquoted(line) from None
            row = []
        if source.is_exhausted:  # the reader asked for a line after the last one
            raise refuse(
                "FORMAT",
                f"the quote that opens in the record of line {line:,} is never closed; close it, or double the quotes "
                "inside the cell",
                line=line,
            )
        return row


class _Lined(NamedTuple):
    """A block of which each line is a record.

    Attributes:
        body: the block, with LF as line ends.
        records: its lines.
        numbers: line of each in the file.
        end: position in the text of what follows.
        line_count: lines of the file that the block takes.
        is_joined: :data:`_JOINT` represents line ends in cells.
    """

    body: bytes
    records: pl.Series
    numbers: pl.Series
    end: int
    line_count: int
    is_joined: bool = False


def _lines_of(body: bytes) -> pl.Series:
    lines = pl.Series([body]).cast(pl.String).str.split("\n").explode()
    return lines.head(-1) if body.endswith(b"\n") else lines


def _joined_lines(raw: bytes, start: int, first: int) -> _Lined | None:
    """Join the lines that quotes hold together, by a character that the block does not have; None if none can be.

    A record that is open at the end is left to the next block.
    """
    if _JOINT.encode() in raw or raw.count(b"\r") != raw.count(b"\r\n"):
        return None
    lines = _lines_of(raw)
    is_open = lines.str.count_matches('"', literal=True).cum_sum() % 2 == 1
    starts = (~is_open.shift(1, fill_value=False)).arg_true()
    end = start + len(raw)
    if is_open[-1]:
        count = int(starts[-1])
        lines, is_open, starts = lines.head(count), is_open.head(count), starts.head(-1)
        end = start + int(lines.str.len_bytes().sum()) + count
    if not len(lines):
        return None
    frame = pl.DataFrame({"line": lines, "open": is_open}).select(
        pl.when("open")
        .then(pl.col("line") + _JOINT)
        .otherwise(pl.col("line").str.strip_suffix("\r") + "\n")
        .str.join("")
    )
    body = str(frame.item()).encode()
    return _Lined(body, _lines_of(body), (starts + first).cast(pl.UInt32), end, len(lines), is_joined=True)


def _widths(lines: pl.Series, delimiter: str, *, has_quotes: bool) -> pl.Series | None:
    """Return the number of cells of each line; None if one is not a record by itself."""
    widths = lines.str.count_matches(delimiter, literal=True) + 1
    if not has_quotes:
        return widths
    is_quoted = lines.str.contains('"', literal=True)
    quoted = lines.filter(is_quoted)
    if not quoted.str.contains(_record_pattern(delimiter)).all():
        return None
    of_quoted = quoted.str.replace_all(r'"[^"]*"', "").str.count_matches(delimiter, literal=True) + 1
    return widths.scatter(is_quoted.arg_true(), of_quoted)


def _record_pattern(delimiter: str) -> str:
    """Return the expression of a line that is a record by itself, with quotes around whole cells only."""
    mark = re.escape(delimiter) if delimiter != "\t" else r"\t"
    cell = f'(?:[^"{mark}{_JOINT}]*|"(?:[^"]|"")*")'
    return f"^{cell}(?:{mark}{cell})*$"


def _parsed(body: bytes, width: int, delimiter: str, *, has_quotes: bool) -> pl.DataFrame | None:
    try:
        cells = pl.read_csv(
            # Polars takes the number of columns from the first line.
            delimiter.encode() * (width - 1) + b"\n" + body,
            has_header=False,
            schema={str(position): pl.String for position in range(width)},
            separator=delimiter,
            quote_char='"' if has_quotes else None,
            infer_schema=False,
        ).slice(1)
    except pl.exceptions.PolarsError:
        return None
    return _without_empty(cells) if b'""' in body else cells


def _column(lines: pl.Series) -> pl.DataFrame | None:
    """Return lines as a table of one column; None if one is quoted."""
    if lines.str.contains('"', literal=True).any():
        return None
    return _without_empty(lines.alias("0").to_frame())


def _without_empty(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.with_columns(pl.when(pl.all() != "").then(pl.all())) if cells.width else cells


def _largest(numbers: pl.Series) -> int:
    return int(numbers.max() or 0)  # type: ignore[arg-type]


def _check_cells(cells: pl.DataFrame, lines: pl.Series, limits: ReadLimits) -> None:
    for column in cells.iter_columns():
        chars = column.str.len_chars()
        if (longest := _largest(chars)) > limits.cell_chars:
            line = int(lines[int(chars.arg_max() or 0)])
            raise over(
                f"a cell of line {line:,} has",
                f"{longest:,} characters",
                limits.cell_chars,
                "shorten it, or close the quote that opens there",
                line=line,
            )


class _Misquoted(Exception):
    """A cell has text outside its quotes.

    Attributes:
        line: line of its record.
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

    def __init__(self, text: bytes, start: int, *, has_lf: bool) -> None:
        self._text = text
        self._has_lf = has_lf
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


def _transposed(rows: list[list[str]]) -> pl.DataFrame:
    columns = enumerate(zip_longest(*rows))
    frame = pl.DataFrame([pl.Series(str(position), column, dtype=pl.String) for position, column in columns])
    return _without_empty(frame)


def _refuse_width(width: int, line: int, limits: ReadLimits) -> NoReturn:
    raise over(
        f"line {line:,} has", f"{width:,} cells", limits.columns, "remove the columns that are not needed", line=line
    )


def _joined(text: bytes, blocks: list[_Block]) -> Records:
    if not blocks:
        return Records(pl.DataFrame(), pl.Series("lines", [], dtype=pl.UInt32), ())
    widths = pl.concat([block.widths for block in blocks])
    cells = pl.concat([block.cells for block in blocks], how="diagonal", rechunk=False)
    lines = pl.concat([block.lines for block in blocks]).alias("lines")
    notes = [*_ragged(widths, lines), *_nuls(text)]
    misquoted = [block.misquoted for block in blocks if block.misquoted is not None]
    if misquoted:
        notes.append(
            Note(
                "QUOTES",
                f"a cell of line {misquoted[0]:,} has text outside its quotes, which were dropped; check the titles "
                "with quotes",
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
            f"the text has {text.count(0):,} NUL characters, the first in line {line:,}; they are removed from "
            "texts, and a number with one is rejected",
            line,
        )
    ]

"""Read an upload into a sheet: delimited text, or one sheet of a workbook."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from jobs.viewership.errors import NeedsChoice, refuse
from jobs.viewership.model import Sheet
from jobs.viewership.uploads.reading.delimiter import find_dialect
from jobs.viewership.uploads.reading.encoding import decode
from jobs.viewership.uploads.reading.limits import ReadLimits, over
from jobs.viewership.uploads.reading.records import split
from jobs.viewership.uploads.reading.signature import OLE, ZIP, other_file, other_text
from jobs.viewership.uploads.reading.workbook import read_workbook
from shared.errors import UsageError
from shared.storage import holds_secrets, open_regular
from shared.text import one_line

if TYPE_CHECKING:
    from typing import BinaryIO

    import polars as pl

__all__ = ["DELIMITERS", "read"]

DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "\\t": "\t"}
"""Names of delimiters, since most of the characters are special to a shell."""

_HEAD = 4096


def read(
    source: str | os.PathLike[str] | bytes,
    *,
    limits: ReadLimits | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Sheet:
    """Read an upload by its content; its name plays no part.

    Args:
        source: path of the file, or its bytes.
        limits: limits; those of :class:`ReadLimits` if None.
        sheet: name of the workbook's sheet; needed if several visible sheets hold data.
        encoding: encoding of a text file, one of :data:`~jobs.viewership.uploads.reading.ENCODINGS`, instead of a
            decision; a byte-order mark overrides it.
        delimiter: delimiter of a text file, instead of a decision; a line ``sep=`` overrides it.

    Raises:
        Refused: ``FORMAT``, ``EMPTY`` or ``LIMIT``.
        NeedsChoice: the sheet, encoding or delimiter is undecided.
        TransientError: no process can be started for a workbook.
        UsageError: the file holds a secret or belongs to a process.
        OSError: the file cannot be read.
    """
    limits = limits or ReadLimits()
    if isinstance(source, bytes):
        _check_size(len(source), limits)
        if source.startswith((ZIP, OLE)):
            return read_workbook(source, limits, sheet)
        return _text(source, limits, encoding, delimiter)
    # Messages and previews quote the contents of files.
    name = one_line(os.fspath(source))
    secret = UsageError(f"'{name}' is in a folder of secrets or processes; expected another file")
    if holds_secrets(os.path.realpath(source)):
        raise secret
    with open_regular(source) as file:
        if holds_secrets(file.fileno()):
            raise secret
        _check_size(os.fstat(file.fileno()).st_size, limits)
        if file.read(len(OLE)).startswith((ZIP, OLE)):
            return read_workbook(file, limits, sheet)
        file.seek(0)
        return _text(_whole(file, limits), limits, encoding, delimiter)


def _check_size(size: int, limits: ReadLimits) -> None:
    if size > limits.bytes:
        raise over("the file has", f"{size:,} bytes", limits.bytes, "split it by date, or raise the limit", size=size)


def _whole(file: BinaryIO, limits: ReadLimits) -> bytes:
    # The file may grow while it is read.
    data = file.read(limits.bytes + 1)
    _check_size(len(data), limits)
    return data


def _text(data: bytes, limits: ReadLimits, encoding: str | None, delimiter: str | None) -> Sheet:
    if not data.strip():
        raise refuse("EMPTY", "the file is empty; expected delimited text or a workbook; export the report again")
    if error := other_file(data[:_HEAD]):
        raise error
    if delimiter is not None and not (len(delimiter) == 1 and delimiter.isascii() and delimiter not in '"\r\n\0'):
        raise NeedsChoice(
            f"{delimiter!r} is not a delimiter; expected one ASCII character, or "
            f"{', '.join(name for name in DELIMITERS if name.isalpha())}; pass --delimiter",
            answers=[["--delimiter", None]],
        )
    decoded = decode(data, encoding)
    del data
    # Ctrl-Z ends a text file of DOS.
    text = decoded.text.removesuffix(b"\x1a")
    if error := other_text(text):
        raise error
    dialect = find_dialect(text, delimiter)
    records = split(text, dialect.delimiter, limits, start=dialect.skip)
    if not _has_value(records.cells):
        raise refuse("EMPTY", "the file has no cell with a value; expected delimited text; export the report again")
    return Sheet(
        records.cells,
        records.lines,
        encoding=decoded.encoding,
        delimiter=dialect.delimiter,
        notes=(*decoded.notes, *records.notes),
        empty_rows=records.empty_rows,
    )


def _has_value(cells: pl.DataFrame) -> bool:
    """Return whether a cell has a character other than space."""
    return any(column.str.contains(r"[^\s\x{0}\x{feff}]").any() for column in cells.iter_columns())

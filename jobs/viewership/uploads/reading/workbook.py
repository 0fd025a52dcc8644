"""Read a sheet of a workbook in a child process with limits on memory, time and what it unzips.

The child holds the workbook and an empty file alone: it has no environment, and where the kernel has Landlock and
seccomp it can open no file and no socket (:mod:`shared.sandbox`). It writes the sheet's text into the file, which is
read only when the child is done.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import tempfile
import time
from dataclasses import asdict, replace
from typing import IO, TYPE_CHECKING, Any, Final

from jobs.viewership.errors import NOTES, REFUSALS, NeedsChoice, refuse
from jobs.viewership.model import Note, Sheet
from jobs.viewership.uploads.reading._sheet_file import read_sheet
from jobs.viewership.uploads.reading.limits import MAX_MERGED, over
from shared.child.process import ChildProcess
from shared.errors import TransientError
from shared.sandbox import Confinement
from shared.text import cut

if TYPE_CHECKING:
    import polars as pl

    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["read_workbook"]

_MODULE: Final = "jobs.viewership.uploads.reading.child_main"
_START_S: Final = 60.0
# Replies name sheets, cells and ranges.
_MAX_MESSAGE: Final = 4000
_MAX_ANSWERS: Final = 20
_TEXT_PER_BYTE: Final = 8
# An idle core reads about a million cells in 7 s. Excel stores that many in at least 3 MB, or in 1 MB if they repeat; a
# small file that takes longer was built to.
_FREE_S: Final = 8.0
_S_PER_MB: Final = 20.0
# Raised by replies that the child's own code did not write.
_MALFORMED: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError)
_log = logging.getLogger(__name__)


def read_workbook(source: IO[bytes] | bytes, limits: ReadLimits, sheet: str | None = None) -> Sheet:
    """Read one sheet.

    Args:
        source: the workbook: an open file, or its bytes.
        limits: limits.
        sheet: name of the sheet; None for the only visible one with a value.

    Raises:
        Refused: ``FORMAT``, ``EMPTY`` or ``LIMIT``.
        NeedsChoice: several visible sheets hold data, or none has the name.
        TransientError: no process can be started.
    """
    if isinstance(source, bytes):
        with tempfile.TemporaryFile() as file:
            file.write(source)
            file.flush()
            return _read(file, limits, sheet)
    return _read(source, limits, sheet)


def _read(source: IO[bytes], limits: ReadLimits, sheet: str | None) -> Sheet:
    size = os.fstat(source.fileno()).st_size
    seconds = min(limits.seconds, _FREE_S + round(_S_PER_MB * size / 1024**2, 1))
    limits = replace(limits, text_bytes=max(limits.text_bytes, _TEXT_PER_BYTE * size), seconds=seconds)
    with tempfile.TemporaryFile() as output:
        reply = _ask(source, output, limits, sheet)
        try:
            return _sheet(reply, output, limits)
        except _MALFORMED as error:
            raise refuse("FORMAT", f"the process that reads workbooks sent an invalid reply: {error!r}") from error


@functools.cache  # once per process, not per workbook
def _tell(confinement: Confinement) -> None:
    _log.log(
        logging.DEBUG if confinement.seccomp else logging.WARNING,
        "the process that reads workbooks is confined by: %s",
        confinement,
    )


def _ask(source: IO[bytes], output: IO[bytes], limits: ReadLimits, sheet: str | None) -> dict[str, Any]:
    """Run the child and return its reply."""
    descriptors = [source.fileno(), output.fileno()]
    arguments = [*map(str, descriptors), json.dumps(asdict(limits))]
    try:
        child = ChildProcess(_MODULE, arguments, descriptors=descriptors, max_bytes=0)
    except OSError as error:
        raise TransientError(f"cannot start a process for a workbook ({error.strerror or error}); run again") from error
    try:
        try:
            ready, _ = child.channel.receive(until=time.monotonic() + _START_S)
            confinement = Confinement(**ready["sandbox"])
        except (*_MALFORMED, EOFError, OSError) as error:
            raise TransientError(
                f"no process for a workbook could be started (it {child.ending()}); run again"
            ) from error
        _tell(confinement)
        return _reply(child, limits, sheet)
    finally:
        child.close()


def _reply(child: ChildProcess, limits: ReadLimits, sheet: str | None) -> dict[str, Any]:
    until = time.monotonic() + limits.seconds
    try:
        child.channel.send({"sheet": sheet}, until=until)
        reply, _ = child.channel.receive(until=until)
    except TimeoutError:
        raise over(
            "reading the workbook takes",
            f"more than {limits.seconds:g} s",
            round(limits.seconds),
            "save the sheet as CSV",
        ) from None
    except (EOFError, OSError):
        ending = child.ending()
        if ending.status == -signal.SIGKILL:
            # Not by us: by the kernel, because this machine is out of memory.
            raise TransientError(f"the process that reads a workbook {ending}; run again") from None
        if ending.status == -signal.SIGXCPU:
            found = f"more than {limits.seconds:g} s of CPU time"
            raise over("reading the workbook takes", found, round(limits.seconds), "save the sheet as CSV") from None
        if ending.status == -signal.SIGABRT or "memory" in ending.output:
            raise _memory(limits) from None
        raise refuse(
            "FORMAT", f"the workbook crashed its reader, which {ending}; open it and save it as .xlsx or CSV"
        ) from None
    except _MALFORMED as error:
        raise refuse("FORMAT", f"the process that reads workbooks sent an invalid reply: {error!r}") from error
    if reply.get("kind") == "memory":
        raise _memory(limits)
    return reply


def _memory(limits: ReadLimits) -> Exception:
    return over(
        "reading the workbook takes",
        f"more than {limits.memory_mb:,} MB of memory",
        limits.memory_mb,
        "delete stray cells far to the right or below, or save the sheet as CSV",
    )


def _sheet(reply: dict[str, Any], output: IO[bytes], limits: ReadLimits) -> Sheet:
    """Return the sheet of a reply, which a hostile workbook may have forged."""
    if reply["kind"] == "choice":
        sheets = [str(name) for flag, name in reply["answers"][:_MAX_ANSWERS] if flag == "--sheet"]
        raise NeedsChoice(cut(str(reply["message"]), _MAX_MESSAGE), answers=[["--sheet", sheet] for sheet in sheets])
    if reply["kind"] == "refused" and reply["code"] in REFUSALS:
        raise refuse(reply["code"], cut(str(reply["message"]), _MAX_MESSAGE))
    if reply["kind"] != "done":
        raise ValueError(f"unexpected kind {str(reply['kind'])[:20]!r}")
    rows, width = int(reply["rows"]), int(reply["width"])
    if not (0 < rows <= limits.rows and 0 < width <= limits.columns):
        raise ValueError(f"{rows} rows of {width} columns")
    cells, lines, kinds = read_sheet(output, rows, width, limits)
    notes = tuple(_note(note) for note in reply["notes"])
    return Sheet(
        cells,
        lines,
        kinds,
        name=str(reply["name"]),
        merged=_merged(reply["merged"], lines),
        notes=notes,
        is_1904=bool(reply["is_1904"]),
    )


def _note(note: dict[str, Any]) -> Note:
    if note["code"] not in NOTES:
        raise ValueError(f"unknown note {str(note['code'])[:20]!r}")
    line, column = note.get("line"), note.get("column")
    return Note(
        note["code"],
        cut(str(note["message"]), _MAX_MESSAGE),
        None if line is None else int(line),
        None if column is None else str(column)[:3],
    )


def _merged(ranges: list[list[int]], lines: pl.Series) -> tuple[tuple[int, int, int, int], ...]:
    """Return merged ranges with positions instead of row numbers; rows without a value have no position."""
    if len(ranges) > MAX_MERGED:
        raise ValueError(f"{len(ranges):,} merged ranges")
    found = []
    for first_row, first, last_row, last in ranges:
        start = int(lines.search_sorted(first_row, side="left"))
        end = int(lines.search_sorted(last_row, side="right")) - 1
        if start <= end:
            found.append((start, int(first), end, int(last)))
    return tuple(found)

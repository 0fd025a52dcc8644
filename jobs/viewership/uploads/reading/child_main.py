"""Entry point of the process that reads a workbook: limit itself, drop files and network, then read one sheet.

Started by :func:`~jobs.viewership.uploads.reading.workbook.read_workbook` as
``python -m jobs.viewership.uploads.reading.child_main CHANNEL PARENT_PID WORKBOOK OUTPUT LIMITS``: three file
descriptors, and the limits as JSON. It uses neither Polars nor numpy: their threads and pools need address space.
"""

from __future__ import annotations

import codecs
import importlib
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from shared.child.inside import enter
from shared.sandbox import confine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from jobs.viewership.uploads.reading._calamine import CalamineBook
    from jobs.viewership.uploads.reading._xlsx import Content, SheetEntry, Xlsx
    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["main"]

# The parent kills this process at its limit of time; if the parent hangs, this much later the kernel does.
_GRACE_S: Final = 10
# Imported before files are given up; zipfile imports the codec of names on first use.
_MODULES: Final = (
    "jobs.viewership.uploads.reading._archive",
    "jobs.viewership.uploads.reading._calamine",
    "jobs.viewership.uploads.reading._sheet_file",
    "jobs.viewership.uploads.reading._xlsx",
    "_strptime",
)
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_LISTED: Final = 10


def main(arguments: Sequence[str]) -> int:
    """Read one sheet; return the exit status 0.

    Args:
        arguments: see the module.
    """
    limits_of = json.loads(arguments[4])
    channel = enter(
        arguments,
        memory_mb=limits_of["memory_mb"],
        # One more than is accepted: the writer refuses with a message before the kernel does.
        written_bytes=2 * limits_of["text_bytes"],
        cpu_s=int(limits_of["seconds"]) + _GRACE_S,
    )
    for module in _MODULES:
        importlib.import_module(module)
    for encoding in ("ascii", "cp437", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be"):
        codecs.lookup(encoding)
    channel.send({"kind": "ready", "sandbox": asdict(confine())})
    request, _ = channel.receive()
    channel.send(_answer(int(arguments[2]), int(arguments[3]), limits_of, request["sheet"]))
    return 0


def _answer(workbook: int, output: int, limits_of: dict[str, Any], sheet: str | None) -> dict[str, Any]:
    from jobs.viewership.errors import NeedsChoice, Refused
    from jobs.viewership.uploads.reading.limits import ReadLimits

    try:
        with os.fdopen(workbook, "rb") as file, os.fdopen(output, "wb") as rows:
            return _read(file, rows, ReadLimits(**limits_of), sheet)
    except (Refused, NeedsChoice) as error:
        kind = "choice" if isinstance(error, NeedsChoice) else "refused"
        answers = error.answers if isinstance(error, NeedsChoice) else []
        return {"kind": kind, "code": error.code, "message": error.message, "answers": answers}
    except MemoryError:
        return {"kind": "memory"}
    except Exception as error:  # noqa: BLE001  hostile input causes unforeseen errors
        return {
            "kind": "refused",
            "code": "FORMAT",
            "message": f"the workbook is damaged: {type(error).__name__}: {error}",
        }


def _read(file: BinaryIO, rows: BinaryIO, limits: ReadLimits, wanted: str | None) -> dict[str, Any]:
    from jobs.viewership.uploads.reading._sheet_file import SheetWriter

    book, notes = _open(file, limits)
    entry = _choose(book, wanted, notes)
    writer = SheetWriter(rows, limits, limits.text_bytes)
    content = book.read(entry, writer.add)
    writer.flush()
    writer.check()
    notes += _found(content)
    return {
        "kind": "done",
        "name": entry.name,
        "rows": writer.rows,
        "width": writer.width,
        "merged": content.merged,
        "is_1904": book.is_1904,
        "notes": notes,
    }


def _open(file: BinaryIO, limits: ReadLimits) -> tuple[Xlsx | CalamineBook, list[dict[str, Any]]]:
    """Open a workbook by its content."""
    from jobs.viewership.errors import refuse
    from jobs.viewership.uploads.reading._archive import Archive
    from jobs.viewership.uploads.reading._calamine import CalamineBook
    from jobs.viewership.uploads.reading._xlsx import Xlsx

    file.seek(0)
    if file.read(len(_OLE)) == _OLE:
        file.seek(0)
        _check_ole(file.read())
        return CalamineBook(file, limits), [_legacy("an .xls")]
    archive = Archive(file, limits)
    names = {name.casefold() for name in archive.names()}
    if "xl/workbook.xml" in names or any(kind == "officeDocument" for kind, _ in archive.related("").values()):
        if "xl/workbook.bin" in names:
            for name in archive.names():
                archive.check(name)
            return CalamineBook(file, limits), [_legacy("an .xlsb")]
        if not any(name.startswith(("word/", "ppt/")) for name in names):
            return Xlsx(archive, limits), []
    if "content.xml" in names and "meta-inf/manifest.xml" in names:
        for name in archive.names():
            archive.check(name)
        return CalamineBook(file, limits), [_legacy("an .ods")]
    for prefix, what in (
        ("word/", "a Word document"),
        ("ppt/", "a PowerPoint file"),
        ("index/", "an Apple Numbers file"),
    ):
        if any(name.startswith(prefix) for name in names):
            raise refuse(
                "FORMAT", f"the file is {what}; expected delimited text or a workbook; export it as CSV or .xlsx"
            )
    raise refuse(
        "FORMAT",
        f"the file is a ZIP archive with {archive.listed()}; expected delimited text or a workbook; unpack it and "
        "upload the file inside",
    )


def _check_ole(data: bytes) -> None:
    """Refuse OLE files that are not workbooks; names of streams are UTF-16."""
    from jobs.viewership.errors import refuse

    if "EncryptedPackage".encode("utf-16-le") in data:
        raise refuse("FORMAT", "the workbook is encrypted; remove its password and upload it again")
    if not any(name.encode("utf-16-le") in data for name in ("Workbook", "Book")):
        raise refuse(
            "FORMAT",
            "the file is an OLE document without a workbook, such as .doc or .msg; expected delimited text or a "
            "workbook; export the report as CSV or .xlsx",
        )


def _legacy(what: str) -> dict[str, Any]:
    message = f"in {what} workbook, cells with errors read as blank; save it as .xlsx if it has formulas"
    return {"code": "LEGACY_WORKBOOK", "message": message}


def _choose(book: Xlsx | CalamineBook, wanted: str | None, notes: list[dict[str, Any]]) -> SheetEntry:
    """Return the sheet that is named, or the only visible one with a value."""
    from jobs.viewership.errors import NeedsChoice, refuse

    if wanted is not None:
        named = [sheet for sheet in book.sheets if sheet.name == wanted] or [
            sheet for sheet in book.sheets if sheet.name.strip().casefold() == wanted.strip().casefold()
        ]
        if len(named) != 1:
            raise NeedsChoice(
                f"the workbook has no sheet {wanted!r}; its sheets are {_names(book.sheets)}; pass --sheet",
                answers=_to_choose(book.sheets),
            )
        return named[0]
    visible = [sheet for sheet in book.sheets if not sheet.is_hidden]
    hidden = [sheet for sheet in book.sheets if sheet.is_hidden]
    if hidden:
        message = f"hidden sheets were not read: {_names(hidden)}; to read one, pass --sheet"
        notes.append({"code": "HIDDEN_SHEETS", "message": message})
    filled = [sheet for sheet in visible if book.has_values(sheet)]
    if not filled:
        more = f"; it has hidden sheets: {_names(hidden)}; pass --sheet" if hidden else ""
        raise refuse(
            "EMPTY", f"no visible sheet of the workbook has a cell with a value{more}; export the report again"
        )
    if len(filled) > 1:
        raise NeedsChoice(f"several sheets hold data: {_names(filled)}; pass --sheet", answers=_to_choose(filled))
    return filled[0]


def _to_choose(sheets: Sequence[SheetEntry]) -> list[list[str | None]]:
    return [["--sheet", sheet.name] for sheet in sheets[:_LISTED]]


def _names(sheets: Sequence[SheetEntry]) -> str:
    from shared.text import brief

    shown = ", ".join(brief(sheet.name) for sheet in sheets[:_LISTED])
    return f"{shown} and {len(sheets) - _LISTED} more" if len(sheets) > _LISTED else shown


def _found(content: Content) -> list[dict[str, Any]]:
    notes = []
    for code, count, references, what in (
        ("FORMULA", content.unvalued_count, content.unvalued, "formulas have no value in the file"),
        ("ERROR_CELL", content.error_count, content.errors, "cells hold errors"),
    ):
        if count:
            more = ", …" if count > len(references) else ""
            advice = (
                "open it in Excel, save it and upload it again" if code == "FORMULA" else "correct them at the source"
            )
            message = f"{count:,} {what}: {', '.join(references)}{more}; {advice}"
            letters = references[0].rstrip("0123456789")
            notes.append({
                "code": code, "message": message, "line": int(references[0][len(letters) :]), "column": letters,
            })  # fmt: skip
    return notes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

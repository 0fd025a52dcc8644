"""Recognise a file that is not delimited text by its first bytes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from jobs.viewership.errors import refuse

if TYPE_CHECKING:
    from jobs.viewership.errors import Refused

__all__ = ["OLE", "ZIP", "binary", "other_file", "other_text"]

ZIP: Final = b"PK\x03\x04"
"""The first bytes of .xlsx, .xlsm, .xlsb and .ods, and of any other ZIP archive."""
OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
"""The first bytes of .xls, and of a password-protected workbook."""

_SAVE: Final = "save it as CSV or .xlsx and upload that"
_UNPACK: Final = "unpack it and upload the file inside"
_EXPORT: Final = "export the report as CSV or .xlsx"
# Offset, first bytes, name, advice.
_SIGNATURES: Final[tuple[tuple[int, bytes, str, str], ...]] = (
    (0, b"PK\x05\x06", "an empty ZIP archive", _EXPORT),
    (0, b"PK\x07\x08", "a part of a split ZIP archive", _UNPACK),
    (0, b"%PDF", "a PDF document", _EXPORT),
    (0, b"%!PS", "a PostScript document", _EXPORT),
    (0, b"{\\rtf", "an RTF document", _EXPORT),
    (0, b"\x1f\x8b", "a gzip file", _UNPACK),
    (0, b"BZh", "a bzip2 file", _UNPACK),
    (0, b"\xfd7zXZ\x00", "an xz file", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", _UNPACK),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"PAR1", "a Parquet file", "export it as CSV"),
    (0, b"ARROW1", "an Arrow file", "export it as CSV"),
    (0, b"Obj\x01", "an Avro file", "export it as CSV"),
    (0, b"ORC", "an ORC file", "export it as CSV"),
    (0, b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image", _EXPORT),
    (0, b"\xff\xd8\xff", "a JPEG image", _EXPORT),
    (0, b"GIF87a", "a GIF image", _EXPORT),
    (0, b"GIF89a", "a GIF image", _EXPORT),
    (0, b"II*\x00", "a TIFF image", _EXPORT),
    (0, b"MM\x00*", "a TIFF image", _EXPORT),
    (8, b"WEBP", "a WebP image", _EXPORT),
    (4, b"ftyp", "a video or HEIC image", _EXPORT),
    # BIFF 2 to 4, of 1987 to 1992: a bare stream of records, without the container that calamine reads.
    (0, b"\x09\x00\x04\x00", "an Excel 2 workbook", _SAVE),
    (0, b"\x09\x02\x06\x00", "an Excel 3 workbook", _SAVE),
    (0, b"\x09\x04\x06\x00", "an Excel 4 workbook", _SAVE),
    (0, b"\x09\x08\x10\x00", "an Excel workbook without its container", _SAVE),
    (0, b"\x7fELF", "a program", _EXPORT),
    (0, b"MZ\x90\x00", "a program", _EXPORT),
)
_HTML: Final = re.compile(r"<(!doctype\s+html|html|head|body|table|meta|style|script|div|tr|td)\b", re.IGNORECASE)
# A title may be <Unknown>, but it is not followed by another tag.
_MARKUP: Final = re.compile(
    rf"{_HTML.pattern}|<(\?xml|!doctype|!--)|<[a-z][\w:.-]*(\s[^<>]*)?>\s*</?[a-z]", re.IGNORECASE
)
_JSON: Final = re.compile(r'\{\s*("|\}\s*$)|\[\s*[\[{]\s*["\[\]{}\d-]')
_HEAD: Final = 4096
_MAX_JSON: Final = 1 << 20
# Control characters other than tab, line ends, vertical tab, form feed, escape, NUL and Ctrl-Z, the end of DOS files.
_CONTROLS: Final = bytes(set(range(1, 32)) - {9, 10, 11, 12, 13, 26, 27}) + b"\x7f"
# Share of the first 64 KB. Text has a stray one in a title, compressed or binary data one byte in ten.
_MAX_CONTROLS: Final = 0.005
_MAX_NULS: Final = 0.1
_SAMPLE: Final = 1 << 16


def other_file(head: bytes) -> Refused | None:
    """Return the error for a file whose first bytes are of another format; None if they are not.

    Args:
        head: at least the first 512 bytes; ZIP archives and OLE files are for the reader of workbooks.
    """
    for offset, signature, name, advice in _SIGNATURES:
        if head.startswith(signature, offset):
            return refuse("FORMAT", f"the file is {name}; expected delimited text or a workbook; {advice}")
    return None


def other_text(text: bytes) -> Refused | None:
    """Return the error for text that is not a table: HTML, XML, JSON, or bytes that only decode as text.

    Args:
        text: the whole text, in UTF-8 without a byte-order mark.
    """
    head = text[:_HEAD].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if _MARKUP.match(head):
        return _markup(head)
    if _JSON.match(head) or (head.startswith("[") and len(text) <= _MAX_JSON and _is_json(text)):
        return refuse("FORMAT", "the file is JSON; expected delimited text or a workbook; export the report as CSV")
    return binary(text)


def binary(data: bytes) -> Refused | None:
    """Return the error for data with more control characters than any text of one byte a character has."""
    sample = data[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls > max(1, _MAX_CONTROLS * len(sample)) or sample.count(0) > max(8, _MAX_NULS * len(sample)):
        return refuse(
            "FORMAT",
            f"the file is binary data of an unknown format: {controls + sample.count(0):,} of its first "
            f"{len(sample):,} bytes are control characters; expected delimited text or a workbook; {_EXPORT}",
        )
    return None


def _markup(head: str) -> Refused:
    if "urn:schemas-microsoft-com:office:spreadsheet" in head or 'progid="Excel.Sheet"' in head:
        return refuse(
            "FORMAT", f"the file is an XML spreadsheet of Excel 2003; expected a workbook; open it and {_SAVE}"
        )
    if _HTML.search(head):
        return refuse(
            "FORMAT", f"the file is an HTML page; expected delimited text or a workbook; open it in Excel and {_SAVE}"
        )
    return refuse("FORMAT", f"the file is XML; expected delimited text or a workbook; {_EXPORT}")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

"""Write small workbooks byte by byte: .xlsx, .ods, .xls and .xlsb, also such as no program would write."""

from __future__ import annotations

import io
import struct
import zipfile
from xml.sax.saxutils import escape, quoteattr

__all__ = ["archive", "book_xml", "ods", "sheet_xml", "xls", "xlsb", "xlsx"]

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TO = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_OF = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
_STYLES = (
    f'<styleSheet {_MAIN}><numFmts><numFmt numFmtId="164" formatCode="[h]:mm:ss"/><numFmt numFmtId="165" '
    'formatCode="dd.mm.yyyy hh:mm"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf '
    'numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="21"/></cellXfs>'
    "</styleSheet>"
)
"""Cell formats: 0 general, 1 date, 2 elapsed time, 3 date and time, 4 time of day."""


def _relations(identifier: str, kind: str, target: str) -> str:
    relation = f'<Relationship Id="{identifier}" Type="{_TO}/{kind}" Target="{target}"/>'
    return f"<Relationships {_OF}>{relation}</Relationships>"


def archive(parts: dict[str, str | bytes], *, compressed: bool = True) -> bytes:
    """Return a ZIP archive."""
    with io.BytesIO() as file:
        # Level 1: bombs of 200 MB take 0.4 s instead of 1.1 s.
        kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with zipfile.ZipFile(file, "w", kind, compresslevel=1) as zipped:
            for name, body in parts.items():
                zipped.writestr(name, body)
        return file.getvalue()


def sheet_xml(rows: str, after: str = "", before: str = "") -> str:
    """Return the part of a sheet with these ``<row>`` elements."""
    return f"<worksheet {_MAIN}>{before}<sheetData>{rows}</sheetData>{after}</worksheet>"


def book_xml(sheets: list[tuple[str, str]], *, is_1904: bool = False) -> str:
    """Return the part of a workbook with sheets of these names and states."""
    entries = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" state="{state}" r:id="rId{number}"/>'
        for number, (name, state) in enumerate(sheets, 1)
    )
    properties = f'<workbookPr date1904="{int(is_1904)}"/>'
    return f'<workbook {_MAIN} xmlns:r="{_TO}">{properties}<sheets>{entries}</sheets></workbook>'


def xlsx(
    *sheets: str | bytes,
    names: list[tuple[str, str]] | None = None,
    strings: str | bytes = "",
    is_1904: bool = False,
    compressed: bool = True,
    **replaced: str | bytes,
) -> bytes:
    """Return an .xlsx workbook.

    Args:
        sheets: the rows of each sheet as XML, or a whole part if it begins with ``<?xml`` or ``<worksheet``.
        names: name and state of each sheet.
        strings: the ``<si>`` elements of the shared strings, or a whole part.
        is_1904: dates count from 1904.
        compressed: compress the parts.
        replaced: bodies of parts: ``workbook``, ``styles``.
    """
    names = names or [(f"Sheet{number}", "visible") for number in range(1, len(sheets) + 1)]
    relations = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)]
    relations += [("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")]
    parts: dict[str, str | bytes] = {
        "_rels/.rels": _relations("r", "officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": replaced.get("workbook", book_xml(names, is_1904=is_1904)),
        "xl/_rels/workbook.xml.rels": f"<Relationships {_OF}>"
        + "".join(
            f'<Relationship Id="rId{number}" Type="{_TO}/{kind}" Target="{target}"/>'
            for number, (kind, target) in enumerate(relations, 1)
        )
        + "</Relationships>",
        "xl/styles.xml": replaced.get("styles", _STYLES),
    }
    parts["xl/sharedStrings.xml"] = (
        strings
        if strings[:1] in ("<", b"<") and strings[1:2] in ("?", b"?", "!")
        else (f"<sst {_MAIN}>".encode() + (strings if isinstance(strings, bytes) else strings.encode()) + b"</sst>")
    )
    for number, rows in enumerate(sheets, 1):
        is_part = rows[:10] in ("<worksheet", b"<worksheet") or rows[:2] in ("<?", b"<?", "<!", b"<!")
        parts[f"xl/worksheets/sheet{number}.xml"] = rows if is_part or isinstance(rows, bytes) else sheet_xml(rows)
    return archive(parts, compressed=compressed)


def ods(rows: str, *, hidden: str = "") -> bytes:
    """Return an .ods workbook.

    Args:
        rows: the ``<table:table-row>`` elements of the sheet ``S``.
        hidden: those of a hidden sheet.
    """
    spaces = "".join(
        f' xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for prefix, name in (("office", "office"), ("table", "table"), ("text", "text"), ("style", "style"))
    )
    styles = (
        '<office:automatic-styles><style:style style:name="h" style:family="table"><style:table-properties '
        'table:display="false"/></style:style></office:automatic-styles>'
    )
    more = f'<table:table table:name="Hidden" table:style-name="h">{hidden}</table:table>' if hidden else ""
    tables = f'<table:table table:name="S">{rows}</table:table>{more}'
    content = f"<office:document-content{spaces}>{styles}<office:body><office:spreadsheet>{tables}"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return archive({
        "mimetype": kind,
        "META-INF/manifest.xml": "<manifest/>",
        "content.xml": f"{content}</office:spreadsheet></office:body></office:document-content>",
    })  # fmt: skip


def ods_cell(value: str | float) -> str:
    """Return a cell of an .ods sheet."""
    if isinstance(value, str):
        text = f"<text:p>{escape(value)}</text:p>"
        return f'<table:table-cell office:value-type="string">{text}</table:table-cell>'
    return f'<table:table-cell office:value-type="float" office:value="{value}"/>'


def _record(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _ole(stream: bytes, name: str) -> bytes:
    """Return an OLE file with one stream: header, allocation table, directory, stream."""
    sector = 512
    stream += bytes(max(4096, -(-len(stream) // sector) * sector) - len(stream))
    count = len(stream) // sector
    tables = -(-(count + 2) // 127)
    first = tables + 1
    chain = [0xFFFFFFFD] * tables + [0xFFFFFFFE] + [*range(first + 1, first + count), 0xFFFFFFFE]
    chain += [0xFFFFFFFF] * (tables * 128 - len(chain))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    header += struct.pack("<HHHHHHIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 0, 0, tables, tables, 0, 4096, 0xFFFFFFFE, 0,
                          0xFFFFFFFE, 0)  # fmt: skip
    header += struct.pack("<109I", *range(tables), *[0xFFFFFFFF] * (109 - tables))

    def entry(title: str, kind: int, child: int, start: int, size: int) -> bytes:
        text = title.encode("utf-16-le")
        return (
            text.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(text) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    free = bytes(66) + struct.pack("<BBIII", 0, 0, *[0xFFFFFFFF] * 3) + bytes(48)
    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(name, 2, 0xFFFFFFFF, first, len(stream)) + free * 2
    return header + struct.pack(f"<{len(chain)}I", *chain) + directory + stream


def xls(cells: dict[tuple[int, int], str | float], *, stream: str = "Workbook") -> bytes:
    """Return an .xls workbook (BIFF8) with these cells of one sheet: (row, column), from 0 -> value."""
    begin = struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)
    sheet = _record(0x0809, begin)
    for (row, column), value in cells.items():
        if isinstance(value, str):
            text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
            sheet += _record(0x0204, struct.pack("<HHH", row, column, 0) + text)
        else:
            sheet += _record(0x0203, struct.pack("<HHHd", row, column, 0, value))
    sheet += _record(0x000A)
    name = b"\x01\x00S"
    book = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    position = len(book) + 4 + 6 + len(name) + 4
    book += _record(0x0085, struct.pack("<IBB", position, 0, 0) + name) + _record(0x000A)
    return _ole(book + sheet, stream)


def _brt(kind: int, body: bytes = b"") -> bytes:
    """Return a record of BIFF12: number and size in seven bits a byte."""
    head = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
    size, length = b"", len(body)
    while True:
        size += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
        if not length:
            return head + size + body


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb(cells: dict[tuple[int, int], str | float]) -> bytes:
    """Return an .xlsb workbook with these cells of one sheet: (row, column), from 0 -> value."""
    sheet = _brt(129) + _brt(148, struct.pack("<IIII", 0, 0, 0, 0)) + _brt(145)
    last = -1
    for (row, column), value in cells.items():
        if row != last:
            sheet += _brt(0, struct.pack("<I", row) + bytes(13))
            last = row
        head = struct.pack("<II", column, 0)
        sheet += _brt(6, head + _wide(value)) if isinstance(value, str) else _brt(5, head + struct.pack("<d", value))
    sheet += _brt(146) + _brt(130)
    book = (
        _brt(131) + _brt(143) + _brt(156, struct.pack("<II", 0, 1) + _wide("rId1") + _wide("S")) + _brt(144) + _brt(132)
    )
    return archive({
        "_rels/.rels": _relations("r", "officeDocument", "xl/workbook.bin"),
        "xl/workbook.bin": book,
        "xl/_rels/workbook.bin.rels": f'<Relationships {_OF}><Relationship Id="rId1" Type="{_TO}/worksheet" '
        'Target="worksheets/sheet1.bin"/></Relationships>',
        "xl/worksheets/sheet1.bin": sheet,
    })  # fmt: skip

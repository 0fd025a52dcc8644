"""Hostile uploads: each is read or refused by name, in little time and memory, in this process and its child."""

from __future__ import annotations

import io
import random
import zipfile
from typing import TYPE_CHECKING

import pytest

from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.uploads.reading import ReadLimits, read
from tests.hostile.probes import Probes
from tests.workbooks import archive, book_xml, ods, ods_cell, sheet_xml, xls, xlsb, xlsx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The whole: this process with Polars (about 90 MB) and its child. A busy machine may take three times as long.
MOST_MB = 400
MOST_S = 30

PROBE = """
import resource, time
from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.uploads.reading import read

def probe(path):
    began = time.monotonic()
    try:
        sheet = read(path)
        found = {"shape": sheet.cells.shape}
    except (Refused, NeedsChoice) as error:
        found = {"code": error.code, "message": error.message}
    # Not ru_maxrss, which counts the process that this one was forked from.
    own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {**found, "mb": own + child, "s": time.monotonic() - began}
"""


@pytest.fixture(scope="module")
def reader() -> Iterator[Probes]:
    """A process that reads each upload in a fork."""
    with Probes.of(PROBE) as probes:
        yield probes


def far_cell(value: str = "<v>1</v>") -> bytes:
    title = '<c r="A1" t="inlineStr"><is><t>Title</t></is></c>'
    return xlsx(f'<row r="1">{title}</row><row r="1048576"><c r="XFD1048576" s="1">{value}</c></row>')


def noise(size: int) -> str:
    return random.Random(7).randbytes(size // 2).hex()


def billion_laughs() -> bytes:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return xlsx(f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY e0 "ha">{entities}]><worksheet>&e9;</worksheet>')


def quadratic_strings() -> bytes:
    cells = '<c t="s"><v>0</v></c>' * 100
    return xlsx(f"<row>{cells}</row>" * 700, strings=f"<si><t>{noise(32_000)}</t></si>", compressed=False)


def sparse() -> bytes:
    tall = "".join(f'<row r="{number}"><c r="A{number}"><v>{number}</v></c></row>' for number in range(1, 300_001))
    return xlsx(tall + '<row r="300001"><c r="EZZ300001"><v>1</v></c></row>')


def long_format() -> bytes:
    """A format of a megabyte, which 5,000 styles name."""
    code, cells = r"\a" * 400_000, '<xf numFmtId="200"/>' * 5000
    styles = f'<numFmt numFmtId="200" formatCode="{code}"/><cellXfs>{cells}</cellXfs>'
    return xlsx("<row/>", styles=f"<styleSheet>{styles}</styleSheet>")


def one_part_of_many_sheets() -> bytes:
    """A thousand sheets that share one part without a value."""
    names = "".join(f'<sheet name="s{number}" r:id="rId1"/>' for number in range(999))
    return xlsx("<row/>" * 150_000, workbook=f'<workbook xmlns:r="x">{names}</workbook>')


def many_empty_parts() -> bytes:
    """100 sheets, each with a megabyte of rows without a value: 12 s of work in a file of 0.4 MB."""
    return xlsx(*["<row/>" * 150_000] * 100)


WORKBOOKS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a value in the last cell": (far_cell, "LIMIT", "cell XFD1048576 is in column 16,384; expected at most 4,096"),
    "a sheet of zeros": (
        lambda: xlsx(b"<worksheet><sheetData>" + b'<row><c t="n"><v>0</v></c></row>' * 8_000_000),
        "LIMIT",
        "times its size; expected at most 100",
    ),
    "spaces before the root": (lambda: xlsx(b"<?" + b" " * 200_000_000), "LIMIT", "times its size"),
    "spaces, stored": (lambda: xlsx(b"<?xml " + b" " * 50_000_000, compressed=False), "FORMAT", "a tag of more than"),
    "one long token": (
        lambda: xlsx(f'<worksheet a="{noise(30_000_000)}', compressed=False), "FORMAT", "a tag of more than",
    ),
    "a million levels": (
        lambda: xlsx(b"<worksheet>" + b"<a>" * 1_000_000, compressed=False), "FORMAT", "nests more than 64 elements",
    ),
    "a billion laughs": (billion_laughs, "FORMAT", "declares a document type"),
    "an external entity": (
        lambda: xlsx('<!DOCTYPE w [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet>&e;</worksheet>'),
        "FORMAT",
        "declares a document type",
    ),
    "entities in the shared strings": (
        lambda: xlsx("<row/>", strings='<!DOCTYPE s [<!ENTITY e "x">]><sst>&e;</sst>'), "FORMAT", "document type",
    ),
    "one long string in 70,000 cells": (quadratic_strings, "LIMIT", "more than 67,108,864 bytes"),
    "a million columns": (
        lambda: xlsx("<row>" + "<c><v>1</v></c>" * 1_000_000 + "</row>", compressed=False), "LIMIT", "column",
    ),
    "a column beyond the last": (lambda: xlsx('<row><c r="XFE1"><v>1</v></c></row>'), "FORMAT", "'XFE1' is not a cell"),
    "a row beyond the last": (lambda: xlsx('<row r="1048577"><c><v>1</v></c></row>'), "FORMAT", "row 1048577"),
    "one wide row under 300,000 short ones": (sparse, "LIMIT", "300,001 rows of up to 4,082 columns"),
    "a million merged ranges": (
        lambda: xlsx(sheet_xml("<row><c><v>1</v></c></row>", '<mergeCell ref="A1:B1"/>' * 1_000_000).encode(),
                     compressed=False),
        "LIMIT",
        "merged ranges",
    ),
    "a hundred thousand sheets": (
        lambda: xlsx(
            "<row/>",
            workbook='<workbook xmlns:r="x">' + '<sheet name="s" r:id="rId1"/>' * 100_000 + "</workbook>",
            compressed=False,
        ),
        "LIMIT",
        "sheets",
    ),
    "a text longer than a cell": (
        lambda: xlsx(f'<row><c t="inlineStr"><is><t>{noise(40_000)}</t></is></c></row>'), "LIMIT", "40,000 characters",
    ),
    "a million runs in a string": (
        lambda: xlsx("<row><c t='s'><v>0</v></c></row>", strings="<si>" + "<r><t>ab</t></r>" * 1_000_000 + "</si>",
                     compressed=False),
        "LIMIT",
        "2,000,000 characters",
    ),
    "a missing shared string": (lambda: xlsx("<row><c t='s'><v>7</v></c></row>"), "FORMAT", "shared string 7"),
    "a number of 400,000 digits": (
        lambda: xlsx(f"<row><c><v>{'9' * 400_000}</v></c></row>", compressed=False), "LIMIT", "400,000 characters",
    ),
    "200,000 digits and a letter": (
        lambda: xlsx(f"<row><c><v>{'1' * 200_000}x</v></c></row>"), "LIMIT", "200,001 characters",
    ),
    "a long format of many styles": (long_format, "EMPTY", "no visible sheet"),
    "one part of many sheets": (one_part_of_many_sheets, "EMPTY", "no visible sheet"),
    "many empty parts": (many_empty_parts, "LIMIT", "the parts of the workbook unzip to"),
    "a cell twice": (
        lambda: xlsx('<row><c r="B1"><v>1</v></c><c r="B1"><v>2</v></c></row>'), "FORMAT", "cell B1 appears twice",
    ),
    "an .xls with a value in its last cell": (lambda: xls({(0, 0): "a", (65_535, 255): 1.0}), "LIMIT", "MB of memory"),
    "an .xlsb with a value in the last cell": (
        lambda: xlsb({(0, 0): "a", (1_048_575, 16_383): 1.0}), "LIMIT", "MB of memory",
    ),
    "an .ods with a row of a billion cells": (
        lambda: ods('<table:table-row><table:table-cell table:number-columns-repeated="1000000000" '
                    'office:value-type="float" office:value="1"/></table:table-row>'),
        "LIMIT",
        "column 16,384",
    ),
    "an .ods bomb": (lambda: ods("<table:table-row/>" * 10_000_000), "LIMIT", "times its size"),
    "OLE noise": (
        lambda: bytes.fromhex("d0cf11e0a1b11ae1" + noise(100_000)), "FORMAT", "without a workbook",
    ),
    "ZIP noise": (lambda: b"PK\x03\x04" + bytes.fromhex(noise(100_000)), "FORMAT", "not a complete ZIP archive"),
}  # fmt: skip
TEXTS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "ten million columns": (lambda: b"a," * 10_000_000, "LIMIT", "10,000,001 cells"),
    # At the end of a file, they are cut off.
    "line ends": (lambda: b"a\n" + b"\n" * 20_000_000 + b"b\n", "LIMIT", "20,000,002 lines"),
    "old line ends": (lambda: b"a\r" + b"\r" * 20_000_000 + b"b\r", "LIMIT", "20,000,002 lines"),
    "one wide record among short ones": (
        lambda: b"a\n" * 1_000_000 + b"x" + b",x" * 4_000 + b"\n" + b"a\n" * 1_000_000, "LIMIT", "columns and only",
    ),
    "a wide quoted record among short ones": (
        lambda: b"a\n" * 1_000_000 + b'"\n"' + b",x" * 4_000 + b"\n" + b"a\n" * 1_000_000, "LIMIT", "columns and only",
    ),
    "a quote that is never closed": (lambda: b'a,b\n"' + b"x,y\n" * 5_000_000, "LIMIT", "never closed"),
    "quotes": (lambda: b'"' * 20_000_001, "LIMIT", "characters"),
    "NULs": (lambda: bytes(20_000_000), "FORMAT", "binary data"),
    "one line": (lambda: b"x" * 20_000_000, "LIMIT", "20,000,000 characters"),
    "a JSON of many levels": (lambda: b"[" * 1_000_000, "FORMAT", "JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*WORKBOOKS, *TEXTS])
def test_a_hostile_upload_is_refused_in_little_time_and_memory(name, tmp_path, reader):
    make, code, message = (WORKBOOKS | TEXTS)[name]
    path = tmp_path / "upload"
    path.write_bytes(make())
    found = reader.probe(str(path))
    assert (found.get("code"), message in found.get("message", "")) == (code, True), found
    print(f"{name}: {found['mb']:.0f} MB, {found['s']:.1f} s")
    assert found["mb"] < MOST_MB
    assert found["s"] < MOST_S


def test_a_styled_cell_without_a_value_far_away_does_not_count(tmp_path, reader):
    path = tmp_path / "upload"
    path.write_bytes(far_cell(""))
    found = reader.probe(str(path))
    assert found["shape"] == [1, 1]
    assert found["mb"] < MOST_MB


def test_no_cut_or_changed_workbook_leads_to_another_error():
    generator = random.Random(3)
    cells = '<row r="2"><c r="B2" t="s"><v>0</v></c><c s="1"><v>45839</v></c><c><f>A1</f></c></row>'
    whole = [
        xlsx(cells, "<row/>", strings="<si><t>a</t></si>"),
        xlsx(cells, strings="<si><t>a</t></si>", compressed=False),
        xls({(0, 0): "a", (1, 1): 2.0}),
        xlsb({(0, 0): "a", (1, 1): 2.0}),
        ods(f"<table:table-row>{ods_cell('a')}{ods_cell(2.0)}</table:table-row>"),
    ]
    # Each kind of file twice cut and twice whole.
    for number in range(20):
        data = bytearray(whole[number % len(whole)])
        if number % 2:
            del data[generator.randrange(8, len(data)) :]
        for _ in range(generator.randrange(1, 9)):
            data[generator.randrange(4, len(data))] = generator.randrange(256)
        try:
            read(bytes(data), limits=ReadLimits(seconds=20))
        except (Refused, NeedsChoice):
            continue


def test_an_archive_that_understates_its_sizes_is_refused():
    data = bytearray(xlsx("<row><c><v>1</v></c></row>" * 1000))
    name = b"xl/worksheets/sheet1.xml"
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(name))
    with io.BytesIO(data) as file, zipfile.ZipFile(file) as zipped:
        size = zipped.getinfo(name.decode()).file_size
    assert int.from_bytes(data[at + 24 : at + 28], "little") == size
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    with pytest.raises(Refused, match="cannot be unzipped"):
        read(bytes(data))


def test_a_target_outside_the_archive_is_never_opened(tmp_path):
    secret = tmp_path / "secret.xml"
    secret.write_text(sheet_xml("<row><c><v>1</v></c></row>"))
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
        'Target="{target}"{mode}/></Relationships>'
    )
    for target, mode in (
        (secret.as_uri(), ' TargetMode="External"'), (str(secret), ""), ("../../../../" + str(secret), ""),
    ):  # fmt: skip
        parts = {
            "xl/workbook.xml": book_xml([("S", "visible")]),
            "xl/_rels/workbook.xml.rels": relations.format(target=target, mode=mode),
        }
        with pytest.raises(Refused):
            read(archive(parts))

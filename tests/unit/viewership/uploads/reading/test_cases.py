"""The given cases, as far as reading goes: encoding, refusal, and that every expected text is in the sheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.viewership.errors import Refused
from jobs.viewership.uploads.reading import read

CASES = Path(__file__).parents[4] / "viewership_cases"
# Values that the platform's file spells otherwise than its units: 12,5 or 31.07.2025.
SPELLED = {"date", "hours", "views", "revenue"}


def case(name: str) -> tuple[Path, dict]:
    folder = CASES / name
    upload = next(path for path in folder.iterdir() if path.stem in ("upload", "report"))
    return upload, json.loads((folder / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("banner-and-empty-column", (7, 5)),
        ("cr-only", (3, 3)),
        ("enc-bom-quoted-header", (2, 3)),
        ("enc-cp1252", (3, 3)),
        ("enc-mojibake", (2, 3)),
        ("enc-utf16le-tsv", (2, 3)),
        ("header-only", (1, 3)),
        ("quoted-newline", (3, 3)),
        ("spaces-and-quotes", (4, 7)),
        ("xlsx-formula-no-value", (4, 2)),
        ("xlsx-huge-dimension", (2, 2)),
        ("xlsx-number-titles", (4, 3)),
        ("xlsx-two-row-header", (4, 6)),
    ],
)
def test_a_case_reads_to_the_texts_that_it_expects(name, shape):
    upload, expected = case(name)
    sheet = read(upload)
    assert sheet.cells.shape == shape
    if "encoding" in expected:
        assert sheet.encoding == expected["encoding"]
    texts = {text for row in sheet.cells.rows() for text in row}
    for row in expected.get("rows", []):
        assert {value for field, value in row.items() if field not in SPELLED} <= texts
    if "match" in expected and name == "enc-mojibake":
        assert set(expected["match"]) <= texts
    if "header_line" in expected:
        header = next(line for line, row in zip(sheet.lines, sheet.cells.rows(), strict=True) if "Episode Name" in row)
        assert header == expected["header_line"]


def test_the_page_named_xls_is_refused_as_what_it_is():
    upload, expected = case("html-named-xls")
    with pytest.raises(Refused, match="an HTML page") as error:
        read(upload)
    assert error.value.code == expected["code"]

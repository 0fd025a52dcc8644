"""The given cases, up to units: encoding, header, values, totals and fates are those of each ``expected.json``."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.model import Fate
from jobs.viewership.uploads.formats.binding import bind
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.reading import read
from jobs.viewership.uploads.transform.choices import Choices
from jobs.viewership.uploads.transform.transform import transform
from jobs.viewership.uploads.transform.units import Sums, Units
from jobs.viewership.uploads.values.period import Period

if TYPE_CHECKING:
    from jobs.viewership.model import Sheet
    from jobs.viewership.uploads.layout.model import Layout

CASES = Path(__file__).parents[2] / "viewership_cases"
INPUTS = (".csv", ".xlsx", ".xls")
BESIDE = ("catalogue.csv", "aliases.csv")

# Outcomes that reading cannot show; here these cases only have to be read.
ELSEWHERE = {
    "restated-week": "the overlap of two uploads needs a ledger of uploads",
    "same-bytes-other-name": "the identity of two uploads needs a ledger of uploads",
}
KNOWN_KEYS = {
    *("case", "why", "mapping", "options", "outcome", "code", "header_line", "rows", "totals", "tolerance", "counts"),
    *("rejected_lines", "encoding", "warnings", "match", "note", "uploads", "after_replace"),
}


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / name / "expected.json").read_text(encoding="utf-8"))
    return found


def names() -> list[str]:
    return sorted(path.parent.name for path in CASES.glob("*/expected.json"))


def uploads(name: str) -> list[Path]:
    return [path for path in sorted((CASES / name).iterdir()) if path.suffix in INPUTS and path.name not in BESIDE]


def run(path: Path, case: dict[str, Any]) -> tuple[Sheet, Layout, Units]:
    canonical = shipped_formats()["canonical-1"]
    sheet = read(path)
    layout = find_layout(sheet, canonical)
    mapping = {
        field.replace("content_name (second)", "content_name_2"): column for column, field in case["mapping"].items()
    }
    period = case.get("options", {}).get("period")
    choices = Choices(period=Period.parse(period) if period else None)
    return sheet, layout, transform(sheet, layout, bind(canonical, layout, mapping), choices)


def test_every_case_says_what_this_test_knows_and_has_an_input() -> None:
    assert len(names()) == 38
    for name in names():
        assert expected(name).keys() <= KNOWN_KEYS, name
        assert uploads(name), name
    assert ELSEWHERE.keys() <= set(names())


def test_every_case_with_a_match_has_a_catalogue_for_the_test_that_matches_it() -> None:
    for name in names():
        case = expected(name)
        assert ("match" in case) == (CASES / name / "catalogue.csv").exists(), name


@pytest.mark.parametrize("name", names())
def test_a_case_has_its_outcome(name: str) -> None:
    case = expected(name)
    for path in uploads(name):
        if name in ELSEWHERE or case["outcome"] == "loaded":
            sheet, layout, units = run(path, case)
            check(case, sheet, layout, units)
            continue
        error = {"choice": NeedsChoice, "refused": Refused}[case["outcome"]]
        with pytest.raises(error) as raised:
            run(path, case)
        assert raised.value.exit_code == 65
        assert raised.value.code == case.get("code", "NEEDS_CHOICE")


def check(case: dict[str, Any], sheet: Sheet, layout: Layout, units: Units) -> None:
    tolerance = Decimal(str(case.get("tolerance", 0)))
    totals = units.reconcile()
    everything = sum(totals.values(), Sums())
    assert layout.header_line == case.get("header_line", layout.header_line)
    assert sheet.encoding == case.get("encoding", sheet.encoding)
    for field, total in case.get("totals", {}).items():
        assert abs(getattr(everything, field) - Decimal(str(total))) <= tolerance, field
    for fate, rows in case.get("counts", {}).items():
        # A review comes after matching, which topline does not reach.
        found = everything.rows if fate == "rows" else totals.get(fate, Sums()).rows
        assert found == rows, fate
    rejected = units.frame.filter(fate=str(Fate.REJECTED))
    assert rejected["line"].to_list() == case.get("rejected_lines", rejected["line"].to_list())
    if "rejected" not in case.get("counts", {}):
        assert rejected.is_empty()
    for warning in case.get("warnings", []):
        assert any(warning in note.message for note in units.notes), warning
    rows = units.frame.filter(units.frame["fate"].is_null() | (units.frame["fate"] == str(Fate.TOPLINE))).to_dicts()
    if "rows" in case:
        assert len(rows) == len(case["rows"])
    for row, wanted in zip(rows, case.get("rows", []), strict="rows" in case):
        for field, value in wanted.items():
            assert same(row[field], value, tolerance), (field, row[field], value)


def same(found: object, wanted: object, tolerance: Decimal) -> bool:
    if isinstance(found, Decimal) or (isinstance(wanted, int | float) and found is not None):
        return wanted is not None and abs(Decimal(str(found)) - Decimal(str(wanted))) <= tolerance
    return wanted is None if found is None else str(found) == wanted

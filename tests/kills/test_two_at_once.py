"""Two commands on the same bucket: one is stopped before an operation while the other runs to the end."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from jobs.gamedata.parts.store import list_parts
from tests.kills.place import BODIES, ledger_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kills.conftest import Undisturbed
    from tests.kills.killer import Child
    from tests.kills.place import Place

pytestmark = pytest.mark.slow

LATER = "2026-01-02T00:00:00+00:00"
# Columns that differ between equal results of two runs.
_OF_A_RUN = ("run_id", "extracted_at", "pt_sha256", "pt_size")


def results(place: Place) -> dict:
    """Return rows and manifest of any run, each checked against its file."""
    found = place.outcome()
    for row in found["parts"].values():
        if row["stored"]:
            assert hashlib.sha256((place.folder / "out" / row["pt_key"]).read_bytes()).hexdigest() == row["pt_sha256"]
    return _of_any_run(found)


def _of_any_run(found: dict) -> dict:
    parts = {key: {name: row[name] for name in row if name not in _OF_A_RUN} for key, row in found["parts"].items()}
    return {"parts": parts, "pt": set(found["pt"]), "manifest": found["manifest"]}


def paused(place: Place, number: int, step: str, **options: object) -> Child:
    """Return a step stopped before its operation of this number."""
    child = place.start(step, **options)
    while child.next() and len(child.trace) <= number:
        child.go()
    return child


@pytest.fixture
def expected(undisturbed: Undisturbed) -> dict:
    return _of_any_run(undisturbed.outcome)


# The command that runs in the middle of the first one.
@pytest.mark.parametrize("second", ["extract", "manifest", "verify", "compact"])
def test_a_second_command_in_the_middle_of_an_extract(new_place: Callable[[], Place], expected: dict, second: str):
    trace = new_place().start("extract", many=2).expect(0).trace
    # Before a .pt file, the first part and the merged one are visible, and before the first and last old part go.
    (pt, *_), parts, gone = (
        [number for number, operation in enumerate(trace) if operation.name == name and kind in operation.subject]
        for name, kind in (("replace", ".pt"), ("replace", ".parquet"), ("unlink", ".parquet"))
    )
    for number in (pt, parts[0], parts[-1], gone[0], gone[-1]):
        place = new_place()
        child = paused(place, number, "extract")
        ends = (0, 65) if second == "manifest" else (0,)  # possibly nothing is extracted yet
        other = place.run(second, code=None, run_id=f"{place.run_id}-second", at=LATER)
        assert other.code in ends, other.said()
        check_manifest(place, expected)
        before = child.trace[-1]
        child.expect(0)
        place.run("manifest")
        assert results(place) == expected, f"{second} before {before}"
        place.run("verify")


@pytest.mark.parametrize("first", ["manifest", "verify"])
def test_an_extract_in_the_middle_of_a_reading_command(new_place: Callable[[], Place], expected: dict, first: str):
    filled = new_place()
    # Some TARs are done, so there is something to read.
    for prefix in ("a", "d/"):
        filled.run("extract", "--prefix", prefix, run_id="before", many=64)

    def start(place: Place) -> Child:
        return place.start(first, reads=True, many=64)

    trace = start(copied(filled, new_place())).expect(0).trace
    looks = [number for number, operation in enumerate(trace) if operation.name in ("list", "read")]
    assert len(looks) >= 4
    # Both listings, the first part, the first .pt file that verify reads, and the last file.
    for number in dict.fromkeys((*looks[:4], looks[-1])):
        place = copied(filled, new_place())
        child = start(place)
        while child.next() and len(child.trace) <= number:
            child.go()
        before = child.trace[-1]
        place.run("extract", "--report-dir", "./other", run_id=f"{place.run_id}-second", at=LATER)
        child.expect(0)
        if first == "manifest":
            check_manifest(place, expected)
            assert "omitted" not in child.said(), f"extract before {before}"
        else:
            assert place.report()["rejects"] == {}, f"extract before {before}"
        place.run("manifest")
        assert results(place) == expected, f"extract before {before}"
        place.run("verify")


def test_two_compactions(new_place: Callable[[], Place]):
    filled = new_place()
    filled.run("extract", many=64)
    # Duplicate rows, as a killed compaction leaves them.
    filled.run("extract", "--no-skip-existing", many=64)
    rows = filled.rows()

    trace = copied(filled, new_place()).start("compact", reads=True).expect(0).trace
    assert len(trace) > 15
    # The first and last of each kind: listings, reads, the put, deletions.
    first = {operation.name: number for number, operation in reversed(list(enumerate(trace)))}
    last = {operation.name: number for number, operation in enumerate(trace)}
    for number in sorted({*first.values(), *last.values()}):
        place = copied(filled, new_place())
        child = paused(place, number, "compact", reads=True)
        place.run("compact")
        child.expect(0)
        assert place.rows(filled.run_id) == rows, f"compact before {child.trace[number]}"
        place.run("compact")
        assert place.rows(filled.run_id) == rows
        assert len(list_parts(place.out)) == 1


def copied(filled: Place, place: Place) -> Place:
    """Link the objects of one place into another: their ETags stay, and objects are never written in place."""
    shutil.copytree(filled.folder / "out", place.folder / "out", copy_function=os.link)
    return place


def test_two_extracts_that_start_together(new_place: Callable[[], Place], expected: dict):
    for _ in range(2):
        place = new_place()
        names = ("one", "two")
        children = [place.start("extract", run_id=f"{place.run_id}-{name}", free=True, workers=2) for name in names]
        for child in children:
            child.expect(0)
        place.run("manifest")
        assert results(place) == expected
        place.run("verify")
        ledgers = [ledger_of(place.database, f"{place.run_id}-{name}") for name in names]
        assert ledgers[0] == ledgers[1]
        assert ledgers[0]["run"][0][0] == "partial"


def check_manifest(place: Place, expected: dict) -> None:
    """Check that every row of a manifest built during an extract is correct; rows may be missing."""
    for row in place.manifest():
        steady = row | {"processed_time": None}
        whole = expected["manifest"][row["s3_key"]]
        if row["warnings"] and "no part records" in row["warnings"][0]:
            continue  # its part did not exist yet
        assert steady == whole
    assert len(place.manifest()) <= len(BODIES)

"""Findings of verify on buckets with a history, and during a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kills.place import BAD, BODIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kills.place import Place

pytestmark = pytest.mark.slow
LATER = "2026-01-02T00:00:00+00:00"
GOOD = len(BODIES) - 1


def counts(place: Place, code: int, *flags: str) -> dict[str, int]:
    """Run verify and return its counts."""
    place.run("verify", *flags, code=code)
    return place.report()["counts"]


@pytest.mark.parametrize("second", [("--no-skip-existing",), ("--sampling", "exact")])
def test_results_that_a_later_run_replaced_are_not_findings(new_place: Callable[[], Place], second: tuple[str, ...]):
    place = new_place()
    place.run("extract", many=64)
    place.run("extract", *second, many=64, at=LATER)
    # The last one may delete what was replaced.
    for flags in (("--dry-run",), ("--quick",), ()):
        found = counts(place, 0, *flags)
        assert (found["checked"], found["sound"]) == (GOOD, GOOD), flags
        assert place.report()["rejects"] == {}
        assert place.committed() == set(BODIES)


def test_a_replaced_result_whose_file_is_damaged_is_named_once(new_place: Callable[[], Place]):
    place = new_place()
    place.run("extract", many=64)
    place.run("extract", "--no-skip-existing", many=64, at=LATER)
    place.damage("a.pt")
    (place.folder / "out/b.pt").unlink()
    found = counts(place, 65)
    assert (found["checked"], found["sound"], found["retired"]) == (GOOD + 2, GOOD - 2, 2)
    assert place.report()["rejects"] == {"pt_changed": 1, "pt_missing": 1}
    assert sorted(failure["item"] for failure in place.report()["failures"]) == ["a.tar", "b.tar"]
    read = place.decoded()
    place.run("extract")
    assert place.decoded() - read == {"a.tar": 1, "b.tar": 1}
    assert counts(place, 0)["sound"] == GOOD
    assert f"{BAD}.tar" in place.committed()


def test_verify_killed_before_operations_of_each_kind(new_place: Callable[[], Place]):
    def damaged() -> Place:
        place = new_place()
        place.run("extract", many=64, run_id="run")
        place.damage("a.pt")
        (place.folder / "out/d/e.pt").unlink()
        (place.folder / "out/_stats/00000001-abcdefabcdef.parquet").write_bytes(b"PAR1 cut")
        return place

    def mended(place: Place) -> dict:
        read = place.decoded()
        place.run(run_id="run")
        assert place.decoded() - read == {"a.tar": 1, "d/e.tar": 1}
        found = place.outcome("run")
        return {name: found[name] for name in ("parts", "pt", "manifest")}

    whole = damaged()
    trace = whole.start("verify").expect(65).trace
    named = {failure["item"] for failure in whole.report()["failures"]}
    assert {"a.tar", "d/e.tar"} < named
    assert [operation.name for operation in trace].count("replace") == 3, "a part and two pages of the report"
    expected = mended(whole)
    # Kills before the report's operations are tested with those of a run.
    changes = [number for number, operation in enumerate(trace) if "/out" in operation.subject]
    firsts = {trace[number].name: number for number in reversed(changes)}
    assert firsts.keys() >= {"open", "write", "half", "fsync", "replace", "unlink"}
    assert len(changes) > 7
    for number in sorted({*firsts.values(), changes[-1]}):
        operation = trace[number]
        place = damaged()
        child = place.start("verify")
        while child.next() and len(child.trace) <= number:
            child.go()
        child.kill()
        place.age()
        # Rows removed before the kill are not found a second time.
        place.run("verify", code=None)
        assert mended(place) == expected, f"killed before {operation}"
        assert counts(place, 0)["sound"] == GOOD
        assert place.temporaries() == []

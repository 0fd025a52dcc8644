"""A SIGKILL to the process group before each kind of operation of a run, followed by a complete run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kills.place import BODIES, ledger_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kills.conftest import Undisturbed
    from tests.kills.killer import Operation
    from tests.kills.place import Place

pytestmark = pytest.mark.slow


def worth_a_kill(trace: list[Operation]) -> list[int]:
    """Return one operation of each kind: a kill before the others leaves the same.

    Before a transaction's first statement and before its commit, because the rest leaves what the first does; before
    each operation of the first put, and for other files only before what makes them visible; before the first and the
    last deletion of merged parts.
    """
    chosen = {0, len(trace) - 1}
    files: set[str] = set()
    for number, operation in enumerate(trace):
        if operation.name == "commit":
            chosen |= {number, number + 1}
        elif operation.name == "replace":
            kind = file_kind(operation)
            first = kind not in files
            files.add(kind)
            if len(files) == 1 and first:
                # open, write, half, fsync, replace, sync
                chosen |= set(range(number - 4, number + 2))
            elif first:
                chosen |= {number - 2, number, number + 1}
    merged = max(number for number, operation in enumerate(trace) if ends_a_part(operation))
    deletions = [number for number, operation in enumerate(trace) if operation.name == "unlink"]
    return sorted(chosen | {merged - 1, merged, deletions[0], deletions[-1]})


def file_kind(operation: Operation) -> str:
    """Return what a file is: a ``.pt`` file, a part, the manifest or the report, whose two files are put alike."""
    path = Path(operation.subject)
    return path.suffix if path.suffix == ".pt" else path.parent.name


def ends_a_part(operation: Operation) -> bool:
    return operation.name == "sync" and operation.subject.endswith("_stats")


def killed_at(place: Place, number: int, step: str, **options: object) -> bool:
    """Kill a step before its operation of this number; return False if it has fewer."""
    child = place.start(step, **options)
    for _ in range(number):
        if child.next() is None:
            return False
        child.go()
    if child.next() is None:
        return False
    child.kill()
    assert child.code is None
    return True


def check_what_is_there(place: Place, whole: dict) -> None:
    """Check that no object is half-written: each visible one equals that of the undisturbed run."""
    assert place.hashes().items() <= whole["pt"].items()
    assert len(place.manifest()) in (0, len(BODIES))
    assert place.committed() <= set(BODIES)


def state_of(place: Place) -> Any:
    """Return what the next run finds: all files, temporary ones by their contents only, and the ledger's rows."""
    files = [path for path in place.folder.rglob("*") if path.is_file() and path.name != "decoded"]
    bodies = sorted(
        (str(path.parent.relative_to(place.folder)), path.name * (not path.name.startswith(".")), path.read_bytes())
        for path in files
    )
    # The names of merged parts and times within them differ; as rows they are compared.
    steady = [(folder, name, body) for folder, name, body in bodies if folder not in ("out/_stats", "report")]
    parts = [(folder, bool(name), len(body) > 0) for folder, name, body in bodies if folder in ("out/_stats", "report")]
    rows = place.database.rows("SELECT status FROM pipeline.runs WHERE run_id = %s", place.run_id)
    current = place.rows() if (place.folder / "out").is_dir() else {}
    return steady, parts, current, rows, ledger_of(place.database, place.run_id), place.decoded()


def test_a_run_killed_before_any_of_its_operations(new_place: Callable[[], Place], undisturbed: Undisturbed):
    expected = undisturbed.outcome
    assert set(expected["manifest"]) == set(expected["parts"]) == set(BODIES)
    assert len(undisturbed.trace) > 100
    chosen = worth_a_kill(undisturbed.trace)
    assert {undisturbed.trace[number].name for number in chosen} == {each.name for each in undisturbed.trace}
    assert len(chosen) > 25
    seen: set[str] = set()
    states: list[Any] = []
    for number in chosen:
        place = new_place()
        assert killed_at(place, number, "run"), f"operation {number} did not come"
        before = undisturbed.trace[number]
        check_what_is_there(place, expected)
        committed, decoded = place.committed(), place.decoded()
        assert max(decoded.values(), default=1) == 1
        # Runs repeat the same operations in the same order, so a later kill cannot lose commits.
        assert seen <= committed, f"killed before operation {number}, {before}"
        seen = committed
        # Operations of one transaction leave the same: a second run from there shows nothing more.
        state = state_of(place)
        if state in states:
            continue
        states.append(state)
        place.age()
        place.run()
        assert place.outcome() == expected, f"killed before operation {number}, {before}"
        again = place.decoded() - decoded
        assert not committed & set(again), "a committed TAR was read again"
        assert max(again.values(), default=1) == 1
        if place.temporaries():
            place.run()
        assert place.temporaries() == [], f"killed before operation {number}, {before}"
    assert len(states) > 15

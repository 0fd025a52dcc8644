"""A SIGKILL to the process group before each single operation of a run, followed by a complete run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kills.place import BODIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kills.killer import Operation
    from tests.kills.place import Place

pytestmark = pytest.mark.slow

# The operations are split among the test workers.
SHARDS = 4


def worth_a_kill(trace: list[Operation]) -> list[int]:
    """Return all operations except those of the middle batches, which repeat the first and last one's."""
    parts = [number for number, operation in enumerate(trace) if ends_a_part(operation)]
    *_, last_but_one, _last, _merged = parts
    return [number for number in range(len(trace)) if not parts[0] < number <= last_but_one]


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


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_run_killed_before_any_of_its_operations(new_place: Callable[[], Place], shard: int):
    whole = new_place()
    undisturbed = whole.start().expect(0)
    expected = whole.outcome()
    assert set(expected["manifest"]) == set(expected["parts"]) == set(BODIES)
    assert len(undisturbed.trace) > 100
    chosen = worth_a_kill(undisturbed.trace)
    assert len(chosen) > 70
    seen: set[str] = set()
    for number in chosen[shard::SHARDS]:
        place = new_place()
        assert killed_at(place, number, "run"), f"operation {number} did not come"
        before = undisturbed.trace[number]
        check_what_is_there(place, expected)
        committed, decoded = place.committed(), place.decoded()
        assert max(decoded.values(), default=1) == 1
        # Runs repeat the same operations in the same order, so a later kill cannot lose commits.
        assert seen <= committed, f"killed before operation {number}, {before}"
        seen = committed
        place.age()
        place.run()
        assert place.outcome() == expected, f"killed before operation {number}, {before}"
        again = place.decoded() - decoded
        assert not committed & set(again), "a committed TAR was read again"
        assert max(again.values(), default=1) == 1
        if place.temporaries():
            place.run()
        assert place.temporaries() == [], f"killed before operation {number}, {before}"

"""A SIGKILL to the process group before each single operation of a run, and a run to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kills.place import BODIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kills.place import Place

pytestmark = pytest.mark.slow

# Every operation is killed once; the shards share them out to the test workers.
SHARDS = 4


def kinds(place: Place, trace: list) -> set[tuple[str, str]]:
    """Which operations a run does, by name and folder, SQL by its statement."""
    root = str(place.folder)
    found = set()
    for name, subject in ((operation.name, operation.subject) for operation in trace):
        folder = subject.removeprefix(root + "/").partition("/")[0]
        inner = "_stats" if "/_stats" in subject else ".pt" if subject.endswith(".pt") else ""
        found.add((name, f"{folder} {inner}".strip() if subject.startswith(root) else subject))
    return found


def killed_at(place: Place, number: int, step: str, **options: object) -> bool:
    """Kill a step before its operation of this number; False when it has fewer."""
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
    """Nothing is half-written: each object that can be seen is as in the undisturbed run."""
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
    killed = 0
    seen: set[str] = set()
    for number in range(shard, len(undisturbed.trace), SHARDS):
        place = new_place()
        assert killed_at(place, number, "run"), f"operation {number} did not come"
        killed += 1
        before = undisturbed.trace[number]
        check_what_is_there(place, expected)
        committed, decoded = place.committed(), place.decoded()
        assert max(decoded.values(), default=1) == 1
        # Each run does the same in the same order: what one had committed, a later kill does not take away.
        assert seen <= committed, f"killed before operation {number}, {before}"
        seen = committed
        place.age()
        place.run()
        assert place.outcome() == expected, f"killed before operation {number}, {before}"
        again = place.decoded() - decoded
        assert not committed & set(again), "what is committed is not read again"
        assert max(again.values(), default=1) == 1
        if place.temporaries():
            place.run()
        assert place.temporaries() == [], f"killed before operation {number}, {before}"
    assert killed == len(range(shard, len(undisturbed.trace), SHARDS))

"""A SIGKILL to the process group at seeded times, several in a row; the worker processes die too."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.kills.place import BODIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kills.conftest import Undisturbed
    from tests.kills.place import Place

pytestmark = pytest.mark.slow

SEEDS = range(3)
KILLS = 5
FORKED = {"workers": 2, "pause_s": 0.05}


def kill_within(place: Place, seconds: float, **options: object) -> bool:
    """Start a run and kill it after this time; return False if it ended earlier."""
    child = place.start(free=True, **options)
    if child.ended_within(seconds):
        return False
    child.kill()
    return child.code is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_killed_at_seeded_times(new_place: Callable[[], Place], undisturbed: Undisturbed, seed: int):
    begun = time.monotonic()
    new_place().run(**FORKED)
    longest = time.monotonic() - begun
    expected = undisturbed.outcome

    times = random.Random(seed)
    place = new_place()
    kills = 0
    while kills < KILLS:
        if not kill_within(place, times.uniform(0, longest), **FORKED):
            longest /= 2  # little work is left
            continue
        kills += 1
        assert place.hashes().items() <= expected["pt"].items()
        assert len(place.manifest()) in (0, len(BODIES))
        place.age()
    committed, decoded = place.committed(), place.decoded()
    place.run()
    assert place.outcome() == expected
    assert not committed & set(place.decoded() - decoded)
    assert max(place.decoded().values()) <= 1 + KILLS
    if place.temporaries():
        place.run()
    assert place.temporaries() == []


def test_a_killed_run_is_shown_as_interrupted_and_the_next_one_has_its_own_rows(
    new_place: Callable[[], Place], undisturbed: Undisturbed
):
    expected = undisturbed.outcome
    place = new_place()
    child = place.start("run")
    while (operation := child.next()) and "item_errors" not in operation.subject:
        child.go()
    child.go()
    child.next()
    child.go()  # writes the error and commits its transaction
    child.next()
    child.kill()
    place.run(run_id="next")
    found = place.outcome("next")
    # Commits of the first run keep its run id.
    assert {key: row | {"run_id": None} for key, row in found["parts"].items()} == {
        key: row | {"run_id": None} for key, row in expected["parts"].items()
    }
    assert {name: found[name] for name in ("pt", "manifest", "ledger")} == {
        name: expected[name] for name in ("pt", "manifest", "ledger")
    }
    # The errors of the killed run stay; after a minute without a heartbeat the next run marks it interrupted.
    assert place.outcome()["ledger"]["run"] == [("running", None, None)]
    age = "UPDATE pipeline.{} SET heartbeat_at = heartbeat_at - interval '61 s' WHERE run_id = %s"
    for table in ("runs", "run_stages"):
        place.database.rows(age.format(table), place.run_id)
    place.run(run_id="third")
    killed = place.outcome()["ledger"]
    assert killed["run"][0][0] == "interrupted"
    assert [stage[2] for stage in killed["stages"]] == ["interrupted"]
    assert killed["item_errors"] == expected["ledger"]["item_errors"]

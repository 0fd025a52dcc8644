"""Viewership's commands at once: one is stopped before an operation, while others run to their end or wait for it.

The operations are sampled, with a seed; TELECINE_TEST_KILLS=all takes each of them.
"""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.kills._screenalytics import DATABASE, advance
from tests.kills._viewership import ALL, HEAD, ROWS, Scene, final_commit
from tests.postgres_server import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.kills.killer import Programs
    from tests.postgres_server import Database

pytestmark = pytest.mark.slow

SAMPLED = 1
CORRECTED = HEAD + ROWS.replace(",1.5", ",9") + "Lost Harbor,1,1,Arrival,2025-07-02,1\n"
AUGUST = HEAD + ROWS.replace("2025-07", "2025-08")
KEY = "(SELECT array_agg(key_id) FROM viewership.keys WHERE content_name = 'Somewhere Else Entirely')"
EPISODE = "(SELECT id FROM catalog.episodes WHERE ref_id = 'LH-0101')"
# File -> hours of its final rows, without and with the decided row.
HOURS = {"corrected.csv": (12.25, 16.25), "august.csv": (3.75, 7.75)}
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def scene(tmp_path: Path, programs: Programs, database: Database) -> Iterator[Scene]:
    with closing(Scene(tmp_path / "scene", programs, database)) as made:
        made.catalogue()
        yield made


def sampled(scene: Scene, *step: str) -> list[int]:
    """Return numbers of a step's operations; its effects are undone."""
    trace = scene.start(*step).expect(0).trace
    scene.restore()
    begun = [number for number, operation in enumerate(trace) if "INTO pipeline.run_stages" in operation.subject]
    numbers = [number for number in range(begun[0], len(trace)) if trace[number].name in DATABASE]
    if ALL:
        return numbers
    return sorted({*random.Random(5).sample(numbers, SAMPLED), final_commit(trace)})


def at_once(scene: Scene, number: int, first: Sequence[str], *others: Sequence[str]) -> list[int | None]:
    """Stop a step before an operation until the others have ended or wait; return the exit codes."""
    stopped = scene.start(*first, run_id="first")
    assert advance(stopped, number)
    running = [scene.start(*step, run_id=f"other-{at}", free=True) for at, step in enumerate(others)]
    left = list(running)

    def settled() -> bool:
        left[:] = [child for child in left if not child.ended_within(0.02)]
        return scene.rows(WAITS)[0][0] >= len(left)

    until(settled, 60)
    stopped.finish()
    for child in left:
        child.finish()
    return [child.code for child in (stopped, *running)]


def test_the_same_bytes_twice_at_once_are_one_upload(scene: Scene):
    scene.file("july.csv", HEAD + ROWS)
    scene.file("copy.csv", HEAD + ROWS)
    scene.save()
    first, second = ("run", "july.csv"), ("run", "copy.csv")
    scene.complete(*first)
    once = scene.outcome()
    scene.restore()
    for number in sampled(scene, *first):
        assert at_once(scene, number, first, second) == [0, 0], number
        found = scene.outcome()
        assert scene.rows("SELECT count(*) FROM viewership.uploads") == [(1,)], number
        # The name that came first stands.
        assert [row[4:] for row in found.pop("uploads")] == [row[4:] for row in once["uploads"]]
        assert found == {name: rows for name, rows in once.items() if name != "uploads"}, number
        assert {name for (name,) in scene.rows("SELECT filename FROM viewership.upload_names")} == {
            "july.csv",
            "copy.csv",
        }
        scene.check()
        scene.restore()


@pytest.mark.parametrize("action", ["accept", "alias"])
def test_an_upload_a_replacement_and_a_decision_at_once(scene: Scene, action: str):
    scene.run(scene.file("july.csv", HEAD + ROWS))
    scene.file("corrected.csv", CORRECTED)
    scene.file("august.csv", AUGUST)
    scene.save()
    replacing = ("run", "corrected.csv", "--on-overlap", "replace")
    upload = ("run", "august.csv")
    decision = ("sql", f"SELECT viewership.decide('{action}', {KEY}, {EPISODE}, 'ann', 'seen')")
    for number in sampled(scene, *replacing):
        assert at_once(scene, number, replacing, upload, decision) == [0, 0, 0], number
        scene.check()
        assert scene.rows("SELECT filename, status FROM viewership.uploads ORDER BY filename") == [
            ("august.csv", "loaded"),
            ("corrected.csv", "loaded"),
            ("july.csv", "replaced"),
        ]
        found = scene.rows("SELECT filename, sum(hours)::float FROM viewership.episode_details GROUP BY 1")
        # An alias holds for all uploads; an acceptance for the rows that were there when it was made.
        for name, hours in found:
            assert hours in HOURS[name][action == "alias" :], (number, name)
        scene.restore()


def test_a_retraction_in_the_middle_of_another_upload(scene: Scene):
    scene.run(scene.file("july.csv", HEAD + ROWS))
    scene.file("august.csv", AUGUST)
    scene.save()
    [(number_of_july,)] = scene.rows("SELECT upload_id FROM viewership.uploads")
    upload = ("run", "august.csv")
    for number in sampled(scene, *upload):
        retract = ("retract", str(number_of_july), "--reason", "wrong", "--by", "ann")
        assert at_once(scene, number, upload, retract) == [0, 0], number
        scene.check()
        found = scene.rows("SELECT filename, count(*)::int FROM viewership.episode_details GROUP BY 1")
        assert found == [("august.csv", 3)]
        scene.restore()

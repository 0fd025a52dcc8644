"""Viewership under SIGKILL: before statements of its commands, each followed by a complete run.

The statements are sampled, with a seed; TELECINE_TEST_KILLS=all takes each of them.
"""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from shared.errors import EXIT_DATA, EXIT_OK, EXIT_USAGE
from tests.kills._screenalytics import DATABASE, advance
from tests.kills._viewership import ALL, HEAD, ROWS, Scene, final_commit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kills.killer import Operation, Programs
    from tests.postgres_server import Database

pytestmark = pytest.mark.slow

# Operations of any kind to kill before, besides one of each kind of write and the end.
SAMPLED = 1
CORRECTED = HEAD + ROWS.replace(",1.5", ",9") + "Lost Harbor,1,1,Arrival,2025-07-02,1\n"
KEY = "(SELECT array_agg(key_id) FROM viewership.keys WHERE content_name = 'Somewhere Else Entirely')"
EPISODE = "(SELECT id FROM catalog.episodes WHERE ref_id = 'LH-0101')"


@pytest.fixture
def scene(tmp_path: Path, programs: Programs, database: Database) -> Iterator[Scene]:
    with closing(Scene(tmp_path / "scene", programs, database)) as made:
        made.catalogue()
        yield made


def boundaries(trace: list[Operation]) -> list[int]:
    """Return the numbers of the operations to kill before: a write of each kind, the end, and sampled ones.

    Kills within the ledger's begin are those of any step: test_kill_steps has them.
    """
    begun = [number for number, operation in enumerate(trace) if "INTO pipeline.run_stages" in operation.subject]
    first = begun[0] if begun else 0
    numbers = [
        number
        for number in range(first, len(trace))
        if trace[number].name in DATABASE or "viewership/raw" in trace[number].subject
    ]
    if ALL:
        return numbers
    chosen = {*random.Random(7).sample(numbers, min(SAMPLED, len(numbers)))}
    for kind in ("copy", "replace", "end"):
        writes = [number for number in numbers if trace[number].name == kind]
        chosen.update(random.Random(len(trace)).sample(writes, min(1, len(writes))))
    return sorted(chosen | {final_commit(trace)})


def kill_everywhere(scene: Scene, *step: str, codes: tuple[int, ...] = (0,)) -> list[bool]:
    """Kill a step before its operations, run it again, and compare with an undisturbed run.

    Args:
        scene: the tables are saved.
        step: the step; a second run of a step that is done may end with another code.
        codes: exit codes of the run after the kill.

    Returns:
        For each kill, whether the step had done its work.
    """
    before = scene.final_rows()
    trace = scene.start(*step).expect(0).trace
    expected, after = scene.outcome(), scene.final_rows()
    scene.check()
    done = []
    for number in boundaries(trace):
        scene.restore()
        child = scene.start(*step)
        operation = advance(child, number)
        # The names of temporary files differ.
        assert operation is not None
        assert operation.name == trace[number].name
        child.kill()
        scene.wait()
        said = f"killed before operation {number}, {trace[number]}"
        # Neither the old rows nor the new ones in part.
        assert scene.final_rows() in (before, after), said
        scene.check()
        done.append(scene.outcome() == expected)
        scene.complete(*step, codes=codes)
        assert scene.outcome() == expected, said
        scene.check()
    return done


def test_a_run_killed_before_its_statements(scene: Scene):
    scene.file("july.csv", HEAD + ROWS)
    scene.save()
    done = kill_everywhere(scene, "run", "july.csv")
    # Before a file of the bucket, a COPY, a commit and the end.
    assert ALL or len(done) >= 4
    assert not all(done)


def test_a_replacement_killed_before_its_statements(scene: Scene):
    scene.run(scene.file("july.csv", HEAD + ROWS))
    scene.file("corrected.csv", CORRECTED)
    scene.save()
    assert len(scene.final_rows()) == 3
    done = kill_everywhere(scene, "run", "corrected.csv", "--on-overlap", "replace")
    assert not all(done)
    assert len(scene.final_rows()) == 4


def test_a_retraction_killed_before_its_statements(scene: Scene):
    scene.run(scene.file("july.csv", HEAD + ROWS))
    scene.save()
    [(number,)] = scene.rows("SELECT upload_id FROM viewership.uploads")
    # The second retraction of an upload is refused.
    done = kill_everywhere(
        scene, "retract", str(number), "--reason", "wrong", "--by", "ann", codes=(EXIT_OK, EXIT_USAGE)
    )
    assert {True, False} == set(done)
    assert scene.final_rows() == []


# An acceptance is the same transaction as an alias; that of the console is killed below.
@pytest.mark.parametrize("action", ["alias", "reject"])
def test_a_decision_and_its_undo_killed_before_their_statements(scene: Scene, action: str):
    scene.run(scene.file("july.csv", HEAD + ROWS))
    scene.save()
    undecided = scene.outcome()
    [(key,)] = scene.rows(
        "SELECT encode(review_digest, 'hex') FROM viewership.keys WHERE content_name LIKE 'Somewhere%'"
    )
    how = ("--reason", "wrong") if action == "reject" else ("--episode", "LH-0101")
    # A second decision about a key that has one is refused.
    done = kill_everywhere(
        scene, f"review {action}", key, *how, "--yes", "--by", "ann", codes=(EXIT_OK, EXIT_USAGE, EXIT_DATA)
    )
    assert False in done
    decided = scene.outcome()
    assert len(decided["decisions"]) == 1
    assert len(decided["episode_details"]) == len(undecided["episode_details"]) + (action != "reject")
    scene.save()
    [(number,)] = scene.rows("SELECT decision_id FROM viewership.decisions")
    done = kill_everywhere(
        scene, "review undo", str(number), "--yes", "--by", "ben", codes=(EXIT_OK, EXIT_USAGE, EXIT_DATA)
    )
    assert False in done
    assert scene.outcome()["episode_details"] == undecided["episode_details"]


def test_a_reprocess_killed_before_its_statements(scene: Scene):
    scene.run(scene.file("july.csv", HEAD + ROWS))
    scene.catalogue("ref_id,series,season,episode,title\nCR-0104,Calm River,1,4,Somewhere Else Entirely\n", deals="")
    scene.save()
    assert len(scene.final_rows()) == 3
    done = kill_everywhere(scene, "reprocess", "--by", "ann")
    assert not all(done)
    assert len(scene.final_rows()) == 4


@pytest.mark.parametrize("action", ["accept", "alias"])
def test_a_decision_of_the_console_killed_before_its_statement_and_its_commit(scene: Scene, action: str):
    scene.run(scene.file("july.csv", HEAD + ROWS))
    scene.save()
    states = kill_each(scene, f"SELECT viewership.decide('{action}', {KEY}, {EPISODE}, 'ann', 'seen')")
    assert states == [False, False, True]
    scene.save()
    states = kill_each(scene, "SELECT viewership.undo((SELECT max(decision_id) FROM viewership.decisions), 'ben')")
    assert states == [False, False, True]


def kill_each(scene: Scene, statement: str) -> list[bool]:
    """Kill a transaction of one statement before the statement, before its commit and before its end."""
    old = scene.outcome()
    trace = scene.start("sql", statement).expect(0).trace
    new = scene.outcome()
    done = []
    for number in (number for number, operation in enumerate(trace) if operation.name in DATABASE):
        scene.restore()
        child = scene.start("sql", statement)
        assert advance(child, number) == trace[number]
        child.kill()
        scene.wait()
        found = scene.outcome()
        assert found in (old, new), trace[number]
        scene.check()
        done.append(found == new)
        if found == old:
            scene.complete("sql", statement)
            assert scene.outcome() == new
    return done

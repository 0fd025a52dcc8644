"""Screenalytics under SIGKILL: before each operation, at seeded times, two at once, and a commit without a reply."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.kills._screenalytics import (
    DATABASE,
    Scene,
    States,
    advance,
    change,
    changes,
    counted,
    fill,
    products,
    written,
)
from tests.kills._screenalytics_wire import Wire
from tests.kills.killer import Operation
from tests.postgres_server import reachable_folder, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kills.killer import Child, Programs
    from tests.postgres_server import Database

pytestmark = pytest.mark.slow

SEEDS = range(3)
TWELVE = [f"run-{number:02}" for number in range(12)]
PERSONS = Operation("copy", "COPY screenalytics.person_metrics")
CHANGED = ("replay", "good-two-casts", "--accept-changed")


@pytest.fixture
def scene(tmp_path: Path, programs: Programs, database: Database) -> Iterator[Scene]:
    with closing(Scene(tmp_path / "scene", programs, database)) as made:
        yield made


def traced(scene: Scene, *step: str, code: int) -> tuple[list[Operation], dict[str, Any]]:
    """Run a step undisturbed; return its operations and its outcome. The tables are restored."""
    scene.restore()
    trace = scene.start(*step).expect(code).trace
    outcome = scene.outcome()
    scene.restore()
    return trace, outcome


def once(scene: Scene) -> None:
    """Check that each run in the tables was written once, however often it was tried."""
    tables = scene.tables()
    times = {run_id: count for (run_id, outcome), count in written(tables).items() if outcome == "ingested"}
    assert times == dict.fromkeys((row["run_id"] for row in tables["runs"]), 1)


def whole_runs(tables: dict[str, Any], expected: dict[str, Any]) -> set[str]:
    """Return the runs in the tables, after checking that each has exactly its final rows."""
    found = products(tables)
    there = {row["run_id"] for row in found["runs"]}
    for name, rows in found.items():
        assert rows == [row for row in expected[name] if row["run_id"] in there], name
    return there


def test_the_scene_has_an_end_of_every_kind(scene: Scene):
    fill(scene)
    trace, outcome = traced(scene, "ingest", code=65)
    assert [row["run_id"] for row in outcome["runs"]] == ["good-people", "good-two-casts"]
    assert [row["persons"] for row in outcome["runs"]] == [2, 2]
    assert len(outcome["person_metrics"]) == 4
    assert {row["run_id"]: row["state"] for row in outcome["ingest_items"]} == {
        "bad": "rejected",
        "failed": "skipped",
        "good-people": "ingested",
        "good-two-casts": "ingested",
        "running": "deferred",
    }
    assert [(row["delivered_at"], row["delivery_attempts"]) for row in outcome["outbox_events"]] == [
        (True, 0),
        (True, 0),
        (False, 1),
    ]
    assert [error[1:3] for error in outcome["ledger"]["item_errors"]] == [
        ("bad", "CHECKSUM_MISMATCH"),
        ("event 00000000-0000-0000-0000-000000000003", "UNKNOWN_EVENT"),
    ]
    again = scene.start("ingest").expect(65).trace
    assert [at for at in again if at.name in DATABASE] == [at for at in trace if at.name in DATABASE]


def test_an_ingest_killed_before_operations_of_each_kind(scene: Scene):
    fill(scene)
    trace, expected = traced(scene, "ingest", code=65)
    numbers = changes(trace)
    assert [trace[number].name for number in numbers].count("commit") > 4
    assert {"copy", "row"} < {operation.name for operation in trace}
    seen: set[str] = set()
    states = States(scene)
    for number in numbers:
        scene.restore()
        child = scene.start("ingest")
        assert advance(child, number) == trace[number]
        child.kill()
        before = f"killed before operation {number}, {trace[number]}"
        tables = scene.tables()
        there = whole_runs(tables, expected)
        # Every attempt does the same in the same order: a later kill cannot undo an earlier commit.
        assert seen <= there, before
        seen = there
        waiting = {row["aggregate_id"] for row in tables["outbox_events"] if not row["delivered_at"]}
        assert {"good-two-casts", "good-people"} <= waiting | there, f"no event stands for a run, {before}"
        if states.is_new(tables):
            scene.complete("ingest", code=65)
            assert scene.outcome(counted(tables)) == expected, before
            once(scene)
    assert len(states) > 4


def test_a_replay_killed_before_operations_of_each_kind(scene: Scene):
    scene.put("good-two-casts", persons=3)
    scene.complete("ingest", run_id="first", code=0)
    scene.save()
    old = products(scene.tables())
    change(scene, "good-two-casts")
    trace, expected = traced(scene, *CHANGED, code=0)
    new = products(expected)
    assert [len(found["person_metrics"]) for found in (old, new)] == [3, 2]
    assert [len(found["replaced_runs"]) for found in (old, new)] == [0, 1]
    assert [row["revision"] for row in new["runs"]] == [2]
    copied = {"COPY screenalytics.person_metrics", "COPY screenalytics.cast_metrics"}
    assert {"DELETE FROM screenalytics.runs", *copied} <= {at.subject for at in trace}
    states, left = [], States(scene)
    for number in changes(trace):
        scene.restore()
        child = scene.start(*CHANGED)
        assert advance(child, number) == trace[number]
        child.kill()
        tables = scene.tables()
        found = products(tables)
        assert found in (old, new), f"a mixture, killed before operation {number}, {trace[number]}"
        states.append(found == new)
        if left.is_new(tables):
            scene.complete(*CHANGED, code=0)
            assert scene.outcome() == expected, f"killed before operation {number}, {trace[number]}"
    assert states == sorted(states)
    assert set(states) == {False, True}


def test_an_ingest_killed_at_seeded_times(scene: Scene):
    fill(scene)
    begun = time.monotonic()
    free = {"free": True, "inline": False}
    scene.start("ingest", **free).expect(65)
    longest = time.monotonic() - begun
    expected = scene.outcome()
    for seed in SEEDS:
        scene.restore()
        times = random.Random(seed)
        kills = 0
        while kills < (4 if seed == 0 else 1):
            child = scene.start("ingest", **free)
            if child.ended_within(times.uniform(0, longest)):
                scene.restore()
                continue
            child.kill()
            if child.code is None:
                kills += 1
                scene.wait()
                whole_runs(scene.tables(), expected)
        less = counted(scene.tables())
        scene.start("ingest", **free).expect(65)
        assert scene.outcome(less) == expected, f"seed {seed}"
        once(scene)


def crowd(scene: Scene) -> None:
    """Twelve runs, each with an event."""
    for run_id in TWELVE:
        scene.put(run_id, persons=5)
        scene.tell(run_id)
    scene.save()


def twelve(scene: Scene, *, told: bool = True) -> None:
    """Check that all twelve runs are there once, all events are delivered if ``told``, and nothing is a failure."""
    tables = scene.tables()
    assert [row["run_id"] for row in tables["runs"]] == TWELVE
    assert Counter(row["run_id"] for row in tables["person_metrics"]) == dict.fromkeys(TWELVE, 5)
    assert Counter(row["run_id"] for row in tables["artifacts"]) == dict.fromkeys(TWELVE, 1)
    assert {(row["state"], row["attempts"]) for row in tables["ingest_items"]} == {("ingested", 0)}
    assert {(row["delivered_at"], row["delivery_attempts"]) for row in tables["outbox_events"]} == {(told, 0)}
    assert scene.rows("SELECT * FROM pipeline.item_errors") == []
    once(scene)


def holds(child: Child, written: int) -> None:
    """Let a child run until this many runs are written and the last one is not committed."""
    while operation := child.next():
        if operation.name == "commit" and written == 0:
            return
        written -= operation == PERSONS
        child.go()
    pytest.fail("it wrote less")


@pytest.mark.parametrize("victim", ["poll", "events"])
def test_one_of_two_ingesters_is_killed_while_the_other_waits_for_it(scene: Scene, victim: str):
    crowd(scene)
    other = {"poll": "events", "events": "poll"}[victim]
    child = scene.start("ingest", "--arrival", victim, run_id=victim)
    holds(child, 5)
    assert len(scene.tables()["runs"]) == 4
    running = scene.start("ingest", "--arrival", other, run_id=other, free=True, inline=False)
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    until(lambda: scene.rows(waits) == [(1,)])
    child.kill()
    running.expect(0)
    assert scene.report(other)["counts"]["ingested"] == 8
    scene.complete("ingest", "--arrival", victim, run_id=victim, code=0)
    twelve(scene)


def test_two_ingesters_at_once(scene: Scene):
    crowd(scene)
    for arrivals in (("poll", "events"), ("poll", "poll")):
        scene.restore()
        free = {"free": True, "inline": False}
        children = [
            scene.start("ingest", "--arrival", how, run_id=f"{number}-{how}", **free)
            for number, how in enumerate(arrivals)
        ]
        for child in children:
            child.expect(0)
        twelve(scene, told="events" in arrivals)
        ingested = [scene.report(f"{number}-{how}")["counts"]["ingested"] for number, how in enumerate(arrivals)]
        assert sum(ingested) == 12


def ends_of_kinds(commits: list[str]) -> list[int]:
    """Return the numbers of the first and the last commit after each statement; those after a SELECT are one kind."""
    kinds = ["SELECT" if words.startswith("SELECT") else words for words in commits]
    firsts = {kinds.index(kind) for kind in kinds}
    lasts = {len(kinds) - 1 - kinds[::-1].index(kind) for kind in kinds if kind != "SELECT"}
    return sorted(firsts | lasts)


@pytest.mark.parametrize("step", ["ingest", "replay"])
def test_the_answer_to_a_commit_is_lost(scene: Scene, step: str):
    """The server committed, but the client does not know: the retry finds its own rows."""
    fill(scene)
    words, code = ("ingest",), 65
    if step == "replay":
        scene.complete("ingest", run_id="first", code=65)
        scene.save()
        change(scene, "good-two-casts")
        words, code = CHANGED, 0
    before = counted(scene.tables())
    with reachable_folder() as folder:

        def begin(cut_at: int | None) -> tuple[Wire, Child]:
            scene.restore()
            wire = Wire(folder, scene.database, cut_at)
            with closing(wire):
                child = scene.complete(*words, code=None, url=wire.url)
            return wire, child

        wire, child = begin(None)
        assert child.code == code, child.said()
        expected = scene.outcome()
        assert len(wire.commits) > 5
        for number in ends_of_kinds(wire.commits):
            wire, child = begin(number)
            assert wire.cut, f"commit {number} did not come"
            assert child.code in (code, 75), f"commit {number}\n{child.said()}"
            less: Counter[str] = Counter()
            if child.code == 75:
                less = counted(scene.tables()) - before
                scene.complete(*words, code=code)
            assert scene.outcome(less) == expected, f"commit {number}\n{child.said()}"
            once(scene)


def test_a_verify_killed_before_operations_of_each_kind_marks_what_is_gone(scene: Scene):
    for run_id in ("gone", "here", "also-gone"):
        scene.put(run_id)
    scene.complete("ingest", run_id="first", code=0)
    scene.save()
    for run_id in ("gone", "also-gone"):
        scene.store.delete(f"derived/runs/{run_id}/manifest.json")
    trace = scene.start("verify").expect(65).trace
    expected = scene.outcome()
    marks = written(scene.tables())
    assert {row["run_id"]: row["status"] for row in expected["runs"]} == {
        "gone": "source_deleted",
        "here": "ingested",
        "also-gone": "source_deleted",
    }
    assert [operation.name for operation in trace].count("sql") > 6
    committed, left = 0, States(scene)
    numbers = changes(trace)
    for number in numbers:
        operation = trace[number]
        scene.restore()
        child = scene.start("verify")
        assert advance(child, number) == operation
        child.kill()
        tables = scene.tables()
        states = Counter(row["status"] for row in tables["runs"])
        assert states["source_deleted"] in (0, 2), f"half a page, killed before operation {number}, {operation}"
        committed += states["source_deleted"] == 2
        if left.is_new(tables):
            # A run that is already marked is not a finding.
            scene.complete("verify", code=0 if states["source_deleted"] else 65)
            assert scene.outcome() == expected, f"killed before operation {number}, {operation}"
            assert written(scene.tables()) == marks
    assert 0 < committed < len(numbers)

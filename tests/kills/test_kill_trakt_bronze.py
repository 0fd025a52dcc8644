"""A SIGKILL before each operation of a load, a compaction or an erasure; then the same again, with the same rows."""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.settings import BronzeSettings
from tests.kills._trakt_bronze import ACTIONS, Change
from tests.postgres_server import until
from tests.trakt_answers import comment, example
from tests.trakt_bronze import FERRY, SALT, TABLES, comments_page, one_page, rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database

pytestmark = pytest.mark.slow

ANN = {"username": "Ann B", "ids": {"slug": "ann-b"}}
# Share of the operations that are drawn.
DRAWN = 0.05
TOMBSTONES = "SELECT user_hash, erased_at, run_id FROM trakt.tombstones"
TIMES = 2
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"


@pytest.fixture
def before(database: Database, tmp_path: Path) -> BronzeSettings:
    """A bucket with two loads, and the pages of a third."""
    database.rows(TABLES)
    made = BronzeSettings(bucket=str(tmp_path / "before"), database_url=database.url, user_salt=SecretStr(SALT))
    place = BronzePlace(made)
    for number in (1, 2):
        items = [comment(id=1), comment(id=10 + number), comment(id=20 + number, user=ANN)]
        place.pages.put(comments_page(f"load-{number}", items, minutes=number))
        commit_load(place, f"load-{number}")
    for page in (1, 2):
        place.pages.put(comments_page("load-3", [comment(id=1), comment(id=30 + page, user=ANN)], page=page, minutes=9))
    place.pages.put(one_page(PageRequest("load-3", "rating", FERRY), example("rating"), minutes=9))
    return made


def copied(before: BronzeSettings, folder: Path, database: Database) -> BronzeSettings:
    """Return the settings of a fresh copy of the bucket."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(before.bucket.removeprefix("file://"), folder)
    database.rows("DELETE FROM trakt.tombstones")
    return before.model_copy(update={"bucket": f"file://{folder}"})


def outcome(settings: BronzeSettings) -> tuple[Any, ...]:
    """Return rows with their hashes, the contents of page objects, and the number of erasures."""
    place = BronzePlace(settings)
    bodies = [place.pages.get(key) for key in place.pages.all_keys()]
    return rows(place), bodies, snapshot(place).erasures


@pytest.mark.parametrize("action", ACTIONS)
def test_a_change_killed_before_any_of_its_operations(
    before: BronzeSettings, database: Database, tmp_path: Path, action: str
):
    """Do the change again from what lies in the bucket before its operations, which is what a kill there leaves.

    One process stops before each; a copy is made before the first of each kind, and before some that are drawn. Before
    one of those it is killed.
    """
    draw = random.Random(action)
    was = outcome(before)
    whole = copied(before, tmp_path / "whole", database)
    left: list[tuple[str, Path, list[Any]]] = []
    with Change.started(whole, action) as undisturbed:
        while operation := undisturbed.next():
            if undisturbed.trace.count(operation) == 1 or draw.random() < DRAWN:
                left.append((operation, tmp_path / f"left-{len(left)}", database.rows(TOMBSTONES)))
                shutil.copytree(tmp_path / "whole", left[-1][1])
            undisturbed.go()
    expected, names = outcome(whole), {file.key for file in snapshot(BronzePlace(whole)).files}
    trace = undisturbed.trace
    assert trace.count("commit") == trace.count("committed") == 1
    assert {operation for operation, *_ in left} == set(trace) >= {"half", "replace", "unlock"}

    settings = copied(before, tmp_path / "killed", database)
    with Change.started(settings, action) as change:
        for number in range(draw.randrange(len(trace))):
            assert change.next() == trace[number]
            change.go()
        left.append((f"killed before {change.next()}", tmp_path / "killed", database.rows(TOMBSTONES)))
    for operation, folder, tombstones in left:
        settings = before.model_copy(update={"bucket": f"file://{folder}"})
        database.rows("DELETE FROM trakt.tombstones")
        for tombstone in tombstones:
            database.rows("INSERT INTO trakt.tombstones VALUES (%s, %s, %s)", *tombstone)
        found = rows(BronzePlace(settings))
        assert found in (was[0], expected[0]), f"half a change is visible before {operation}"
        if action != "compact" and operation in ("commit", "committed"):
            assert (found == expected[0]) == (operation == "committed")
        ACTIONS[action](BronzePlace(settings))
        assert outcome(settings) == expected, f"stopped before {operation}"
        if action == "load":
            assert {file.key for file in snapshot(BronzePlace(settings)).files} == names


def test_a_load_killed_while_delta_rs_writes_the_log(before: BronzeSettings, database: Database, tmp_path: Path):
    whole = copied(before, tmp_path / "whole", database)
    ACTIONS["load"](BronzePlace(whole))
    expected = outcome(whole)
    draw = random.Random(16)
    for _ in range(TIMES):
        settings = copied(before, tmp_path / "killed", database)
        with Change.started(settings, "load") as change:
            while change.next() != "commit":
                change.go()
            change.go()
            # A commit takes some 10 ms here.
            time.sleep(draw.uniform(0, 0.015))
        ACTIONS["load"](BronzePlace(settings))
        assert outcome(settings) == expected


def test_a_load_waits_for_one_that_is_killed_and_then_commits_it(
    before: BronzeSettings, database: Database, tmp_path: Path
):
    settings = copied(before, tmp_path / "killed", database)
    with Change.started(settings, "load") as first:
        while first.next() != "commit":
            first.go()
        with Change.started(settings, "load") as second:
            until(lambda: database.rows(WAITS)[0][0] == 1)
            first.kill()
            second.finish()
            assert "commit" in second.trace
    assert snapshot(BronzePlace(settings)).version == 3

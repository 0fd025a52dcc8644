"""Live files, compaction and vacuum: rows stay as they are, and no file is deleted that someone may need."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.bronze import compaction, rewrite, table, vacuum
from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.compaction import compact, read_p95
from jobs.trakt.bronze.data_files import DataFiles
from jobs.trakt.bronze.live_files import Snapshot, fetch, snapshot
from jobs.trakt.bronze.table import commit_files
from jobs.trakt.bronze.vacuum import vacuum_table
from jobs.trakt.settings import TraktVacuumSettings
from shared.errors import DataError, ObjectMissing, UsageError
from tests.trakt_answers import comment
from tests.trakt_bronze import comments_page, plain_place, rows

if TYPE_CHECKING:
    from tests.trakt_bronze import PlainPlace

CASES = Path(__file__).parents[3] / "trakt_cases"
DAY_S = 86_400


@pytest.fixture
def place(tmp_path: Path) -> PlainPlace:
    return plain_place(tmp_path / "a folder, é#?% 100%")


def test_a_folder_that_delta_rs_would_confuse_with_another_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="percent-encoded"):
        plain_place(tmp_path / "a%41")


def load(place: PlainPlace, number: int, likes: int = 0) -> None:
    items = [comment(id=10 * number + at, likes=likes) for at in range(5)]
    place.pages.put(comments_page(f"load-{number}", items, minutes=number))
    commit_load(place, f"load-{number}")


def names(place: PlainPlace) -> set[str]:
    """Return the data files in the folder, in the table or not."""
    return {path.name for path in Path(place.location).rglob("*.parquet") if "_delta_log" not in path.parts}


def live(place: PlainPlace) -> set[str]:
    return {Path(file.key).name for file in snapshot(place).files}


def actions(place: PlainPlace, version: int) -> list[dict[str, Any]]:
    text = (Path(place.location) / "_delta_log" / f"{version:020}.json").read_text()
    return [json.loads(line) for line in text.splitlines()]


def aged(place: PlainPlace, days: float) -> None:
    """Make all data files look as old as this."""
    for path in Path(place.location).rglob("*.parquet"):
        at = time.time() - days * DAY_S
        os.utime(path, (at, at))


def removed_days_ago(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Date what is removed from now on back by some days."""

    class Clock:
        @staticmethod
        def time_ns() -> int:
            return time.time_ns() - round(days * DAY_S * 1e9)

    monkeypatch.setattr(rewrite, "time", Clock)


def test_a_table_that_was_made_again_in_its_place_has_another_id(place: PlainPlace):
    ids = []
    for _ in range(2):
        place.pages.put(comments_page("load-1", [comment(id=1)]))
        commit_load(place, "load-1")
        ids += [snapshot(place).table_id, snapshot(place, 0).table_id]
        shutil.rmtree(Path(place.location))
    assert (ids[0], ids[2]) == (ids[1], ids[3])
    assert ids[0] != ids[2], "a cache of the former table would be continued"


def test_a_snapshot_names_the_files_of_its_version_with_their_loads(place: PlainPlace):
    assert snapshot(place) == Snapshot(-1, 0, ())
    load(place, 1)
    load(place, 2)
    newest = snapshot(place)
    assert (newest.version, newest.erasures) == (2, 0)
    assert [(file.kind, file.load_id, file.rows) for file in newest.files] == [
        ("comment", "load-1", 5),
        ("comment", "load-2", 5),
        ("page", "load-1", 1),
        ("page", "load-2", 1),
    ]
    assert all(place.store.stat(file.key).size == file.size for file in newest.files)
    assert [file.load_id for file in snapshot(place, 1).files] == ["load-1", "load-1"]
    assert snapshot(place, 0).files == ()


@pytest.mark.parametrize("version", [-1, 3, 10**9])
def test_a_version_that_does_not_exist_is_an_error(place: PlainPlace, version: int):
    load(place, 1)
    load(place, 2)
    with pytest.raises(DataError, match=r"has no version .*; expected a number from 0 to 2"):
        snapshot(place, version)


def test_a_version_without_a_table_is_an_error(place: PlainPlace):
    with pytest.raises(DataError, match="is not a table yet"):
        snapshot(place, 0)


def test_files_are_fetched_once_and_whole(place: PlainPlace, tmp_path: Path):
    load(place, 1)
    files = snapshot(place).files
    paths = fetch(place, files, tmp_path / "local")
    assert [path.stat().st_size for path in paths] == [file.size for file in files]
    assert [path.parent.name for path in paths] == ["resource_kind=comment", "resource_kind=page"]
    paths[0].write_bytes(b"cut")
    before = paths[1].stat().st_mtime_ns
    assert fetch(place, files, tmp_path / "local") == paths
    assert (paths[0].stat().st_size, paths[1].stat().st_mtime_ns) == (files[0].size, before)
    assert {path.name for path in (tmp_path / "local").rglob("*") if path.is_file()} == {path.name for path in paths}


def test_a_file_that_is_gone_is_an_error_and_leaves_no_part(place: PlainPlace, tmp_path: Path):
    load(place, 1)
    files = snapshot(place).files
    place.store.delete(files[0].key)
    with pytest.raises(ObjectMissing):
        fetch(place, files, tmp_path / "local")
    assert [path for path in (tmp_path / "local").rglob("*") if path.is_file()] == []


def test_compaction_joins_small_files_and_changes_no_row(place: PlainPlace):
    for number in range(1, 5):
        load(place, number)
    # Also of comments that have several versions.
    changed = [comment(id=10 + at, likes=1) for at in range(5)]
    place.pages.put(comments_page("load-5", changed, minutes=5))
    commit_load(place, "load-5")
    before = rows(place)
    report = compact(place)
    assert rows(place) == before
    assert (report.version, report.files_before, report.files_after) == (6, 10, 2)
    assert 0 < report.bytes_after < report.bytes_before
    assert report.reads > 0
    assert report.p95_before_s > 0
    assert report.p95_after_s > 0
    made = [action[name] for action in actions(place, 6) for name in ("add", "remove") if name in action]
    assert [one["dataChange"] for one in made] == [False] * 12
    assert [file.load_id for file in snapshot(place).files] == [None, None]
    assert snapshot(place, 5).files, "an older version can still be read"
    assert len(rows(place, version=5)) == len(before)


def test_a_compacted_table_is_left_as_it_is(place: PlainPlace):
    for number in (1, 2):
        load(place, number)
    compact(place)
    again = compact(place)
    assert (again.version, again.files_before, again.files_after) == (3, 2, 2)
    assert compact(plain_place(place.settings.bucket + "-empty")).version == -1


def test_large_files_are_not_written_again(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    for number in (1, 2):
        load(place, number)
    monkeypatch.setattr(compaction, "_SMALL", 10)
    assert compact(place).version == 2


def test_equal_payloads_are_known_after_a_compaction(place: PlainPlace):
    for number in (1, 2):
        load(place, number)
    compact(place)
    place.pages.put(comments_page("load-9", [comment(id=10, likes=0), comment(id=20, likes=1)], minutes=9))
    assert commit_load(place, "load-9").unchanged == 1


def test_a_commit_of_files_that_another_change_removed_is_refused(place: PlainPlace):
    for number in (1, 2):
        load(place, number)
    compact(place)
    with pytest.raises(table.TableMoved):
        commit_files(place, [], base=2, app="x", metadata={})


def test_the_percentile_is_that_of_the_nearest_rank(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    load(place, 1)
    moments = iter([moment for at in range(1, 21) for moment in (float(at), at + at / 100)])
    monkeypatch.setattr(compaction, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    p95, reads = read_p95(place, snapshot(place).files)
    assert (round(p95, 6), reads) == (0.19, 20)


def test_vacuum_deletes_what_is_unused_for_longer_than_the_retention(
    place: PlainPlace, monkeypatch: pytest.MonkeyPatch
):
    for number in (1, 2):
        load(place, number)
    old = names(place)
    removed_days_ago(monkeypatch, 7.1)
    compact(place)
    aged(place, 30)
    before = rows(place)
    assert vacuum_table(place, 8).deleted == 0
    assert vacuum_table(place, 7, dry_run=True).deleted == 4
    assert old < names(place)
    assert vacuum_table(place, 7).deleted == 4
    assert names(place) == live(place)
    assert not old & names(place)
    assert rows(place) == before
    load(place, 3)
    assert len(rows(place)) == len(before) + 6


def test_vacuum_keeps_what_was_removed_lately(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    for number in (1, 2):
        load(place, number)
    removed_days_ago(monkeypatch, 6.9)
    assert vacuum_table(place, 7).compaction.files_after == 2
    aged(place, 30)
    assert vacuum_table(place, 7).deleted == 0
    assert len(rows(place, version=2)) == 12


def test_vacuum_deletes_old_files_of_commits_that_never_came_and_keeps_new_ones(place: PlainPlace):
    load(place, 1)
    folder = Path(place.location) / "resource_kind=comment"
    for name, days in (("part-dead-00000-0.parquet", 8), ("part-new-00000-0.parquet", 1)):
        (folder / name).write_bytes(b"x")
        at = time.time() - days * DAY_S
        os.utime(folder / name, (at, at))
    assert vacuum_table(place, 7).deleted == 1
    assert names(place) - live(place) == {"part-new-00000-0.parquet"}


def test_case_vacuum_while_append_a_file_that_is_not_in_the_log_yet_is_never_deleted(place: PlainPlace):
    case = json.loads((CASES / "vacuum-while-append.json").read_text())
    assert case["input"]["steps"] == ["data file written", "vacuum(retention 0)", "log entry written"]
    load(place, 1)
    files = DataFiles(place.store, "comment", "part-load-2")
    source = snapshot(place).files[0]
    with compaction.open_parquet(place.store, source.key, source.size) as parquet:
        files.add(next(parquet.iter_batches()))
    added = files.finish()
    with pytest.raises(ValueError, match="expected at least 7"):
        vacuum_table(place, 0)
    vacuum_table(place, 7)
    base = snapshot(place).version
    commit_files(place, added, base=base, app="load-2", metadata={})
    assert case["right"]["table_readable"] is (len(rows(place, "comment")) == 10)


def test_vacuum_waits_for_a_commit_on_its_way(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    load(place, 1)
    held = []
    monkeypatch.setattr(vacuum, "compact", lambda one, **_: held.append(one._lock.locked()) or compact(one))
    vacuum_table(place, 7)
    assert held == [True]


def test_vacuum_without_a_table_does_nothing(place: PlainPlace):
    assert vacuum_table(place, 7).deleted == 0


@pytest.mark.parametrize("days", [6, 0, -1, 7.5])
def test_a_retention_below_seven_days_is_refused(days: float):
    with pytest.raises(ValueError, match="retention_days"):
        TraktVacuumSettings(retention_days=days)


def test_a_checkpoint_agrees_with_the_log(place: PlainPlace):
    for number in (1, 2):
        load(place, number)
    vacuum_table(place, 7)
    log = Path(place.location) / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    before = rows(place)
    for path in log.glob("0*1.json"):
        path.unlink()
    assert rows(place) == before
    assert commit_load(place, "load-1").was_committed, "a checkpoint keeps the ids of loads"


@settings(max_examples=8)
@given(st.lists(st.sampled_from(["load", "compact", "vacuum"]), min_size=2, max_size=7))
def test_maintenance_at_any_time_changes_no_row(steps: list[str]):
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        kept, plain = plain_place(one), plain_place(other)
        for number, step in enumerate(steps):
            if step == "load":
                load(kept, number % 3, number)
                load(plain, number % 3, number)
            elif step == "compact":
                compact(kept)
            else:
                vacuum_table(kept, 7)
            assert rows(kept) == rows(plain)

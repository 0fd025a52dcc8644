"""Frames, inputs and sprites in PostgreSQL: the same after repeats, changes, removals and interruptions."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import event

from jobs.gamedata.checks.load import load_built_in
from jobs.gamedata.gold import frames, lineage, sessions
from jobs.gamedata.gold.results import FRAME_VALUES
from jobs.gamedata.manifest.schema import manifest_schema
from jobs.gamedata.settings import PublishSettings
from jobs.gamedata.steps import publish
from shared.database.connection import engine
from shared.errors import BucketMissing, TransientError
from shared.settings import StepSettings
from shared.storage import open_store
from tests.emptied_database import database  # noqa: F401
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.recorded import session
from tests.postgres_server import Database, postgres, until  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


class Bucket:
    """A manifest bucket in a folder, and publishes of it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder / "bucket"
        self.folder.mkdir()
        self.manifest = str(folder / "manifest.parquet")
        self.store = open_store(f"file://{self.folder}", StepSettings())

    def commit(self, *rows: dict[str, Any], only: tuple[str, ...] | None = None, method: str = "static") -> None:
        """Commit part rows, and build a manifest of them."""
        if rows:
            parts.commit(self.store, *rows)
        schema = manifest_schema(load_built_in())
        listed = [
            {**row, "processed_time": 0, "schema_version": 1, "menu_method": method}
            for row in rows
            if only is None or row["s3_key"] in only
        ]
        columns = {field.name: pa.array([row.get(field.name) for row in listed], field.type) for field in schema}
        pq.write_table(pa.table(columns, schema=schema), self.manifest)

    def publish(self, **values: Any) -> dict[str, int]:
        bucket = {"manifest_bucket": f"file://{self.folder}", **values}
        settings = PublishSettings(database_url=self.database.url, manifest=self.manifest, **bucket)
        return publish.run(settings, MemoryStageRun(run_id="run", stage="publish")).counts

    def rows(self, columns: str = "*", table: str = frames.TABLE) -> list[tuple[Any, ...]]:
        return self.database.rows(f"SELECT {columns} FROM {table} ORDER BY s3_key")

    def everything(self) -> list[Any]:
        """All rows of both tables with their places, and all sprites."""
        sprites = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("_sprites/**/*.webp"))
        return [self.rows("*, ctid::text"), self.rows("*, ctid::text", sessions.TABLE), sprites]


@pytest.fixture
def bucket(database, tmp_path) -> Bucket:
    return Bucket(database, tmp_path)


def test_a_second_publish_changes_nothing(bucket):
    bucket.commit(session(bucket.store, "a/1.tar"), session(bucket.store, "a/2.tar", seed=1), parts.part_row("b.tar"))
    first = bucket.publish()
    assert (first["inserted"], first["frames_changed"], first["sprites_made"]) == (3, 3, 2)
    before = bucket.everything()
    assert [len(each) for each in before] == [3, 3, 2]
    again = bucket.publish()
    assert (again["unchanged"], again["frames_changed"], again["sprites_made"], again["sprites"]) == (3, 0, 0, 2)
    assert bucket.everything() == before


def test_every_frame_has_the_values_of_its_part(bucket):
    random = np.random.default_rng(5)
    values = {name: random.uniform(0, 1, 29).astype(np.float32) for name in FRAME_VALUES}
    row = parts.part_row("a.tar", **values)
    row["frame_static_share"][3] = np.nan
    row["frame_stride_s"] = [3.0] * 29
    bucket.commit(row)
    bucket.publish()
    names = ("time_s", "stride_s", *FRAME_VALUES, "is_corrupt")
    found = bucket.rows(", ".join(names), "gold.gamedata_frame_rows")
    assert len(found) == 29
    for number, name in enumerate(names):
        expected = row[f"frame_{'corrupt' if name == 'is_corrupt' else name}"]
        column = [np.nan if line[number] is None else line[number] for line in found]
        assert np.array_equal(np.array(column, np.float32), np.array(expected, np.float32), equal_nan=True), name
    (numbers,) = bucket.rows("array_agg(number ORDER BY time_s), s3_key", "gold.gamedata_frame_rows GROUP BY s3_key")
    assert numbers[0] == list(range(1, 30))


def test_the_frames_and_the_sprite_of_a_changed_session_are_replaced(bucket):
    row, other = session(bucket.store, "a.tar"), session(bucket.store, "b.tar", seed=1)
    bucket.commit(row, other)
    bucket.publish()
    before = dict(bucket.rows("s3_key, sprite_key", sessions.TABLE))
    changed = session(bucket.store, "a.tar", seed=2, source_etag="new", generation=2, luma_mean=12.0)
    bucket.commit(changed, other)
    counts = bucket.publish()
    assert (counts["updated"], counts["frames_changed"], counts["sprites_made"], counts["sprites_deleted"]) == (
        1,
        1,
        1,
        1,
    )
    after = dict(bucket.rows("s3_key, sprite_key", sessions.TABLE))
    assert after["b.tar"] == before["b.tar"]
    assert after["a.tar"] != before["a.tar"]
    assert not (bucket.folder / before["a.tar"]).exists()
    assert (bucket.folder / after["a.tar"]).stat().st_size <= 20_000
    assert set(bucket.rows("luma_mean[1], s3_key")) == {(12.0, "a.tar"), (90.0, "b.tar")}


def test_a_removed_session_takes_its_frames_and_sprite_with_it(bucket):
    rows = [session(bucket.store, key, seed=number) for number, key in enumerate(("a/1.tar", "a/2.tar", "b/1.tar"))]
    bucket.commit(*rows)
    bucket.publish()
    bucket.commit(*rows, only=("a/1.tar",))
    counts = bucket.publish(prefix="a/")
    assert (counts["removed"], counts["sprites_deleted"], counts["sprites"]) == (1, 1, 1)
    assert [key for (key,) in bucket.rows("s3_key")] == ["a/1.tar", "b/1.tar"]
    assert len(bucket.everything()[2]) == 2


def test_what_is_refused_or_hostile_in_a_part_fails_no_session(bucket):
    nul = session(bucket.store, "n.tar") | {"pt_key": "n.pt", "input_first_s": float("nan")}
    bad = parts.part_row("bad.tar", times=[3.0, 6.0]) | {"frame_luma_mean": [1.0]}
    odd = parts.part_row("odd\0key.tar", times=[3.0], static_share=[float("inf")])
    bucket.commit(nul, bad, odd, parts.error_row("e.tar"))
    counts = bucket.publish()
    assert (counts["inserted"], counts["frames_changed"], counts["frames_missing"]) == (4, 2, 2)
    assert bucket.rows("s3_key, static_share[1]") == [("n.tar", 0.12), ("odd\N{REPLACEMENT CHARACTER}key.tar", None)]


def test_without_a_bucket_unchanged_sessions_keep_their_pages_and_changed_ones_lose_them(bucket, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # the default bucket is a folder here, which does not exist
    rows = [session(bucket.store, "a.tar"), session(bucket.store, "b.tar", seed=1)]
    bucket.commit(*rows)
    bucket.publish()
    bucket.commit(rows[0], rows[1] | {"duration_s": 7.0})
    settings = PublishSettings(database_url=bucket.database.url, manifest=bucket.manifest)
    report = publish.run(settings, MemoryStageRun(run_id="run-2", stage="publish"))
    assert report.counts == {"sessions": 2, "inserted": 0, "updated": 1, "unchanged": 1, "removed": 0}
    assert "game-data-manifest" in report.sections[-1].note
    kept = bucket.rows(f"{', '.join(lineage.COLUMNS)}", sessions.TABLE)
    assert kept[0][1] is not None
    assert set(kept[1]) == {None}
    assert [key for (key,) in bucket.rows("s3_key")] == ["a.tar"]
    # The next publish with the bucket brings them back.
    assert bucket.publish()["frames_changed"] == 1
    with pytest.raises(BucketMissing):
        bucket.publish(manifest_bucket=f"file://{tmp_path}/nowhere")


@pytest.mark.parametrize("moment", ["a sprite was stored", "the frames were written", "the commit"])
def test_a_publish_that_is_killed_is_completed_by_the_next(bucket, monkeypatch, moment):
    old = [session(bucket.store, "a.tar"), session(bucket.store, "b.tar", seed=1)]
    bucket.commit(*old)
    bucket.publish()
    before = bucket.everything()
    bucket.commit(
        session(bucket.store, "a.tar", seed=3, source_etag="new", generation=2), session(bucket.store, "c.tar")
    )
    if moment == "a sprite was stored":

        def end(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("shared.database.merge.merging", end)
        with pytest.raises(KeyboardInterrupt):
            bucket.publish()
        monkeypatch.undo()
    else:
        known = engine(bucket.database.settings())
        killed: list[int] = []

        def kill(connection: Any, *arguments: Any) -> None:
            if not killed and (not arguments or "INSERT INTO gold.gamedata_frames" in arguments[1]):
                pid = connection.connection.driver_connection.info.backend_pid
                killed.append(pid)
                bucket.database.rows("SELECT pg_terminate_backend(%s)", pid)
                until(lambda: not bucket.database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

        # Reading uses transactions of its own; only the one that writes is killed.
        name = "commit" if moment == "the commit" else "after_cursor_execute"
        with monkeypatch.context() as patch:
            patch.setattr("jobs.gamedata.gold.pages.Pages._failed", lambda _: {})
            patch.setattr("shared.database.merge.ready", lambda _: known)
            event.listen(known, name, kill)
            with pytest.raises(TransientError):
                bucket.publish()
            event.remove(known, name, kill)
        assert killed
    assert bucket.everything()[:2] == before[:2]
    counts = bucket.publish()
    assert counts["sprites_made"] == 0  # those of the killed publish are found
    assert (counts["inserted"], counts["updated"], counts["removed"]) == (1, 1, 1)
    named = {key for (key,) in bucket.rows("sprite_key", sessions.TABLE)}
    assert sorted(named) == bucket.everything()[2]
    assert bucket.publish()["unchanged"] == 2

"""Publish gold: all or nothing, idempotent, equal rows untouched, readers never see half of it."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import math
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest

from jobs.trakt.gold.build import TABLES, read_build
from jobs.trakt.gold.parquet import file_datasets
from jobs.trakt.gold.publish import lock_gold
from jobs.trakt.gold.vacuum import StoredBuild, vacuum_builds
from jobs.trakt.settings import PublishSettings, SloSettings
from jobs.trakt.steps import publish as step
from jobs.trakt.steps import slo
from shared.database.migrate import READER, upgrade
from shared.database.session import transaction
from shared.errors import ConfigurationError, DataError, UsageError
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import Database, database, empty_database, postgres, until  # noqa: F401
from tests.trakt_gold import AS_OF, OBSERVED, Rows, build, rows
from tests.trakt_ledger import Ledger, at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.report import Report

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


def publish(database: Database, bucket: Path, run_id: str = "run-1", **values: Any) -> Report:
    settings = PublishSettings(database_url=database.url, bucket=f"file://{bucket}", **values)
    return step.run(settings, MemoryStageRun(run_id=run_id, pipeline="trakt", stage="publish"))


def changes(report: Report) -> tuple[int, int, int, int]:
    counts = report.counts
    return counts["inserted"], counts["updated"], counts["unchanged"], counts["removed"]


def dump(database: Database) -> dict[str, list[Any]]:
    return {table: database.rows(f"SELECT * FROM gold.{table} ORDER BY 1, 2, 3, 4") for table in TABLES}


def versions(database: Database) -> list[Any]:
    return database.rows("SELECT bronze_version, as_of, build_id, run_id FROM gold.trakt_versions ORDER BY version_id")


def test_all_tables_are_published_with_their_version(database: Database, bucket: Path) -> None:
    name = build(bucket, rows())
    report = publish(database, bucket)
    assert changes(report) == (63, 0, 0, 0)
    assert versions(database) == [(1, AS_OF, name, "run-1")]
    found = dump(database)
    assert {table: len(lines) for table, lines in found.items()} == {
        "trakt_titles": 3,
        "trakt_comments_daily": 6,
        "trakt_engagement_daily": 24,
        "trakt_metrics_daily": 6,
        "trakt_quadrants_daily": 24,
    }
    ((genres, observed, rating),) = database.rows(
        "SELECT genres, observed_at, rating FROM gold.trakt_titles WHERE title_id_trakt = 1"
    )
    assert (genres, observed, rating) == (["drama", 'film "noir"', "a,b\\c"], OBSERVED, 7.625)


def test_a_build_that_is_published_already_changes_nothing(database: Database, bucket: Path) -> None:
    build(bucket, rows())
    publish(database, bucket)
    places = database.rows("SELECT ctid, xmin FROM gold.trakt_metrics_daily")
    again = publish(database, bucket, "run-2")
    assert changes(again) == (0, 0, 63, 0)
    assert "all unchanged" in again.headline
    assert len(versions(database)) == 1
    assert database.rows("SELECT ctid, xmin FROM gold.trakt_metrics_daily") == places


def test_rows_that_were_changed_by_hand_are_put_back_by_the_same_build(database: Database, bucket: Path) -> None:
    build(bucket, rows())
    publish(database, bucket)
    before = dump(database)
    database.rows("UPDATE gold.trakt_metrics_daily SET breadth = breadth + 1 WHERE title_id_trakt = 2")
    database.rows("DELETE FROM gold.trakt_comments_daily WHERE title_id_trakt = 3")
    database.rows("INSERT INTO gold.trakt_titles SELECT (jsonb_populate_record(t, '{\"title_id_trakt\": 9}')).*"
                  " FROM gold.trakt_titles t WHERE title_id_trakt = 1")  # fmt: skip
    assert changes(publish(database, bucket, "run-2")) == (2, 2, 59, 1)
    assert dump(database) == before
    assert len(versions(database)) == 1


def test_only_rows_that_differ_are_written(database: Database, bucket: Path) -> None:
    build(bucket, rows())
    publish(database, bucket)
    content = rows(titles=4)
    content["trakt_titles"][0]["title"] = "A new name"
    del content["trakt_titles"][1]
    content["trakt_comments_daily"] = [row for row in content["trakt_comments_daily"] if row["title_id_trakt"] != 2]
    build(bucket, content, version=2)
    report = publish(database, bucket, "run-2")
    # Title 4 in all tables; the name; title 2 in the tables that are replaced as a whole.
    assert changes(report) == (21, 1, 59, 3)
    assert [version[0] for version in versions(database)] == [1, 2]
    assert database.rows("SELECT title FROM gold.trakt_titles ORDER BY title_id_trakt") == [
        ("A new name",),
        ("Title 3",),
        ("Title 4",),
    ]


def test_days_that_a_file_does_not_contain_stay(database: Database, bucket: Path) -> None:
    build(bucket, rows(days=2))
    publish(database, bucket)
    tomorrow = AS_OF + timedelta(days=1)
    content = rows(titles=2, days=1, as_of=tomorrow)
    content["trakt_metrics_daily"] += rows(titles=2, days=1)["trakt_metrics_daily"]
    build(bucket, content, version=2, as_of=tomorrow)
    publish(database, bucket)
    kept = dict(database.rows("SELECT as_of, count(*) FROM gold.trakt_metrics_daily GROUP BY as_of"))
    assert kept == {AS_OF - timedelta(days=1): 3, AS_OF: 2, tomorrow: 2}
    build(bucket, content, version=3, as_of=tomorrow, replaces="all")
    publish(database, bucket)
    assert dict(database.rows("SELECT as_of, count(*) FROM gold.trakt_metrics_daily GROUP BY as_of")) == {
        AS_OF: 2,
        tomorrow: 2,
    }


def test_days_of_the_replayer_and_of_the_api_are_never_mixed(database: Database, bucket: Path) -> None:
    build(bucket, rows(days=3), version=9)
    publish(database, bucket)
    build(bucket, rows(titles=1, days=1), version=1, source="trakt")
    publish(database, bucket)
    assert {table: len(lines) for table, lines in dump(database).items()} == {
        "trakt_titles": 1,
        "trakt_comments_daily": 1,
        "trakt_engagement_daily": 4,
        "trakt_metrics_daily": 1,
        "trakt_quadrants_daily": 4,
    }


def test_a_replayers_build_does_not_delete_rows_of_the_api_unless_it_is_asked_for(
    database: Database, bucket: Path
) -> None:
    build(bucket, rows(titles=1), version=3, source="trakt")
    publish(database, bucket)
    before = dump(database)
    build(bucket, rows(titles=2), version=4, source="replay")
    with pytest.raises(UsageError, match=r"comes from a replayer, .*--replace-source") as caught:
        publish(database, bucket)
    assert caught.value.code == "GOLD_SOURCE"
    assert dump(database) == before
    publish(database, bucket, replace_source=True)
    assert database.rows("SELECT count(*) FROM gold.trakt_titles") == [(2,)]


def test_text_and_numbers_are_what_postgresql_accepts(database: Database, bucket: Path) -> None:
    content = rows(titles=2, days=1)
    content["trakt_titles"][0] |= {"title": 'a\0b "c",\n\\N ', "slug": "", "genres": ["x\0y", "", "NULL", "{}"]}
    content["trakt_titles"][1] |= {"title": "\U0001f600 \u202e", "genres": None}
    content["trakt_metrics_daily"][0] |= {"half_life_days_high": math.inf, "half_life_aic_gain": math.nan}
    build(bucket, content)
    publish(database, bucket)
    found = database.rows("SELECT title, slug, genres FROM gold.trakt_titles ORDER BY title_id_trakt")
    assert found[0] == ('a\N{REPLACEMENT CHARACTER}b "c",\n\\N ', "", ["x\N{REPLACEMENT CHARACTER}y", "", "NULL", "{}"])
    assert found[1] == ("\U0001f600 \u202e", "title-2", None)
    high = database.rows(
        "SELECT half_life_days_high, half_life_aic_gain, half_life_days_low FROM gold.trakt_metrics_daily"
        " ORDER BY title_id_trakt"
    )
    assert high[0] == (None, None, pytest.approx(1.35))


def test_further_columns_are_left_out_with_a_warning(
    database: Database, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = rows(days=1)
    for row in content["trakt_titles"]:
        row["mood"] = "calm"
    build(bucket, content)
    publish(database, bucket)
    assert "gold.trakt_titles lacks columns of its file, which are left out: mood" in caplog.text


def _without_peers(content: Rows) -> None:
    for row in content["trakt_quadrants_daily"]:
        del row["peers"]


def _of_text(content: Rows) -> None:
    for row in content["trakt_quadrants_daily"]:
        row["n"] = "many"


BROKEN: dict[str, Callable[[Rows], object]] = {
    "a key twice": lambda content: content["trakt_quadrants_daily"].append(content["trakt_quadrants_daily"][0]),
    "a missing column": _without_peers,
    "an unknown quadrant": lambda content: content["trakt_quadrants_daily"][-1].update(quadrant="phenomenal"),
    "a missing value without a reason": lambda content: content["trakt_metrics_daily"][-1].update(half_life_days=None),
    "a null in a column that allows none": lambda content: content["trakt_quadrants_daily"][-1].update(n=None),
    "a type that does not fit": _of_text,
    "a number that does not fit": lambda content: content["trakt_quadrants_daily"][-1].update(peers=2**40),
}


def _damage(kind: str, bucket: Path, name: str) -> None:
    folder = bucket / "gold" / name
    if kind == "a damaged file":
        file = folder / "trakt_quadrants_daily.parquet"
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    elif kind == "other rows than the manifest states":
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["tables"]["trakt_quadrants_daily"]["rows"] += 1
        (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("a key twice", "does not fit gold.trakt_quadrants_daily: could not create unique index"),
        ("a missing column", "it lacks peers"),
        ("an unknown quadrant", "violates check constraint"),
        ("a missing value without a reason", 'violates check constraint "half_life_days_or_reason"'),
        ("a null in a column that allows none", "violates not-null constraint"),
        ("a type that does not fit", "the file of trakt_quadrants_daily is not valid"),
        ("a number that does not fit", "the file of trakt_quadrants_daily is not valid"),
        ("a damaged file", "has SHA-256"),
        ("other rows than the manifest states", "it has 32 rows, but its manifest states 33"),
    ],
)
def test_a_file_that_is_wrong_publishes_nothing(database: Database, bucket: Path, kind: str, message: str) -> None:
    build(bucket, rows())
    publish(database, bucket)
    before = dump(database)
    content = rows(titles=4)
    BROKEN.get(kind, lambda _: None)(content)
    _damage(kind, bucket, build(bucket, content, version=2))
    with pytest.raises(DataError, match=message) as caught:
        publish(database, bucket)
    assert caught.value.code in {"GOLD_INVALID", "GOLD_CHANGED"}
    assert dump(database) == before
    assert len(versions(database)) == 1


def test_an_older_version_is_refused_unless_it_is_asked_for(database: Database, bucket: Path) -> None:
    old = build(bucket, rows(titles=1), version=3)
    build(bucket, rows(), version=4)
    publish(database, bucket)
    with pytest.raises(UsageError, match=r"comes from bronze version 3, .* version 4 is published; .*--replace-newer"):
        publish(database, bucket, build=old)
    publish(database, bucket, build=old, replace_newer=True)
    assert [version[0] for version in versions(database)] == [4, 3]
    assert database.rows("SELECT count(*) FROM gold.trakt_titles") == [(1,)]


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        ("no pointer", UsageError, "current.json does not exist; expected a build of gold; run: telecine trakt model"),
        ("no manifest", UsageError, "manifest.json does not exist"),
        ("pointer elsewhere", DataError, "it names no build"),
        ("no json", DataError, "it is not JSON"),
        ("a list", DataError, "it is not an object"),
        ("a table less", DataError, "tables lacks trakt_titles"),
        ("another format", DataError, "format"),
    ],
)
def test_a_bucket_without_a_build_says_how_to_make_one(
    database: Database, bucket: Path, damage: str, error: type[Exception], message: str
) -> None:
    name = build(bucket, rows(titles=1, days=1), without=("trakt_titles",) if damage == "a table less" else ())
    pointer, manifest = bucket / "gold" / "current.json", bucket / "gold" / name / "manifest.json"
    if damage == "no pointer":
        pointer.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "pointer elsewhere":
        pointer.write_text('{"build": "../../etc"}')
    elif damage == "no json":
        manifest.write_text("<html>")
    elif damage == "a list":
        manifest.write_text("[]")
    elif damage == "another format":
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(error, match=message):
        publish(database, bucket)
    assert versions(database) == []


def test_a_reader_sees_all_of_a_version_or_nothing(database: Database, bucket: Path) -> None:
    sizes = {}
    for version in range(1, 5):
        content = rows(titles=20 * version, days=1)
        build(bucket, content, version=version, replaces="all")
        sizes[version] = len(content["trakt_titles"])
        seen: set[tuple[Any, ...]] = set()
        stop = threading.Event()
        reader = threading.Thread(target=_read, args=(database, stop, seen))
        reader.start()
        try:
            publish(database, bucket)
        finally:
            stop.set()
            reader.join()
        expected = {(each, sizes.get(each, 0), 4 * sizes.get(each, 0)) for each in (version - 1, version)}
        assert seen <= expected
        assert seen


def _read(database: Database, stop: threading.Event, seen: set[tuple[Any, ...]]) -> None:
    with database.connect() as connection:
        while True:
            last = stop.is_set()
            row = connection.execute(
                "SELECT COALESCE((SELECT max(bronze_version) FROM gold.trakt_versions), 0),"
                " (SELECT count(*) FROM gold.trakt_titles), (SELECT count(*) FROM gold.trakt_quadrants_daily)"
            ).fetchone()
            assert row is not None
            seen.add(tuple(row))
            if last:
                return


def test_publications_at_once_wait_for_each_other(database: Database, bucket: Path) -> None:
    build(bucket, rows(titles=20))
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda number: changes(publish(database, bucket, f"run-{number}")), range(3)))
    assert sorted(done) == [(0, 0, 420, 0), (0, 0, 420, 0), (420, 0, 0, 0)]
    assert len(versions(database)) == 1


def aged(bucket: Path, name: str, days: float) -> None:
    at = time.time() - days * 86_400
    for path in (bucket / "gold" / name).iterdir():
        os.utime(path, (at, at))


def stored(bucket: Path) -> list[str]:
    """Return the builds in a bucket that have a manifest or a file."""
    return sorted(path.name for path in (bucket / "gold").iterdir() if path.is_dir() and any(path.iterdir()))


def vacuum(database: Database, bucket: Path, **values: Any) -> list[StoredBuild]:
    with transaction(PublishSettings(database_url=database.url)) as session:
        return vacuum_builds(session, open_store(f"file://{bucket}"), **{"retention_days": 7, "erasures": 0, **values})


def test_a_vacuum_keeps_the_published_build_the_current_one_and_young_ones(database: Database, bucket: Path) -> None:
    small = rows(titles=1, days=1)
    old, published, young, left, current = (build(bucket, small, version=version) for version in range(1, 6))
    publish(database, bucket, build=published)
    for name in (old, published, left, current):
        aged(bucket, name, 7.1)
    (bucket / "gold" / left / "manifest.json").unlink()
    before = stored(bucket)
    found = vacuum(database, bucket, dry_run=True)
    assert {one.build_id: (one.is_deleted, one.reason) for one in found} == {
        old: (True, "older than 7 days"),
        published: (False, "published"),
        young: (False, "newer than 7 days"),
        left: (True, "incomplete, older than 7 days"),
        current: (False, "current"),
    }
    assert stored(bucket) == before, "a dry run deletes nothing"
    vacuum(database, bucket)
    assert stored(bucket) == sorted([published, young, current])
    # Without a pointer, the newest build is kept.
    aged(bucket, young, 8)
    (bucket / "gold" / "current.json").write_text("{")
    assert {one.build_id for one in vacuum(database, bucket) if one.is_deleted} == {young}


def test_after_an_erasure_a_vacuum_deletes_the_builds_made_before_it(database: Database, bucket: Path) -> None:
    small = rows(titles=1, days=1)
    published, former = (build(bucket, small, version=version) for version in (1, 2))
    publish(database, bucket, build=published)
    current = build(bucket, small, version=3, erasures=1)
    found = {one.build_id: one for one in vacuum(database, bucket, erasures=1)}
    assert [name for name, one in found.items() if one.is_deleted] == [former]
    assert found[published].reason == "published, made before an erasure: model and publish again"
    publish(database, bucket)
    vacuum(database, bucket, erasures=1)
    assert stored(bucket) == [current]


def test_a_build_is_not_published_while_a_vacuum_deletes_it(database: Database, bucket: Path) -> None:
    old = build(bucket, rows(titles=1, days=1), version=1)
    build(bucket, rows(titles=1, days=1), version=2)
    aged(bucket, old, 8)
    with ThreadPoolExecutor(1) as pool:
        with transaction(PublishSettings(database_url=database.url)) as session:
            lock_gold(session)
            running = pool.submit(publish, database, bucket, build=old)
            until(lambda: database.rows(WAITS)[0][0] == 1)
            vacuum_builds(session, open_store(f"file://{bucket}"), retention_days=7, erasures=0)
        with pytest.raises(UsageError, match=r"manifest\.json does not exist"):
            running.result()
    assert versions(database) == []


def test_the_roles_of_runs_and_of_bi_have_exactly_their_rights(empty_database: Database, bucket: Path) -> None:
    for role in ("runner", READER):
        empty_database.rows(f"CREATE ROLE {role} LOGIN")
    try:
        url = empty_database.as_role("runner")
        upgrade(empty_database.settings(database_url=url, database_migration_url=empty_database.url))
        runner, reader = Database("", url), Database("", empty_database.as_role(READER))
        build(bucket, rows())
        assert changes(publish(runner, bucket)) == (63, 0, 0, 0)
        Ledger(empty_database).titles(1, AS_OF)
        slo.run(SloSettings(database_url=url, now=at(AS_OF, "09:00")), MemoryStageRun(run_id="run-1"))
        for table in (*TABLES, "trakt_versions", "trakt_slo_days", "trakt_slo_titles", "trakt_slo_burn"):
            assert reader.rows(f"SELECT * FROM gold.{table} LIMIT 1"), table
        assert reader.rows("SELECT * FROM gold.trakt_slo_pages") == []
        for statement in (
            "DELETE FROM gold.trakt_titles",
            "SELECT * FROM trakt.pages",
            "SELECT * FROM trakt.slo_alerts",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.rows(statement)
        with pytest.raises(ConfigurationError):
            publish(reader, bucket)
    finally:
        for role in ("runner", READER):
            empty_database.rows(f"DROP OWNED BY {role}")
            empty_database.rows(f"DROP ROLE {role}")


def test_lineage_names_files_tables_and_columns(database: Database, bucket: Path, tmp_path: Path) -> None:
    name = build(bucket, rows())
    events = tmp_path / "events.jsonl"
    publish(database, bucket, lineage=str(events))
    build(bucket, rows(), version=2, without=("trakt_titles",))
    with pytest.raises(DataError):
        publish(database, bucket, lineage=str(events))
    start, complete, again, failed = [json.loads(line) for line in events.read_text().splitlines()]
    assert [each["eventType"] for each in (start, complete, again, failed)] == ["START", "COMPLETE", "START", "FAIL"]
    assert {each["job"]["name"] for each in (start, complete)} == {"trakt.publish"}
    assert [each["name"] for each in complete["inputs"]] == [f"gold_files.{table}" for table in TABLES]
    outputs = {each["name"]: each for each in complete["outputs"]}
    assert list(outputs) == [f"gold.{table}" for table in TABLES]
    titles = outputs["gold.trakt_titles"]
    assert {"name": "genres", "type": "text[]"} in titles["facets"]["schema"]["fields"]
    assert titles["facets"]["version"]["datasetVersion"] == name
    assert titles["outputFacets"]["outputStatistics"]["rowCount"] == 3
    assert titles["facets"]["columnLineage"]["fields"]["rating"]["inputFields"] == [
        {"namespace": "telecine", "name": "gold_files.trakt_titles", "field": "rating"}
    ]
    assert "tables lacks trakt_titles" in failed["run"]["facets"]["errorMessage"]["message"]
    for line in (start, complete, again):
        assert str(tmp_path) not in json.dumps(line)


def test_types_of_a_file_may_be_wider_than_those_of_the_table(database: Database, bucket: Path) -> None:
    content = rows(titles=1, days=1)
    table = pa.Table.from_pylist(content["trakt_quadrants_daily"])
    position = table.schema.get_field_index("peers")
    wide = table.set_column(position, "peers", table["peers"].cast(pa.decimal128(20, 0)))
    build(bucket, content, tables={"trakt_quadrants_daily": wide})
    publish(database, bucket)
    assert database.rows("SELECT DISTINCT peers FROM gold.trakt_quadrants_daily") == [(12,)]


def test_the_files_of_a_build_are_the_inputs_of_its_publication(
    database: Database, bucket: Path, tmp_path: Path
) -> None:
    name = build(bucket, rows())
    store = open_store(f"file://{bucket}")
    files = file_datasets(store, read_build(store, name, build_again="telecine trakt model"))
    events = tmp_path / "events.jsonl"
    publish(database, bucket, lineage=str(events))
    complete = json.loads(events.read_text().splitlines()[-1])
    assert [each.name for each in files] == [each["name"] for each in complete["inputs"]]
    titles = files[0]
    assert (titles.rows, titles.version, titles.columns["genres"]) == (3, name, "list<element: string>")
    assert titles.sources["observed_at"] == [("bronze.trakt", "observed_at")]
    assert titles.sources["title"] == [("bronze.trakt", "payload")]

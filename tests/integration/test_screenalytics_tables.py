"""The screenalytics tables: migrations, grants and views."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import shared.database
from jobs.cli import run
from shared.database import check, upgrade
from shared.database._schema import HEAD, declared
from shared.database.connection import dispose, engine
from shared.database.migrate import ready
from shared.errors import ConfigurationError, DatabaseNotMigrated
from tests.postgres_server import Database, database, empty_database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HASH = "0" * 64
LINK = "5f3c1a52-0000-4000-8000-00000000000a"

# One row of every table, in an order that foreign keys allow.
ROWS: dict[str, dict[str, Any]] = {
    "runs": {
        "run_id": "r1",
        "ep_id": "e",
        "source": "s",
        "manifest_key": "k",
        "manifest_sha256": HASH,
        "manifest_etag": "x",
        "schema_version": "1.0",
        "persons": 1,
        "output_hash": HASH,
        "pipeline_run_id": "p",
    },
    "artifacts": {
        "run_id": "r1",
        "artifact_key": "a",
        "artifact_kind": "b",
        "s3_key": "k",
        "schema_version": "v",
        "fetched": True,
    },
    "person_metrics": {
        "run_id": "r1",
        "person_id": "p_0001",
        "cast_ids": ["c"],
        "onscreen_ms": 1,
        "artifact_key": "a",
        "artifact_schema_version": "v",
        "manifest_key": "k",
        "schema_version": "1.0",
        "pipeline_run_id": "p",
    },
    "cast_metrics": {"run_id": "r1", "artifact_key": "a", "entry": 0, "person_id": "p_0001", "onscreen_ms": 1},
    "replaced_runs": {
        "run_id": "r1",
        "revision": 1,
        "replaced_by": "p",
        "run": "{}",
        "artifacts": "[]",
        "person_metrics": "[]",
    },
    "ingest_items": {"source": "s", "manifest_key": "k", "run_id": "r1", "state": "dead", "pipeline_run_id": "p"},
    "ingest_attempts": {
        "source": "s",
        "manifest_key": "k",
        "run_id": "r1",
        "arrival": "poll",
        "outcome": "ingested",
        "attempt": 1,
        "pipeline_run_id": "p",
    },
    "outbox_events": {"event_id": LINK, "event_type": "t", "aggregate_id": "r1", "payload_json": "{}"},
    "episode_links": {"ep_id": "e", "episode_id": LINK},
    "person_links": {"show": "e", "person_id": "p_0001", "person_ref": LINK},
}


def insert_rows(database: Database) -> None:
    for table, row in ROWS.items():
        places = ", ".join(["%s"] * len(row))
        database.rows(f"INSERT INTO screenalytics.{table} ({', '.join(row)}) VALUES ({places})", *row.values())


def at_version(database: Database, version: str) -> None:
    """Migrate an empty database up to this version."""
    config = Config()
    config.set_main_option("script_location", str(Path(shared.database.__file__).with_name("migrations")))
    with engine(database.settings(), pooled=False).begin() as connection:
        connection.execute(text("CREATE SCHEMA pipeline"))
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    database.rows("INSERT INTO pipeline.environment (name) VALUES ('dev') ON CONFLICT DO NOTHING")


def everything(database: Database) -> dict[str, list[Any]]:
    """Return all rows of the tables of version 0002."""
    tables = ("environment", "runs", "run_stages", "item_errors", "notifications")
    names = [f"pipeline.{table}" for table in tables] + ["gold.gamedata_sessions"]
    return {name: database.rows(f"SELECT to_jsonb(t) FROM {name} t") for name in names}


def fill_0002(database: Database) -> dict[str, list[Any]]:
    for table, columns, values in (
        ("pipeline.runs", "run_id, pipeline, status", "'r', 'gamedata', 'running'"),
        (
            "pipeline.run_stages",
            "run_id, stage, stage_order, pipeline, status, rayjob_uid",
            "'r', 'extract', 2, 'gamedata', 'running', 'u'",
        ),
        (
            "pipeline.item_errors",
            "run_id, stage, item, code, retryable, message, at",
            "'r', 'extract', 'a.tar', 'c', false, 'm', now()",
        ),
        ("pipeline.notifications", "run_id, channel", "'r', 'webhook'"),
        ("gold.gamedata_sessions", "s3_key, content_hash, run_id, warnings", "'a.tar', 'h', 'r', '{w}'"),
    ):
        database.rows(f"INSERT INTO {table} ({columns}) VALUES ({values})")
    filled = everything(database)
    assert all(len(rows) == 1 for rows in filled.values())
    return filled


@pytest.fixture
def role(empty_database: Database) -> Iterator[str]:
    """A run-time role without any grants."""
    empty_database.rows("CREATE ROLE at_work LOGIN")
    yield "at_work"
    dispose()
    empty_database.rows("DROP OWNED BY at_work")
    empty_database.rows("DROP ROLE at_work")


def test_a_database_in_use_keeps_every_row(empty_database: Database):
    at_version(empty_database, "0002")
    before = fill_0002(empty_database)
    with pytest.raises(DatabaseNotMigrated, match="at version 0002; expected version"):
        ready(empty_database.settings())
    told = [str(problem) for problem in check(empty_database.settings())]
    assert "schema 'screenalytics' does not exist. Run: telecine db upgrade" in told
    assert upgrade(empty_database.settings()).found == "0002"
    after = everything(empty_database)
    ((session,),) = after["gold.gamedata_sessions"]
    ((old,),) = before["gold.gamedata_sessions"]
    added = {column: session.pop(column) for column in session.keys() - old.keys()}
    assert {"frames_state", "inputs_state", "pt_key", "sprite_key"} <= added.keys()
    assert set(added.values()) == {None}
    assert after == before
    assert check(empty_database.settings()) == []


def test_the_producers_own_table_stops_the_upgrade(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    at_version(empty_database, "0002")
    before = fill_0002(empty_database)
    empty_database.rows("CREATE SCHEMA screenalytics")
    empty_database.rows(
        "CREATE TABLE screenalytics.runs (run_id text PRIMARY KEY, ep_id text NOT NULL, created_at timestamptz,"
        " label text, stage_state_json jsonb, config_json jsonb)"
    )
    empty_database.rows("INSERT INTO screenalytics.runs (run_id, ep_id) VALUES ('r1', 'e')")
    with pytest.raises(ConfigurationError, match=r"screenalytics\.runs") as caught:
        upgrade(empty_database.settings())
    assert caught.value.code == "schema_foreign"
    monkeypatch.setenv("TELECINE_DATABASE_URL", empty_database.url)
    assert run(["db", "upgrade"]) == 78
    said = capsys.readouterr().err
    assert "screenalytics.runs, which this telecine did not create" in said
    assert "ALTER SCHEMA screenalytics RENAME" in said
    assert empty_database.rows("SELECT version_num FROM pipeline.schema_version") == [("0002",)]
    assert everything(empty_database) == before
    assert empty_database.rows("SELECT run_id, label FROM screenalytics.runs") == [("r1", None)]
    assert empty_database.rows("SELECT count(*) FROM pg_class WHERE relname = 'screenalytics_persons'") == [(0,)]
    # The fix that the message suggests.
    empty_database.rows("ALTER SCHEMA screenalytics RENAME TO screenalytics_producer")
    assert upgrade(empty_database.settings()).now == HEAD
    assert empty_database.rows("SELECT ep_id FROM screenalytics_producer.runs") == [("e",)]


def test_tables_of_other_names_stay_the_producers(empty_database: Database, role: str):
    empty_database.rows("CREATE SCHEMA screenalytics")
    empty_database.rows("CREATE TABLE screenalytics.video_assets (id text)")
    settings = empty_database.settings(
        database_url=empty_database.as_role(role), database_migration_url=empty_database.url
    )
    upgrade(settings)
    assert check(settings) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        Database("", empty_database.as_role(role)).rows("SELECT * FROM screenalytics.video_assets")


def test_the_run_time_role_writes_every_table_and_no_other_may(empty_database: Database, role: str):
    settings = empty_database.settings(
        database_url=empty_database.as_role(role), database_migration_url=empty_database.url
    )
    upgrade(settings)
    writer = Database("", empty_database.as_role(role))
    insert_rows(writer)
    for view in declared().views:
        # There is no upload, no day of Trakt and no frame, but the views can be read.
        expected = 0 if view.startswith(("viewership", "trakt", "gold.trakt", "gold.gamedata")) else 1
        assert writer.rows(f"SELECT count(*) FROM {view}") == [(expected,)], view
    for table, row in reversed(ROWS.items()):
        column = next(iter(row))
        for statement in (
            f"UPDATE screenalytics.{table} SET {column} = {column}",
            f"DELETE FROM screenalytics.{table}",
        ):
            assert writer.rows(f"WITH done AS ({statement} RETURNING 1) SELECT count(*) FROM done") == [(1,)], statement
    assert {f"screenalytics.{table}" for table in ROWS} == {
        name for name in declared().tables if name.startswith("screen")
    }
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.rows("DROP TABLE screenalytics.person_links")


def test_the_reader_sees_gold_alone(empty_database: Database, role: str):
    empty_database.rows("CREATE ROLE telecine_reader LOGIN")
    try:
        upgrade(empty_database.settings())
        insert_rows(empty_database)
        reader = Database("", empty_database.as_role("telecine_reader"))
        assert reader.rows("SELECT ep_id, person_id, onscreen_ms FROM gold.screenalytics_persons") == [
            ("e", "p_0001", 1)
        ]
        assert reader.rows("SELECT ep_id, person_id, entry FROM gold.screenalytics_casts") == [("e", "p_0001", 0)]
        for name in (*declared().tables, *declared().views):
            if not name.startswith("gold."):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.rows(f"SELECT * FROM {name}")
    finally:
        empty_database.rows("DROP OWNED BY telecine_reader")
        empty_database.rows("DROP ROLE telecine_reader")


def test_check_names_a_missing_table_view_schema_and_right(empty_database: Database, role: str):
    settings = empty_database.settings(
        database_url=empty_database.as_role(role), database_migration_url=empty_database.url
    )
    upgrade(settings)
    empty_database.rows("DROP VIEW screenalytics.latest_runs CASCADE")
    empty_database.rows("DROP TABLE screenalytics.person_links")
    empty_database.rows(f"REVOKE DELETE ON screenalytics.artifacts FROM {role}")
    assert {str(problem) for problem in check(settings)} == {
        "view screenalytics.latest_runs does not exist. Run: telecine db upgrade",
        "view screenalytics.latest_person_metrics does not exist. Run: telecine db upgrade",
        "view gold.screenalytics_persons does not exist. Run: telecine db upgrade",
        "view gold.screenalytics_casts does not exist. Run: telecine db upgrade",
        "table screenalytics.person_links does not exist. Run: telecine db upgrade",
        f"role '{role}' lacks DELETE on screenalytics.artifacts. GRANT DELETE ON screenalytics.artifacts TO \"{role}\"",
    }
    empty_database.rows(f"REVOKE USAGE ON SCHEMA screenalytics FROM {role}")
    told = [str(problem) for problem in check(settings)]
    assert f"role '{role}' cannot use schema 'screenalytics'. GRANT USAGE ON SCHEMA screenalytics TO \"{role}\"" in told
    empty_database.rows("DROP SCHEMA screenalytics CASCADE")
    assert str(check(settings)[0]) == "schema 'screenalytics' does not exist. Run: telecine db upgrade"

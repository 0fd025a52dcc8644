"""Publishing a manifest to PostgreSQL: the same rows after repeats, interruptions and concurrent publishes."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import event

from jobs.gamedata.checks.load import load_built_in
from jobs.gamedata.gold.sessions import TABLE
from jobs.gamedata.manifest.schema import manifest_schema
from jobs.gamedata.settings import PublishSettings
from jobs.gamedata.steps import publish
from shared.database import merge
from shared.database.connection import engine
from shared.errors import ConfigurationError, DataError, TransientError, UsageError
from tests.emptied_database import database  # noqa: F401
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import Database, empty_database, postgres, until  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


def manifest(folder: Path, *rows: dict[str, Any], name: str = "manifest.parquet", further: bool = False) -> str:
    """Write a manifest; what a row does not say is null."""
    schema = manifest_schema(load_built_in())
    if further:
        schema = schema.append(pa.field("is_blurry", pa.bool_()))
    fixed = {"processed_time": 0, "schema_version": 1}
    columns = {field.name: pa.array([{**fixed, **row}.get(field.name) for row in rows], field.type) for field in schema}
    path = folder / name
    pq.write_table(pa.table(columns, schema=schema), path)
    return str(path)


def go(database: Database, place: str, *, run_id: str = "run-1", prefix: str = "", **values: Any) -> dict[str, int]:
    settings = PublishSettings(database_url=database.url, manifest=place, prefix=prefix, **values)
    return publish.run(settings, MemoryStageRun(run_id=run_id, stage="publish")).counts


def stored(database: Database, columns: str = "s3_key, run_id") -> list[tuple[Any, ...]]:
    return database.rows(f"SELECT {columns} FROM {TABLE} ORDER BY s3_key")


SESSIONS = [{"s3_key": f"a/{number}.tar", "video_id": f"v{number}", "duration_s": 1.5} for number in range(5)]


def test_what_a_manifest_says_is_in_the_table(database, tmp_path):
    full = {
        "s3_key": "a/0.tar", "is_video_mostly_dark": True, "video_menu_percent": 0.25, "sampled": 35,
        "warnings": ["one", "two, three", 'fo"ur\\'], "check_errors": [], "error_code": "tar_corrupt",
        "session_metadata": json.dumps({"b": 1, "game": "x"}), "video_metadata": "no json",
        "is_blurry": True,
    }  # fmt: skip
    counts = go(database, manifest(tmp_path, full, further=True))
    assert counts == {"sessions": 1, "inserted": 1, "updated": 0, "unchanged": 0, "removed": 0}
    columns = (
        "is_video_mostly_dark, video_menu_percent, menu_share, sampled, warnings, check_errors, error_code,"
        " session_metadata, video_metadata, further_checks, duration_s"
    )
    assert stored(database, columns) == [
        (
            *(True, 0.25, 0.25, 35, ["one", "two, three", 'fo"ur\\'], [], "tar_corrupt", {"b": 1, "game": "x"}, None),
            *({"is_blurry": True}, None),
        )
    ]


def test_the_share_of_menus_is_the_same_under_both_names_and_no_further_check(database, tmp_path):
    """Manifests of earlier versions have only the old name; both are computed from it."""
    columns = "s3_key, video_menu_percent, menu_share, further_checks"
    rows = [{"s3_key": "a.tar", "video_menu_percent": 0.5, "menu_share": 0.5}, {"s3_key": "b.tar"}]
    path = manifest(tmp_path, *rows, further=True)
    go(database, path)
    expected = [("a.tar", 0.5, 0.5, {"is_blurry": None}), ("b.tar", None, None, {"is_blurry": None})]
    assert stored(database, columns) == expected
    assert "menu_share" in pq.read_schema(path).names
    pq.write_table(pq.read_table(path).drop_columns(["menu_share"]), path)
    assert go(database, path)["unchanged"] == 2
    assert stored(database, columns) == expected


def test_only_what_changed_is_touched(database, tmp_path):
    go(database, manifest(tmp_path, *SESSIONS))
    before = stored(database, "s3_key, run_id, published_at, content_hash, ctid::text")
    again = go(database, manifest(tmp_path, *({**row, "processed_time": 9} for row in SESSIONS)), run_id="run-2")
    assert again == {"sessions": 5, "inserted": 0, "updated": 0, "unchanged": 5, "removed": 0}
    assert stored(database, "s3_key, run_id, published_at, content_hash, ctid::text") == before
    changed = [SESSIONS[0], {**SESSIONS[1], "duration_s": 2.0}, *SESSIONS[3:], {"s3_key": "b.tar"}]
    assert go(database, manifest(tmp_path, *changed), run_id="run-3") == {
        "sessions": 5,
        "inserted": 1,
        "updated": 1,
        "unchanged": 3,
        "removed": 1,
    }
    assert stored(database) == [
        ("a/0.tar", "run-1"),
        ("a/1.tar", "run-3"),
        ("a/3.tar", "run-1"),
        ("a/4.tar", "run-1"),
        ("b.tar", "run-3"),
    ]


def test_sessions_outside_the_prefix_stay_and_removed_ones_are_a_warning(database, tmp_path, caplog):
    go(database, manifest(tmp_path, {"s3_key": "a/1.tar"}, {"s3_key": "a/2.tar"}, {"s3_key": "a_/1.tar"}))
    assert "removed" not in caplog.text
    assert go(database, manifest(tmp_path, {"s3_key": "a/1.tar"}), prefix="a/")["removed"] == 1
    (said,) = [each.getMessage() for each in caplog.records if each.name == "jobs.gamedata.steps.publish"]
    assert said.startswith("removed 1 session below a/ from gold.gamedata_sessions: not listed in ")
    assert [key for key, _ in stored(database)] == ["a/1.tar", "a_/1.tar"]
    with pytest.raises(DataError, match=r"'a/1\.tar'.*--prefix 'b/'") as caught:
        go(database, manifest(tmp_path, {"s3_key": "a/1.tar"}), prefix="b/")
    assert caught.value.code == "manifest_prefix"
    assert len(stored(database)) == 2


def test_text_that_postgresql_refuses_is_published_all_the_same(database, tmp_path):
    text = json.dumps({"a\0": "x\0y", "n": float("nan"), "s": "\ud800", "deep": [["\0"]]})
    go(database, manifest(tmp_path, {"s3_key": "a.tar", "error": "a\0b\t\n\\N", "session_metadata": text}))
    ((error, metadata),) = stored(database, "error, session_metadata")
    assert error == "a\N{REPLACEMENT CHARACTER}b\t\n\\N"
    assert metadata == {
        "a\N{REPLACEMENT CHARACTER}": "x\N{REPLACEMENT CHARACTER}y",
        "n": None,
        "s": "?",
        "deep": [["\N{REPLACEMENT CHARACTER}"]],
    }


AFTER = {
    "the lock": "advisory_xact_lock",
    "the temporary table": "CREATE TEMP",
    "the copy": "ANALYZE",
    "the delete": "DELETE FROM gold",
    "the insert": "INSERT INTO gold",
    "everything but the commit": None,
}


@pytest.mark.parametrize("step", AFTER)
def test_a_connection_that_is_killed_after_a_statement_leaves_nothing(database, tmp_path, monkeypatch, step):
    go(database, manifest(tmp_path, *SESSIONS))
    before = stored(database)
    new = manifest(tmp_path, *SESSIONS[2:], {"s3_key": "z.tar"}, name="new.parquet")
    known = engine(database.settings())
    killed: list[int] = []

    def kill(connection: Any, *arguments: Any) -> None:
        if not killed and (not arguments or (AFTER[step] or "\0") in arguments[1]):
            pid = connection.connection.driver_connection.info.backend_pid
            killed.append(pid)
            database.rows("SELECT pg_terminate_backend(%s)", pid)
            until(lambda: not database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

    moment = "after_cursor_execute" if AFTER[step] else "commit"
    # Whether the database is migrated is asked in a transaction of its own.
    monkeypatch.setattr(merge, "ready", lambda _: known)
    event.listen(known, moment, kill)
    with pytest.raises(TransientError):
        go(database, new, run_id="run-2")
    event.remove(known, moment, kill)
    assert killed
    assert stored(database) == before
    assert go(database, new, run_id="run-3") == {
        "sessions": 4,
        "inserted": 1,
        "updated": 0,
        "unchanged": 3,
        "removed": 2,
    }


def test_two_at_once_wait_for_each_other(database, tmp_path):
    places = [
        manifest(tmp_path, *({**row, "duration_s": float(number)} for row in SESSIONS), name=f"{number}.parquet")
        for number in range(4)
    ]
    errors: list[BaseException] = []

    def one(number: int) -> None:
        try:
            go(database, places[number], run_id=f"run-{number}")
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    with database.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [TABLE])
        for thread in threads:
            thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        until(lambda: database.rows(waiting) == [(4,)])
        assert stored(database) == []
    for thread in threads:
        thread.join(30)
    assert errors == []
    found = stored(database, "duration_s, run_id")
    # All rows are of one manifest: the last one's.
    assert len(set(found)) == 1
    assert len(found) == 5


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (None, UsageError, "does not exist; build it first"),
        (b"not parquet", DataError, "is not a Parquet file"),
        ({"s3_key": ["a"]}, DataError, "it lacks video_id"),
    ],
)
def test_what_is_no_manifest(database, tmp_path, body, error, said):
    path = tmp_path / "m.parquet"
    if isinstance(body, bytes):
        path.write_bytes(body)
    elif body is not None:
        pq.write_table(pa.table(body), path)
    with pytest.raises(error, match=said):
        go(database, str(path))


def test_a_session_twice_is_an_error_of_the_data(database, tmp_path):
    with pytest.raises(DataError, match=r"a\.tar") as caught:
        go(database, manifest(tmp_path, {"s3_key": "a.tar"}, {"s3_key": "a.tar"}))
    assert caught.value.code == "key_twice"
    assert stored(database) == []


def test_roles(empty_database, tmp_path):
    """The run-time role publishes with what the upgrade grants; the reader reads gold and nothing else."""
    from shared.database import check, upgrade

    for role in ("publisher", "telecine_reader"):
        empty_database.rows(f"CREATE ROLE {role} LOGIN")
    try:
        settings = empty_database.settings(
            database_url=empty_database.as_role("publisher"), database_migration_url=empty_database.url
        )
        upgrade(settings)
        assert check(settings) == []
        publisher = Database("", empty_database.as_role("publisher"))
        assert go(publisher, manifest(tmp_path, *SESSIONS))["inserted"] == 5
        reader = Database("", empty_database.as_role("telecine_reader"))
        assert len(stored(reader)) == 5
        for statement in (f"DELETE FROM {TABLE}", "SELECT * FROM pipeline.runs"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.rows(statement)
        with pytest.raises(ConfigurationError):
            go(reader, manifest(tmp_path, *SESSIONS))
        empty_database.rows("REVOKE USAGE ON SCHEMA gold FROM publisher")
        assert [str(problem) for problem in check(settings)] == [
            "role 'publisher' cannot use schema 'gold'. GRANT USAGE ON SCHEMA gold TO \"publisher\""
        ]
    finally:
        for role in ("publisher", "telecine_reader"):
            empty_database.rows(f"DROP OWNED BY {role}")
            empty_database.rows(f"DROP ROLE {role}")

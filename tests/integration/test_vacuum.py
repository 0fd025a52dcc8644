"""`telecine vacuum`: what it deletes and what it always keeps."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.cli import run
from shared.errors import BucketMissing
from shared.retention.settings import VacuumSettings
from shared.retention.vacuum import vacuum
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import postgres  # noqa: F401
from tests.s3_server import s3_process, s3_server  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database
    from tests.s3_server import S3Server

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

OLD = (
    *("telecine/wf-1/extract/report.json", "telecine/wf-1/extract/report.html", "other/wf/main.log"),
    "raw/wf-2/main.log",
)
DATA = (
    "telecine/a.pt",
    "telecine/_stats/000001-x.json",
    "telecine/m.PARQUET",
    "telecine/s.tar",
    "_manifests/x.txt",
    "_checks/1.json",
    "_sprites/a.tar.0123456789abcdef-160x90-4-12.webp",
    "uploads/july.tsv",
    f"raw/ab/{'ab' * 32}",
    f"bucket/folder/raw/ab/{'ab' * 32}",
)


def fill(folder: Path) -> None:
    for number, key in enumerate((*OLD, *DATA, "telecine/wf-2/extract/report.json")):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
        when = (datetime.now(UTC) - timedelta(days=5 if number == len(OLD + DATA) else 40)).timestamp()
        os.utime(path, (when, when))


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def settings(database: Database, folder: Path, **values: object) -> VacuumSettings:
    known = {"database_url": database.url, "artifacts": f"file://{folder}", "state_dir": str(folder / "none")}
    return VacuumSettings(**{**known, "days": 30, **values})


def add_run(database: Database, run_id: str, days: int, status: str = "success") -> None:
    database.rows(
        "INSERT INTO pipeline.runs (run_id, pipeline, status, finished_at, heartbeat_at)"
        " SELECT %s, 'p', %s, CASE WHEN %s <> 'running' THEN at END, at"
        " FROM (SELECT now() - make_interval(days => %s) AS at) AS then_",
        *(run_id, status, status, days),
    )
    database.rows(
        "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, finished_at)"
        " VALUES (%s, 'extract', 2, 'p', 'success', now())",
        run_id,
    )


def test_old_reports_go_and_data_stays(database, tmp_path):
    fill(tmp_path)
    everything = left(tmp_path)
    told = vacuum(settings(database, tmp_path, dry_run=True))
    assert "would delete" in told
    assert "4 objects" in told
    assert left(tmp_path) == everything
    assert "2 objects" in vacuum(settings(database, tmp_path, namespace="telecine"))
    assert everything - left(tmp_path) == set(OLD[:2])
    assert "2 objects" in vacuum(settings(database, tmp_path))
    assert everything - left(tmp_path) == set(OLD)


def test_old_runs_go_with_their_stages_and_gold_stays(database, tmp_path):
    add_run(database, "old", 40)
    add_run(database, "older", 400, "failed")
    add_run(database, "young", 20)
    add_run(database, "long", 40, "running")
    database.rows("INSERT INTO gold.gamedata_sessions (s3_key, content_hash, run_id) VALUES ('a.tar', 'x', 'old')")
    assert "2 runs" in vacuum(settings(database, tmp_path, dry_run=True))
    assert "2 runs" in vacuum(settings(database, tmp_path))
    # The one without a heartbeat has ended only now, and has its days before it.
    assert database.rows("SELECT run_id, status FROM pipeline.runs ORDER BY run_id") == [
        ("long", "interrupted"),
        ("young", "success"),
    ]
    assert database.rows("SELECT count(*) FROM pipeline.run_stages") == [(2,)]
    assert database.rows("SELECT count(*) FROM gold.gamedata_sessions") == [(1,)]
    assert "0 runs" in vacuum(settings(database, tmp_path))


def test_old_attempts_go_and_what_was_ingested_stays(database, tmp_path):
    for number, days in enumerate((40, 31, 29, 0)):
        database.rows(
            "INSERT INTO screenalytics.ingest_attempts (source, manifest_key, run_id, arrival, outcome, attempt,"
            " pipeline_run_id, at)"
            " VALUES ('s', 'k', %s, 'poll', 'ingested', 1, 'p', now() - make_interval(days => %s))",
            *(f"r{number}", days),
        )
    hash_ = "0" * 64
    old = "now() - interval '400 days'"
    database.rows(
        "INSERT INTO screenalytics.runs (run_id, ep_id, source, manifest_key, manifest_sha256, manifest_etag,"
        " schema_version, persons, output_hash, pipeline_run_id, ingested_at, updated_at)"
        f" VALUES ('r0', 'e', 's', 'k', '{hash_}', 'x', '1.0', 0, '{hash_}', 'p', {old}, {old})"
    )
    database.rows(
        "INSERT INTO screenalytics.ingest_items (source, manifest_key, run_id, state, pipeline_run_id, last_at)"
        f" VALUES ('s', 'k', 'r0', 'ingested', 'p', {old})"
    )
    database.rows(
        "INSERT INTO screenalytics.replaced_runs (run_id, revision, replaced_at, replaced_by, run, artifacts,"
        f" person_metrics) VALUES ('r0', 1, {old}, 'p', '{{}}', '[]', '[]')"
    )
    database.rows(
        "INSERT INTO screenalytics.outbox_events (event_id, event_type, aggregate_id, payload_json, created_at)"
        f" VALUES (gen_random_uuid(), 't', 'r0', '{{}}', {old})"
    )
    assert "  2 attempts to ingest" in vacuum(settings(database, tmp_path, dry_run=True))
    assert "  2 attempts to ingest" in vacuum(settings(database, tmp_path))
    assert "  0 attempts to ingest" in vacuum(settings(database, tmp_path))
    assert database.rows("SELECT run_id FROM screenalytics.ingest_attempts ORDER BY 1") == [("r2",), ("r3",)]
    for table in ("runs", "ingest_items", "replaced_runs", "outbox_events"):
        assert database.rows(f"SELECT count(*) FROM screenalytics.{table}") == [(1,)], table


def test_old_records_of_viewership_go_and_the_evidence_stays(database, tmp_path):
    old, new = "now() - interval '40 days'", "now() - interval '20 days'"
    upload, key = viewership_rows(database, old)
    for at in (old, new):
        database.rows(
            "INSERT INTO viewership.error_log (procedure_name, status, pipeline_run_id, log_time)"
            f" VALUES ('match', 'success', 'p', {at})"
        )
        database.rows(
            "INSERT INTO viewership.match_history (key_id, status, rule_version, catalogue_version, pipeline_run_id,"
            f" replaced_at) VALUES ({key}, 'review', '1', 1, 'p', {at})"
        )
        for delivered in ("NULL", at):
            database.rows(
                "INSERT INTO viewership.outbox_events (event_id, event_type, aggregate_id, payload_json, created_at,"
                f" delivered_at) VALUES (gen_random_uuid(), 't', 'a', '{{}}', {old}, {delivered})"
            )
    told = vacuum(settings(database, tmp_path, dry_run=True))
    expected = [f"  1 {what} of viewership" for what in ("log entries", "replaced matches", "delivered events")]
    assert all(line in told for line in expected)
    assert count(database, "outbox_events") == 4
    told = vacuum(settings(database, tmp_path))
    assert all(line in told for line in expected)
    assert [count(database, table) for table in ("error_log", "match_history", "outbox_events")] == [1, 1, 3]
    for table in KEPT:
        assert count(database, table) >= 1, table
    assert database.rows("SELECT status FROM viewership.uploads WHERE upload_id = %s", upload) == [("retracted",)]


KEPT = (
    *("uploads", "upload_names", "set_aside_rows", "scopes", "keys", "matches", "platform_viewership"),
    *("replaced_details", "decisions", "arrivals", "episode_details"),
)


def count(database: Database, table: str) -> int:
    return int(database.rows(f"SELECT count(*) FROM viewership.{table}")[0][0])


def viewership_rows(database: Database, old: str) -> tuple[int, int]:
    """One row in each table of a retracted upload, all of them old; returns the upload and the key."""
    ((upload,),) = database.rows(
        "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, platform, domain, label, format,"
        " status, pipeline_run_id, created_at, updated_at) VALUES (repeat('a', 64), 'raw/aa/a', 'a.csv', 1, 'roku',"
        f" 'd', 'Both', 'roku-1', 'retracted', 'p', {old}, {old}) RETURNING upload_id"
    )
    database.rows("INSERT INTO viewership.upload_names VALUES (%s, 'a.csv')", upload)
    database.rows(
        "INSERT INTO viewership.set_aside_rows (upload_id, line, fate, code, message)"
        " VALUES (%s, 1, 'rejected', 'DATE', 'm')",
        upload,
    )
    ((scope,),) = database.rows(
        "INSERT INTO viewership.scopes (platform, domain, digest) VALUES ('roku', 'd', decode(repeat('ab', 16), 'hex'))"
        " RETURNING scope_id"
    )
    ((key,),) = database.rows(
        "INSERT INTO viewership.keys (digest, platform, review_key, review_digest, key_version) VALUES"
        " (decode(repeat('ab', 16), 'hex'), 'roku', array_fill(''::text, ARRAY[6]), decode(repeat('ab', 16), 'hex'), 1)"
        " RETURNING key_id"
    )
    database.rows(
        "INSERT INTO viewership.matches (key_id, status, rule_version, catalogue_version, pipeline_run_id, matched_at)"
        f" VALUES ({key}, 'review', '1', 1, 'p', {old})"
    )
    ((row,),) = database.rows(
        "INSERT INTO viewership.platform_viewership (upload_id, line, scope_id, key_id) VALUES (%s, 2, %s, %s)"
        " RETURNING id",
        *(upload, scope, key),
    )
    database.rows(
        "INSERT INTO viewership.episode_details (viewership_id, label, upload_id, key_id, scope_id, episode_id,"
        " platform, domain, deal_parent, channel, territory, asset_series, filename, bucket, confidence, loaded_at)"
        f" VALUES ({row}, 'Revenue', {upload}, {key}, {scope}, 1, 'roku', 'd', 'p', 'c', 't', 's', 'a.csv', 'b', 1,"
        f" {old})"
    )
    database.rows(
        f"INSERT INTO viewership.replaced_details SELECT d.*, {old}, 'me', 'retracted'"
        " FROM viewership.episode_details d"
    )
    database.rows(
        "INSERT INTO viewership.decisions (action, keys, effects, previous, decided_by, decided_at)"
        f" VALUES ('reject', ARRAY[{key}], '{{}}', '[]', 'me', {old})"
    )
    database.rows(
        "INSERT INTO viewership.arrivals (uri, etag, size_bytes, status, upload_id, first_seen, last_seen,"
        f" pipeline_run_id) VALUES ('s3://b/uploads/a.csv', 'e', 1, 'taken', {upload}, {old}, {old}, 'p')"
    )
    return int(upload), int(key)


def test_a_bucket(database, tmp_path, s3_server: S3Server):
    s3_server.create_bucket("telecine-artifacts")
    s3_server.client.put_object(Bucket="telecine-artifacts", Key="n/wf/plan/report.json", Body=b"{}")
    given = settings(database, tmp_path, artifacts="s3://telecine-artifacts")
    assert "0 objects (0.0 MB) in s3://telecine-artifacts" in vacuum(given)
    with pytest.raises(BucketMissing):
        vacuum(settings(database, tmp_path, artifacts="s3://nowhere"))


def test_the_command(database, tmp_path, monkeypatch, capsys):
    fill(tmp_path / ".telecine" / "reports")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)
    monkeypatch.setenv("TELECINE_DAYS", "30")
    assert run(["vacuum", "--dry-run"]) == 0
    assert "4 objects" in capsys.readouterr().out
    assert run(["vacuum", "--days", "0"]) == 2


def test_received_files_without_a_row_go_and_others_stay(database, tmp_path):
    bucket = tmp_path / "viewership"
    keys = ("console/" + "a" * 32, "console/" + "b" * 32, "raw/ab/" + "ab" * 32, "uploads/july.csv", "console/mine")
    for key in (*keys, "console/" + "c" * 32):
        (bucket / key).parent.mkdir(parents=True, exist_ok=True)
        (bucket / key).write_bytes(b"x")
        when = (datetime.now(UTC) - timedelta(days=40 if key in keys else 5)).timestamp()
        os.utime(bucket / key, (when, when))
    database.rows(
        "INSERT INTO console.files (filename, sha256, size_bytes, uri, created_by) VALUES ('j.csv', %s, 1, %s, 'ann')",
        *("ab" * 32, f"file://{bucket}/{keys[1]}"),
    )
    known = {"viewership_bucket": f"file://{bucket}"}
    told = vacuum(settings(database, tmp_path / "artifacts", dry_run=True, **known))
    assert "1 files without a row" in told
    assert len(left(bucket)) == 6
    vacuum(settings(database, tmp_path / "artifacts", **known))
    assert left(bucket) == {*keys[1:], "console/" + "c" * 32}
    database.rows("UPDATE console.files SET created_at = now() - interval '31 days'")
    vacuum(settings(database, tmp_path / "artifacts", **known))
    assert left(bucket) == {*keys[2:], "console/" + "c" * 32}

"""One command turns the current producer's files into rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.emptied_database import database
from tests.in_process import InProcess
from tests.postgres_server import postgres
from tests.screenalytics_runs import EP_ID, RUN_ID
from tests.unit.screenalytics.steps.test_write_manifest import CANONICAL, KEY, SUMMARY, TRACKS, stage_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database

__all__ = ["database", "postgres"]

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


def test_from_a_stage_manifest_to_rows(database: Database, tmp_path: Path) -> None:
    cli = InProcess(tmp_path, {"TELECINE_DATABASE_URL": database.url})
    files = {
        f"{CANONICAL}analytics/screentime.json": SUMMARY,
        f"{CANONICAL}tracks.jsonl": TRACKS,
        KEY: json.dumps(stage_manifest({"analytics/screentime.json": SUMMARY, "tracks.jsonl": TRACKS})).encode(),
    }
    for key, body in files.items():
        path = cli.folder / "runs" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    command = ("screenalytics", "write-manifest", RUN_ID, "--bucket", "./runs")
    ingest = ("screenalytics", "ingest", "--bucket", "./runs", "--arrival", "poll", "--grace-min", "0")
    cli(*ingest).expect(65)
    refused = cli(*command).expect(65)
    assert "--replace" in refused.out + refused.err
    assert '"ep_id"' in cli(*command, "--replace", "--dry-run").expect(0).out
    assert (cli.folder / "runs" / KEY).read_bytes() == files[KEY]
    cli(*command, "--replace").expect(0)
    cli(*ingest).expect(0)
    cli(*command).expect(0)
    cli("screenalytics", "verify", "--bucket", "./runs").expect(0)
    assert database.rows("SELECT run_id, ep_id, attempt, persons, casts FROM screenalytics.runs") == [
        (RUN_ID, EP_ID, 3, 3, 3)
    ]
    assert database.rows("SELECT count(*) FROM gold.screenalytics_casts") == [(3,)]
    assert database.rows("SELECT artifact_kind, fetched FROM screenalytics.artifacts ORDER BY 1") == [
        ("person_metrics", True),
        ("tracks.jsonl", False),
    ]

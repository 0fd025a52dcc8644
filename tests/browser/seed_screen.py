"""Rows for the pages of episodes and persons: an episode with all that a page can show, and hostile texts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["EPISODE", "HOSTILE", "PAGES", "PERSONS", "seed"]

EPISODE = "harborlights-s01e02"
HOSTILE = "../a//b?c=<img src=x onerror=alert(1)>"
# The page of 40 has 1,292 elements, and axe takes two seconds for them.
PERSONS = 12
PAGES = (
    "/episodes?limit=10",
    "/episodes?show=harborlights&warning=any&sort=onscreen&limit=3",
    "/episodes?q=nothing-matches",
    f"/episodes/by-id?id={EPISODE}",
    "/episodes/not-ingested?limit=5",
    "/persons?limit=10",
    "/persons/by-id?id=p_0001&of=harborlights",
)
_DIGEST = "a" * 64
_LONG = "name-without-a-break-" * 6


def seed(connection: Connection[Any]) -> None:
    """Write runs of twelve episodes, their persons, and manifests that were not ingested."""
    for number in range(12):
        show = ("harborlights", "northpier")[number % 2]
        _run(connection, f"{show}-s01e{number:02}", f"Attempt1_{number}", number, attempt=1)
    _run(connection, EPISODE, "Attempt2_2", 3, attempt=2)
    _run(connection, HOSTILE, "hostile", 1, attempt=None)
    connection.execute(
        "INSERT INTO screenalytics.replaced_runs (run_id, revision, replaced_by, run, artifacts, person_metrics)"
        " SELECT run_id, 1, 'run-1', to_jsonb(run), '[]', (SELECT jsonb_agg(to_jsonb(m) || '{\"onscreen_ms\": 5}')"
        " FROM screenalytics.person_metrics m WHERE m.run_id = run.run_id)"
        " FROM screenalytics.runs run WHERE run_id = 'Attempt2_2'"
    )
    connection.execute("UPDATE screenalytics.runs SET revision = 2 WHERE run_id = 'Attempt2_2'")
    for number in range(8):
        run_id = "Attempt2_2" if number == 0 else f"broken-{number}"
        state = ("quarantined", "rejected", "dead", "deferred")[number % 4]
        connection.execute(
            "INSERT INTO screenalytics.ingest_items (source, manifest_key, run_id, state, attempts, code, message,"
            " pipeline_run_id) VALUES ('s3://media', %s, %s, %s, %s, %s, %s, 'run-1')",
            (f"derived/runs/{run_id}/manifest.json", run_id, state, number, "MANIFEST_CHANGED", f"{HOSTILE} {_LONG}"),
        )
        connection.execute(
            "INSERT INTO screenalytics.ingest_attempts (source, manifest_key, run_id, arrival, outcome, attempt, code,"
            " message, pipeline_run_id) VALUES ('s3://media', 'k', %s, 'poll', %s, 1, 'MANIFEST_CHANGED', %s, 'run-1')",
            (run_id, state, HOSTILE),
        )


def _run(connection: Connection[Any], ep_id: str, run_id: str, number: int, *, attempt: int | None) -> None:
    warnings = [{"code": "EPISODE_UNLINKED", "message": HOSTILE}] if number % 2 == 0 or attempt == 2 else []
    persons = PERSONS if ep_id == EPISODE else 3
    connection.execute(
        "INSERT INTO screenalytics.runs (run_id, ep_id, source, manifest_key, manifest_sha256, manifest_etag,"
        " schema_version, attempt, completed_at, duration_ms, persons, casts, warnings, output_hash, pipeline_run_id)"
        " VALUES (%s, %s, 's3://media', %s, %s, 'etag', '1.0', %s, now() - %s * interval '5 hours', 2580000, %s, 1, %s,"
        " %s, 'run-1')",
        (
            *(run_id, ep_id, f"derived/runs/{run_id}/manifest.json", _DIGEST, attempt, number, persons),
            *(json.dumps(warnings), _DIGEST),
        ),
    )
    connection.execute(
        "INSERT INTO screenalytics.artifacts (run_id, artifact_key, artifact_kind, s3_key, schema_version, sha256,"
        " size_bytes, row_count, fetched) VALUES (%s, 'screentime', 'person_metrics', %s, 'screentime.v1', %s, 18211,"
        " 3, true)",
        (run_id, f"derived/runs/{run_id}/{_LONG}/screentime.json", _DIGEST),
    )
    for place in range(persons):
        name = {0: "Ida Holm", 1: HOSTILE, 2: _LONG}.get(place, f"Guest {place}")
        connection.execute(
            "INSERT INTO screenalytics.person_metrics (run_id, person_id, cast_ids, name, onscreen_ms, speaking_ms,"
            " confidence, artifact_key, artifact_schema_version, manifest_key, schema_version, pipeline_run_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, 0.9, 'screentime', 'screentime.v1', 'k', '1.0', 'run-1')",
            (
                *(run_id, f"p_{place + 1:04}", [f"cast-{place}"], name),
                *(1_000_000 // (place + 1) + number * 1000, None if place % 3 == 2 else 400_000 // (place + 1)),
            ),
        )
    connection.execute(
        "INSERT INTO screenalytics.cast_metrics (run_id, artifact_key, entry, person_id, cast_id, name, onscreen_ms)"
        " VALUES (%s, 'screentime', 0, 'p_0001', 'cast-0', 'Ida Holm', 5000)",
        (run_id,),
    )

"""Rows for the console's pages: every status, long and hostile texts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.browser import seed_intake, seed_screen, seed_slos

if TYPE_CHECKING:
    from tests.postgres_server import Database

__all__ = ["HOSTILE", "RUNS", "seed"]

RUNS = 120
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> 'q' \"q\" \u202ertl"
_PIPELINES = ("gamedata", "screenalytics", "viewership", "trakt")
_ENDED = ("success", "partial", "failed", "skipped", "cancelled", "interrupted")


def seed(database: Database) -> None:
    """Write the rows."""
    with database.connect() as connection, connection.transaction():
        for number in range(RUNS):
            _run(connection, number)
        seed_slos.seed(connection)
        seed_screen.seed(connection)
        seed_intake.seed(connection)


def _run(connection, number: int) -> None:  # type: ignore[no-untyped-def]
    pipeline = _PIPELINES[number % len(_PIPELINES)]
    status = "running" if number == 7 else "pending" if number == 8 else _ENDED[number % len(_ENDED)]
    ended = status not in ("running", "pending")
    message = {"failed": HOSTILE, "partial": "m" * 400}.get(status)
    connection.execute(
        "INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, version, host, created_at, started_at,"
        " heartbeat_at, finished_at, error_stage, error_message) VALUES (%s, %s, %s, %s, '0.1.0', 'host-1',"
        " now() - %s * interval '37 minutes', now() - %s * interval '37 minutes', now() + interval '1 day',"
        " CASE WHEN %s THEN now() - %s * interval '36 minutes' END, %s, %s)",
        (
            *(f"run-{number}" if number else f"run-{'long' * 30}", pipeline, status),
            *(json.dumps({"source_bucket": "s3://b"}), number, number, ended, number, "extract" if message else None),
            message,
        ),
    )
    if number % 10 == 1:
        _stages(connection, f"run-{number}", pipeline)


def _stages(connection, run_id: str, pipeline: str) -> None:  # type: ignore[no-untyped-def]
    for order, (stage, status) in enumerate((("plan", "success"), ("extract", "partial"), ("manifest", "success")), 1):
        connection.execute(
            "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, started_at, heartbeat_at,"
            " finished_at, duration_ms, counts, exit_code) VALUES (%s, %s, %s, %s, %s, now() - %s * interval '1 hour',"
            " now(), now() - %s * interval '59 minutes', 60000, %s, 0)",
            (run_id, stage, order, pipeline, status, 8 - order, 8 - order, json.dumps({"sessions": {"actual": 3}})),
        )
    for index, item in enumerate(("sessions/a.tar", HOSTILE, "k" * 900)):
        connection.execute(
            "INSERT INTO pipeline.item_errors (run_id, stage, item, code, retryable, message, at)"
            " VALUES (%s, 'extract', %s, %s, %s, %s, now())",
            (run_id, item, ("tar_damaged", "video_empty")[index % 2], index == 0, HOSTILE),
        )

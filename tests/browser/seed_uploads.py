"""Rows for the pages of uploads: every status, questions, overlaps, rows set aside and requested runs."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["ASKS", "LOADED", "OVERLAP", "PAGES", "RUNNING", "seed"]

LOADED, OVERLAP, ASKS, REFUSED, RUNNING = range(9001, 9006)

PAGES = (
    "/uploads?limit=10",
    "/uploads?status=waiting&platform=orbit-tv&period=2025-07&q=.csv",
    "/uploads?q=nothing-matches",
    f"/uploads/{LOADED}",
    f"/uploads/{LOADED}/fates",
    f"/uploads/{LOADED}/rejects",
    f"/uploads/{LOADED}/retract",
    f"/uploads/{LOADED}/reprocess",
    f"/uploads/{OVERLAP}",
    f"/uploads/{OVERLAP}/overlap?choice=replace",
    f"/uploads/{ASKS}",
    f"/uploads/{REFUSED}",
    f"/uploads/{RUNNING}",
)

_HOSTILE = "<img src=x onerror=alert(1)> 'q' \u202ertl " + "long-" * 30 + ".csv"
# A run of the ledger that seed.py leaves running.
_RUN = "run-7"
_STATUSES = ("skipped", "read", "normalized", "matched", "partial", "replaced", "retracted", "received")
_ANSWERS = [["--date-order", "dmy"], ["--date-order", "mdy"], ["--period", None]]


def seed(connection: Any) -> None:
    """Write the rows.

    Args:
        connection: an open connection of psycopg, in a transaction.
    """
    _upload(connection, LOADED, "july.csv", "loaded", units=13, hours=26)
    _rows(connection, LOADED)
    _upload(connection, OVERLAP, "july-corrected.csv", "overlap", code="OVERLAP", units=14, hours=40)
    other = {
        "upload_id": LOADED,
        "filename": "july.csv",
        "kind": "overlap",
        "units": 13,
        "hours": "26",
        "revenue": "0",
        "own_units": 14,
        "own_hours": "40",
        "own_revenue": "0",
        "first": "2025-07-01",
        "last": "2025-07-31",
        "outside": 0,
        "has_hours": True,
        "has_revenue": True,
    }
    connection.execute("UPDATE viewership.uploads SET others = %s WHERE upload_id = %s", (json.dumps([other]), OVERLAP))
    _upload(connection, ASKS, "days.csv", "needs_choice", code="NEEDS_CHOICE", message="column 'Date' is ambiguous")
    connection.execute("UPDATE viewership.uploads SET answers = %s WHERE upload_id = %s", (json.dumps(_ANSWERS), ASKS))
    _upload(connection, REFUSED, _HOSTILE, "refused", code="EMPTY", message=_HOSTILE)
    _upload(connection, RUNNING, "august.csv", "loaded", units=0, hours=0)
    connection.execute(
        "INSERT INTO console.launches (name, step, upload_id, state, run_id, requested_by, started_at)"
        " VALUES ('console-reprocess-1', 'reprocess', %s, 'started', %s, 'Dana', now())",
        (RUNNING, _RUN),
    )
    for number, status in enumerate(_STATUSES, RUNNING + 1):
        _upload(connection, number, f"{status}.csv", status, units=10 * number, hours=number)
    for number, name in enumerate(("draft.csv", _HOSTILE)):
        connection.execute(
            "INSERT INTO console.files (filename, sha256, size_bytes, uri, created_by)"
            " VALUES (%s, %s, 12345, 'file:///x', 'Dana')",
            (name[-255:], f"{number:064x}"),
        )


def _upload(  # noqa: PLR0917 - columns of a row
    connection: Any,
    number: int,
    name: str,
    status: str,
    code: str | None = None,
    message: str | None = None,
    units: int | None = None,
    hours: int | None = None,
) -> None:
    connection.execute(
        "INSERT INTO viewership.uploads (upload_id, sha256, object_key, filename, size_bytes, platform, domain, label,"
        " format, status, code, message, units, hours, revenue, first_date, last_date, notes, pipeline_run_id,"
        " created_at) OVERRIDING SYSTEM VALUE VALUES (%s, encode(sha256(%s::text::bytea), 'hex'), 'raw/' || %s, %s,"
        " 4096, 'orbit-tv', 'd', 'Viewership', 'canonical-1', %s, %s, %s, %s, %s, 0, '2025-07-01', '2025-07-31', %s,"
        " 'run-uploads', now() - %s * interval '1 min')",
        (
            *(number, number, number, name, status, code, message, units, hours),
            *(json.dumps([{"code": "ROUNDED", "message": _HOSTILE, "line": 3, "column": "Hours"}]), number),
        ),
    )
    connection.execute(
        "INSERT INTO viewership.upload_names (upload_id, filename) VALUES (%s, %s), (%s, %s)",
        (number, name, number, f"copy of {number}.csv"),
    )
    for order, phase in enumerate(("upload", "normalize", "match", "match FULL_DATA", "load")):
        connection.execute(
            "INSERT INTO viewership.error_log (upload_id, procedure_name, status, rows_affected, execution_ms,"
            " error_message, pipeline_run_id) VALUES (%s, %s, %s, 12, %s, %s, 'run-uploads')",
            (number, phase, "failed" if order == 4 else "success", 40 << order, _HOSTILE if order == 4 else None),
        )


def _rows(connection: Any, number: int) -> None:
    """Write ten rows of hours 2 with several fates, and three that were set aside."""
    (scope,) = connection.execute(
        "INSERT INTO viewership.scopes (platform, domain, digest) VALUES ('orbit-tv', 'd', decode(md5('orbit'), 'hex'))"
        " RETURNING scope_id"
    ).fetchone()
    for place in range(10):
        status = ("matched", "matched", "review", "unmatched")[place % 4]
        (key,) = connection.execute(
            "INSERT INTO viewership.keys (digest, platform, content_name, review_key, review_digest, key_version)"
            " VALUES (decode(md5(%s), 'hex'), 'orbit-tv', %s, %s, decode(md5(%s), 'hex'), 1) RETURNING key_id",
            (f"orbit {place}", f"Title {place}", ["orbit-tv", "t", "", "", str(place), ""], f"orbit {place}"),
        ).fetchone()
        connection.execute(
            "INSERT INTO viewership.matches (key_id, status, bucket, episode_id, reasons, rule_version,"
            " catalogue_version, pipeline_run_id) VALUES (%s, %s, %s, %s, %s, '1', 1, 'run-uploads')",
            (
                *(key, status, "FULL_DATA" if status == "matched" else None, 1 if status == "matched" else None),
                json.dumps([] if status == "matched" else [{"code": "BELOW_CUT"}]),
            ),
        )
        connection.execute(
            "INSERT INTO viewership.platform_viewership (upload_id, line, scope_id, key_id, platform_content_name,"
            " tot_hov, date, week, day) VALUES (%s, %s, %s, %s, %s, 2, '2025-07-01', '2025-06-30', 1)",
            (number, place + 2, scope, key, f"Title {place}"),
        )
    for line, (fate, code, raw) in enumerate(
        (("rejected", "NUMBER", "=1+1"), ("rejected", "DATE", _HOSTILE), ("filtered", "TOTAL", "Total")), 12
    ):
        connection.execute(
            "INSERT INTO viewership.set_aside_rows (upload_id, line, fate, code, column_name, raw, message, hours)"
            " VALUES (%s, %s, %s, %s, 'Hours', %s, %s, 2)",
            (number, line, fate, code, raw, f"line {line}: {raw}: the text is not a number"),
        )

"""Rows for the pages of received files: a draft with questions, a refused file, a cancelled one, a failed start."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["DRAFT", "PAGES", "seed"]

DRAFT, REFUSED, CANCELLED, FAILED = range(8001, 8005)

PAGES = (
    "/uploads/new",
    f"/uploads/new?file={DRAFT}",
    *(f"/uploads/files/{number}" for number in (DRAFT, REFUSED, CANCELLED, FAILED)),
)

_HOSTILE = "<img src=x onerror=alert(1)> 'q' \u202ertl " + "long-" * 20


def seed(connection: Any) -> None:
    """Write the rows.

    Args:
        connection: an open connection of psycopg, in a transaction.
    """
    _file(connection, DRAFT, "draft", _reading(_proposal(), _preview(), None))
    data = {"line": 7, "column": _HOSTILE, "value": _HOSTILE, "limit": 32_767}
    problem = {"code": "LIMIT", "message": f"a cell of line 7 is {_HOSTILE}", "data": data, "is_question": False}
    _file(connection, REFUSED, "draft", _reading(None, None, problem))
    _file(connection, CANCELLED, "cancelled", None)
    _file(connection, FAILED, "confirmed", None)
    connection.execute(
        "INSERT INTO console.launches (name, step, file_id, state, message, requested_by)"
        " VALUES ('console-run-8004', 'run', %s, 'failed', %s, 'Dana')",
        (FAILED, _HOSTILE),
    )


def _file(connection: Any, number: int, state: str, reading: dict[str, Any] | None) -> None:
    decided = None if state == "draft" else "Dana"
    connection.execute(
        "INSERT INTO console.files (file_id, filename, sha256, size_bytes, uri, state, proposal, created_by,"
        " decided_by, decided_at) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, 123456, %s, %s, %s, 'Dana', %s,"
        " CASE WHEN %s THEN now() END)",
        (
            *(number, f"{_HOSTILE}.csv", f"{number:064x}", f"file:///nowhere/console/{number:032x}", state),
            *(None if reading is None else json.dumps(reading), decided, decided is not None),
        ),
    )


def _reading(
    proposal: dict[str, Any] | None, preview: dict[str, Any] | None, problem: dict[str, Any] | None
) -> dict[str, Any]:
    used = {"format": "canonical-1", "date-order": "dmy"} if preview else {}
    return {"proposal": proposal, "preview": preview, "problem": problem, "used": used, "is_head": preview is not None}


def _proposal() -> dict[str, Any]:
    names = ("Date", "Title", "Hours Viewed", _HOSTILE)
    fields = ("date", "content_name", "hours", None)
    columns = [
        {
            "name": name,
            "header": name,
            "column": letter,
            "is_metric": False,
            "field": field,
            "shown": field,
            "also": [],
            "unit": "hours" if field == "hours" else None,
            "score": 1.0 if field else 0.0,
            "reasons": [f"format canonical-1 reads it as {field}"] if field else [],
            "filled": 0.98,
            "candidates": [] if field else [{"field": "territory", "score": 0.7, "reasons": ["a country"]}],
            "samples": ["01/02/2025", _HOSTILE, "x" * 100],
        }
        for letter, name, field in zip("ABCD", names, fields, strict=True)
    ]
    asked = {"code": "FIELD", "message": f"is it {_HOSTILE}?; pass --map", "columns": [_HOSTILE], "flags": ["--map"]}
    return {
        "proposal_version": "1.0",
        "file": "file",
        "sheet": None,
        "encoding": "utf-8",
        "delimiter": ",",
        "rows": 30,
        "header": {"line": 1, "rows": 1, "confidence": 1.0, "reasons": ["all cells are names"]},
        "dates": None,
        "closest": [],
        "notes": [],
        "columns": columns,
        "format": {"name": "canonical-1", "score": 0.8, "reasons": ["3 of 4 columns are known"]},
        "questions": [{**asked, "options": ["territory=Column D"], "letters": ["Column D"]}],
    }


def _preview() -> dict[str, Any]:
    values = {"date": "2025-02-01", "content_name": _HOSTILE, "hours": "1.5", "territory": "US"}
    units = [
        {"line": line, "column": None, "fate": "matching", "code": None, "reason": None, "values": values}
        for line in range(2, 22)
    ]
    units[3] |= {"fate": "rejected", "code": "NUMBER", "reason": f"line 5: {_HOSTILE}: the text is not a number"}
    sums = {"units": 20, "hours": "30", "revenue": "0", "unparsable": 1}
    return {
        "preview_version": "1.0",
        "format": "canonical-1",
        "units": units,
        "fields": [],
        "totals": [{"fate": "matching", **sums}, {"fate": "file", **sums}],
        "rejects": [{"line": 5, "column": _HOSTILE, "code": "NUMBER", "raw": _HOSTILE, "reason": "not a number"}],
        "notes": [{"code": "ROUNDED", "message": _HOSTILE, "line": None, "column": None}],
    }

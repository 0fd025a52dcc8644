"""Tables of the ledger: schema pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LEDGER"]

_STATUS: Final = "`pending`, `running`, `success`, `partial`, `failed`, `skipped`, `cancelled` or `interrupted`"
LEDGER: Final[Mapping[str, Relation]] = {
    "pipeline.schema_version": Relation(
        "the version of the schema (the table has one row)", {"version_num": "the last migration"}
    ),
    "pipeline.environment": Relation(
        "the environment that the database belongs to (the table has one row)",
        {
            "single": "always true; keeps the table to one row",
            "name": "`dev`, `staging` or `prod`; `TELECINE_DATABASE_ENVIRONMENT` must equal it",
            "created_at": "first migration",
            "oldest_code": "oldest schema version whose code can still use the database",
        },
    ),
    "pipeline.runs": Relation(
        "a run: one command on a laptop, one Workflow in a cluster",
        {
            "run_id": "the Workflow's uid, or a UUID",
            "pipeline": "`gamedata`, `screenalytics` or `media`: that of the step that opened the run",
            "status": f"{_STATUS}; the most severe of its stages",
            "parameters": "the settings that it was opened with, without secrets",
            "version": "version of telecine",
            "host": "host and process id",
            "created_at": "when the row was inserted",
            "started_at": "when the command of the first stage started",
            "heartbeat_at": "last heartbeat, every 10 s; after 60 s without one the run is `interrupted`",
            "finished_at": "when the last stage ended; NULL while it is `pending` or `running`",
            "error_stage": "the stage that determines the status; NULL if all succeeded",
            "error_message": "its message",
        },
    ),
    "pipeline.run_stages": Relation(
        "a stage of a run: its last attempt",
        {
            "run_id": "the run",
            "stage": "such as `extract`, `manifest` or `sync_screenalytics`",
            "stage_order": ("1 plan, 2 extract, 3 manifest, 4 match, 5 trakt, 6 sync_screenalytics, 7 publish"),
            "pipeline": "the pipeline of the stage; a `media` run has stages of several",
            "status": _STATUS,
            "attempt": "1 for the first, +1 per retry",
            "parameters": (
                "the settings of the stage, without secrets; `_origin` has the command, the names of parameters that"
                " differ from their defaults, the Workflow, and the place of the report"
            ),
            "version": "version of telecine",
            "host": "host and process id",
            "started_at": "when the attempt started; if its command has only this stage, when the command started",
            "heartbeat_at": "last heartbeat",
            "finished_at": "NULL while it is `pending` or `running`",
            "duration_ms": "milliseconds the stage took; NULL while it runs",
            "counts": "counters of the stage's report",
            "exit_code": "exit code of the command",
            "input_hash": "hash of what the stage read; NULL if it has none",
            "output_hash": "hash of what the stage wrote; equal hashes, equal content",
            "manifest_key": "URI or path of the manifest that the stage wrote",
            "error_message": "the error that ended the stage",
            "error_details": "summary and up to 50 errors, at most 64 KB",
            "rayjob_uid": "uid of the RayJob that did the work; NULL without one",
        },
    ),
    "pipeline.item_errors": Relation(
        "an item (TAR, session, run) that failed in a stage",
        {
            "run_id": "the run",
            "stage": "the stage",
            "item": "a TAR's key, a session's key, or a run's id",
            "code": "error code: [gamedata](gamedata.md#error-codes), [screenalytics](screenalytics.md#codes)",
            "retryable": "true if a retry may succeed",
            "attempt": "which attempt at this item it was",
            "input_hash": "ETag or SHA-256 of the input; a changed input is retried",
            "message": "error message",
            "details": "further facts, such as `expected` and `actual`",
            "at": "when it failed",
        },
    ),
    "pipeline.notifications": Relation(
        "a notification about a run",
        {
            "run_id": "the run",
            "channel": "`webhook` or `mail`",
            "created_at": "when it was first attempted",
            "sent_at": "when it was sent; NULL if it was not",
        },
    ),
}

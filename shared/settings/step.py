"""The settings that every step has."""

from __future__ import annotations

from typing import Literal

from shared.settings.base import RECORDS, setting
from shared.settings.database import DatabaseSettings
from shared.settings.storage import StorageSettings

__all__ = ["LogFormat", "LogLevel", "StepSettings"]

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["auto", "text", "json"]


class StepSettings(StorageSettings, DatabaseSettings):
    """Settings of the store, the database, logs and reports, and the run's identity."""

    log_level: LogLevel = setting("INFO", description="Log messages of at least this level.", group=RECORDS)
    log_format: LogFormat = setting(
        "auto",
        description="Write log messages to standard error in this format.",
        detail="auto writes text to a terminal, and JSON elsewhere and in a pod.",
        group=RECORDS,
    )
    log_file: str | None = setting(None, description="Also write log lines (JSON) to this file.", group=RECORDS)
    report_dir: str | None = setting(
        None,
        default_text=".telecine/reports/<run id>",
        description="Write report.json and report.html to this folder or URI.",
        group=RECORDS,
    )
    run_id: str | None = setting(
        None,
        default_text="a new UUID",
        description="Record the step under this run id; in a Workflow, its uid.",
        group=RECORDS,
    )

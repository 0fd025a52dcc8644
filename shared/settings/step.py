"""The settings that every step has."""

from __future__ import annotations

from typing import Final, Literal

from shared.settings.base import Group, setting
from shared.settings.database import DatabaseSettings
from shared.settings.storage import StorageSettings

__all__ = ["LogLevel", "StepSettings"]

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_RECORDS: Final = Group("Logs and reports", 70)


class StepSettings(StorageSettings, DatabaseSettings):
    """Settings of the store, the database, logs and reports, and the run's identity."""

    log_level: LogLevel = setting("INFO", description="Log messages of at least this level.", group=_RECORDS)
    log_file: str | None = setting(None, description="Also write log lines (JSON) to this file.", group=_RECORDS)
    report_dir: str | None = setting(
        None,
        default_text=".telecine/reports/<run id>",
        description="Write report.json and report.html to this folder or URI.",
        group=_RECORDS,
    )
    run_id: str | None = setting(
        None,
        default_text="a new UUID",
        description="Record the step under this run id; in a Workflow, its uid.",
        group=_RECORDS,
    )

"""The parameters that every step has."""

from __future__ import annotations

from typing import Literal

from shared.settings.base import setting
from shared.settings.database import DatabaseSettings
from shared.settings.storage import StorageSettings

__all__ = ["LogLevel", "StepSettings"]

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class StepSettings(StorageSettings, DatabaseSettings):
    """Logs, reports, the run's identity, the store's and the database's settings."""

    log_level: LogLevel = setting("INFO", description="Messages below this are not written.")
    log_file: str | None = setting(None, description="Also write log lines (JSON) to this file.")
    report_dir: str | None = setting(
        None,
        default_text=".telecine/reports/<run id>",
        description="Folder or URI that gets report.json and report.html.",
    )
    run_id: str | None = setting(
        None, default_text="made anew", description="The run that this step belongs to; a Workflow hands its uid on."
    )

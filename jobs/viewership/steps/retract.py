"""The retract step: remove the rows of an upload from the final table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.phases.retract import retract
from shared.report import Report
from shared.report.terminal import counted

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import RetractSettings
    from shared.ledger import StageRun

__all__ = ["run"]


def run(settings: RetractSettings, stage_run: StageRun) -> Report:
    """Retract an upload, and return the report.

    Args:
        settings: the upload and the reason.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the upload does not exist, or is already retracted.
    """
    name, removed = retract(settings, settings.number, by=settings.by, reason=settings.reason, run_id=stage_run.run_id)
    return Report(
        headline=f"upload {settings.number} ({name}) is retracted: "
        f"{counted(removed, 'final row', 'final rows')} removed; the same bytes may be uploaded again",
        items=removed,
        counts={"removed": removed},
    )

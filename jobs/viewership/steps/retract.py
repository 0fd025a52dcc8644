"""The retract step: remove the rows of an upload from the final table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.phases.retract import retract
from jobs.viewership.report.fates import FATE_PARTS
from jobs.viewership.tables.fates import fates_of
from shared.database.session import transaction
from shared.report import Report, Shares
from shared.report.terminal import counted

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import RetractSettings
    from jobs.viewership.tables.fates import Fates
    from shared.ledger import StageRun
    from shared.report import Section

__all__ = ["run"]


def run(settings: RetractSettings, stage_run: StageRun) -> Report:
    """Retract an upload, and return the report.

    Args:
        settings: the upload and the reason.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the upload does not exist, or is already retracted.
    """
    with transaction(settings) as session:
        before = fates_of(session, [settings.number]).get(settings.number)
    name, removed = retract(settings, settings.number, by=settings.by, reason=settings.reason, run_id=stage_run.run_id)
    return Report(
        headline=f"upload {settings.number} ({name}) is retracted: "
        f"{counted(removed, 'final row', 'final rows')} removed; the same bytes may be uploaded again",
        items=removed,
        counts={"removed": removed},
        sections=[] if before is None else _charts(before),
    )


def _charts(before: Fates) -> list[Section]:
    """Return bars of the upload's rows and hours by fate before its final rows were removed; nothing without rows."""
    rows = [before.units_of(part.name) for part in FATE_PARTS]
    hours = [before.hours_of(part.name) for part in FATE_PARTS]
    note = "The state before the retraction; its final rows are no longer in the final table."
    charts = (
        Shares("Rows of the upload by fate", "rows", FATE_PARTS, [("all rows", rows)], note),
        Shares("Hours of the upload by fate", "hours", FATE_PARTS, [("all rows", hours)], note),
    )
    return [chart for chart in charts if any(chart.bars[0][1])]

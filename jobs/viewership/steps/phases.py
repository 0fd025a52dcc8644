"""The normalize, match and load steps: process the uploads that wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.steps._stages import PHASES, run_phase, waiting
from jobs.viewership.tables.uploads import find
from shared.database.session import transaction

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import LoadSettings, MatchSettings, NormalizeSettings
    from shared.ledger import StageRun
    from shared.report import Report

__all__ = ["run_load", "run_match", "run_normalize"]

# Uploads that a headline names.
_SHOWN: Final = 5


def run_normalize(settings: NormalizeSettings, stage_run: StageRun) -> Report:
    """Find the deals of the rows of uploads, and return the report."""
    return _run("normalize", settings, stage_run)


def run_match(settings: MatchSettings, stage_run: StageRun) -> Report:
    """Match the rows of uploads, and return the report."""
    return _run("match", settings, stage_run)


def run_load(settings: LoadSettings, stage_run: StageRun) -> Report:
    """Write the final rows of uploads, and return the report."""
    return _run("load", settings, stage_run)


def _run(name: str, settings: NormalizeSettings | MatchSettings | LoadSettings, stage_run: StageRun) -> Report:
    phase = PHASES[name]
    skipped = []
    if settings.upload:
        with transaction(settings) as session:
            named = find(session, upload_ids=settings.upload)
        skipped = [f"upload {each.upload_id} is {each.status}" for each in named if each.status not in phase.waits]
    report = run_phase(phase, settings, stage_run, settings.upload or waiting(settings, phase.waits))
    if skipped:
        more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        expected = " or ".join(phase.waits)
        report.headline += f"; skipped: {', '.join(skipped[:_SHOWN])}{more}; {name} takes only {expected} uploads"
    return report

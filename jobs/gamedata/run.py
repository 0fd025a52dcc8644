"""The run step: extraction, then the manifest, as two stages of one run of the ledger."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from shared.errors import EXIT_BUG, TelecineError, graver
from shared.ledger.failure import Failure
from shared.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.gamedata.settings import RunSettings
    from shared.ledger import Run, StageRun
    from shared.progress import Progress

    StepRun = Callable[[RunSettings, StageRun], Report]

__all__ = ["merge", "run", "run_stages"]

_EXTRACT: Final = ("extract", 2)
_MANIFEST: Final = ("manifest", 3)
# From the best to the worst.
_STATUSES: Final = ("skipped", "success", "partial", "failed")

_log = logging.getLogger(__name__)


def run(settings: RunSettings, stage_run: StageRun) -> Report:
    """Run the stages that ``--stage`` names.

    With ``both`` the manifest is built after a failed extraction as well, over what is committed. The graver of both
    exit codes counts.

    Args:
        settings: of both steps.
        stage_run: gives the run's id and the progress; the stages are opened here.

    Raises:
        TelecineError: what a stage raised, where there is no other, or the graver one.
        Stopped: by a signal.
    """
    from jobs.gamedata import extract, manifest
    from shared.ledger import open_run

    named = settings.model_copy(update={"run_id": stage_run.run_id})
    with open_run(named, "gamedata") as ledger:
        report = run_stages(named, ledger, stage_run.progress, extract=extract.run, manifest=manifest.run)
    report.exit_code = graver(report.exit_code, ledger.exit_code)
    return report


def run_stages(
    settings: RunSettings, ledger: Run, progress: Progress | None, *, extract: StepRun, manifest: StepRun
) -> Report:
    """Run one or both stages and join their reports; see :func:`run`."""
    reports: dict[str, Report] = {}
    errors: list[Exception] = []
    for (name, order), step in ((_EXTRACT, extract), (_MANIFEST, manifest)):
        if settings.stage not in ("both", "extraction" if name == "extract" else "manifest"):
            continue
        try:
            with ledger.stage(name, order, progress=progress) as stage_run:
                report = step(settings, stage_run)
                stage_run.finish(report)
        except Exception as error:  # the manifest of what is committed is wanted after a bug, too
            if settings.stage != "both":
                raise
            bug = not isinstance(error, TelecineError)
            _log.error("%s: %s", name, error, exc_info=error if bug else None)
            errors.append(error)
            reports[name] = Report(
                status="failed", exit_code=_exit_code(error), failures=[Failure.of(f"gamedata {name}", error)]
            )
        else:
            reports[name] = report
            _log.info("%s", report.model_copy(update={"step": name}).summary())
    if errors and len(errors) == len(reports):
        # Both raised: the graver one is what the caller hears.
        worst = graver(*map(_exit_code, errors))
        raise next(error for error in errors if _exit_code(error) == worst)
    return merge(reports)


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, TelecineError) else EXIT_BUG


def merge(reports: dict[str, Report]) -> Report:
    """Join the reports of stages into one; names that both use are the last one's, counts of failures add up."""
    joined = Report(status="skipped")
    for name, report in reports.items():
        joined = Report(
            status=max(joined.status, report.status, key=_STATUSES.index),
            exit_code=graver(joined.exit_code, report.exit_code),
            counts={**joined.counts, **{f"{name}.{key}": value for key, value in report.counts.items()}},
            bytes={**joined.bytes, **report.bytes},
            rejects={**joined.rejects, **report.rejects},
            rates={**joined.rates, **report.rates},
            # Extraction takes nearly all of a run's time.
            bound=joined.bound or report.bound,
            bound_reason=joined.bound_reason or report.bound_reason,
            failures=[*joined.failures, *report.failures],
            failures_truncated=joined.failures_truncated + report.failures_truncated,
            outputs={**joined.outputs, **report.outputs},
            durations={**joined.durations, **{f"{name}.{key}": s for key, s in report.durations.items()}},
            sections=[*report.sections, *joined.sections],
        )
    return joined

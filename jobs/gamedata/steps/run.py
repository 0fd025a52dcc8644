"""The run step: extraction, then the manifest even if extraction failed; the more severe exit code wins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from shared.errors import EXIT_BUG, TelecineError, most_severe
from shared.failure import Failure
from shared.report import Report, StageSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.gamedata.settings import RunSettings
    from shared.ledger import Run, StageRun
    from shared.progress import Progress

    StepRun = Callable[[RunSettings, StageRun], Report]

__all__ = ["merge", "run", "run_stages"]

_EXTRACT: Final = ("extract", 2)
_MANIFEST: Final = ("manifest", 3)
# From best to worst.
_STATUSES: Final = ("skipped", "success", "partial", "failed")

_Number = TypeVar("_Number", int, float)
_log = logging.getLogger(__name__)


def run(settings: RunSettings, stage_run: StageRun) -> Report:
    """Run the stages selected by ``--stage``, and return one report.

    With ``both``, the manifest is also built after a failed extraction, from the committed results. The more severe
    exit code counts.

    Args:
        settings: settings of both steps.
        stage_run: used for its run id and progress; each stage gets its own.

    Raises:
        UsageError: ``--compute`` is not local.
        TelecineError: the only stage raised it, or both stages failed and it is the more severe error.
        Stopped: a signal stopped the step.
    """
    from jobs.gamedata.compute.pool import require_local
    from jobs.gamedata.steps import extract, manifest
    from shared.ledger import open_run

    require_local(settings.compute, "telecine gamedata run")

    named = settings.model_copy(update={"run_id": stage_run.run_id})
    with open_run(named, "gamedata") as ledger:
        report = run_stages(named, ledger, stage_run.progress, extract=extract.run, manifest=manifest.run)
    report.exit_code = most_severe(report.exit_code, ledger.exit_code)
    return report


def run_stages(
    settings: RunSettings, ledger: Run, progress: Progress | None, *, extract: StepRun, manifest: StepRun
) -> Report:
    """Run one or both stages and return their merged report; see :func:`run`."""
    reports: dict[str, Report] = {}
    errors: list[Exception] = []
    for (name, order), step in ((_EXTRACT, extract), (_MANIFEST, manifest)):
        if settings.stage not in ("both", "extraction" if name == "extract" else "manifest"):
            continue
        try:
            with ledger.stage(name, order, progress=progress) as stage_run:
                report = step(settings, stage_run)
                stage_run.finish(report)
        except Exception as error:  # build the manifest of the committed results even after a bug
            if settings.stage != "both":
                raise
            bug = not isinstance(error, TelecineError)
            _log.error("%s: %s", name, error, exc_info=error if bug else None)
            errors.append(error)
            reports[name] = Report(
                status="failed",
                exit_code=_exit_code(error),
                headline=f"{name} failed",
                failures=[Failure.of(f"gamedata {name}", error)],
            )
        else:
            reports[name] = report
            _log.info("%s", report.model_copy(update={"pipeline": "gamedata", "step": name}).summary())
    if errors and len(errors) == len(reports):
        # Raise the more severe error, but not "nothing extracted", which is a consequence of the other one.
        faults = [error for error in errors if getattr(error, "code", "") != "nothing_extracted"] or errors
        worst = most_severe(*map(_exit_code, faults))
        raise next(error for error in faults if _exit_code(error) == worst)
    return merge(reports)


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, TelecineError) else EXIT_BUG


def merge(reports: dict[str, Report]) -> Report:
    """Return one report for several stages; names of counts get the stage's name as a prefix: ``extract.failed``."""
    joined = Report(status="skipped", tiles=())
    for name, report in reports.items():
        tiles = tuple(report.counts) if report.tiles is None else report.tiles
        # Use extraction's bottleneck, because extraction takes nearly all of the time. It reports none if it had almost
        # nothing to do.
        first = report if joined.bound is None else joined
        joined = Report(
            status=max(joined.status, report.status, key=_STATUSES.index),
            exit_code=most_severe(joined.exit_code, report.exit_code),
            headline="; ".join(filter(None, (joined.headline, report.headline))),
            stages={**joined.stages, name: _summary(report)},
            items=max(joined.items, report.items),
            counts={**joined.counts, **_prefixed(name, report.counts)},
            bytes={**joined.bytes, **_prefixed(name, report.bytes)},
            rejects={**joined.rejects, **report.rejects},
            rates={**joined.rates, **_prefixed(name, report.rates)},
            bound=first.bound,
            bound_reason=first.bound_reason,
            failures=[*joined.failures, *report.failures],
            failures_truncated=joined.failures_truncated + report.failures_truncated,
            outputs={**joined.outputs, **report.outputs},
            durations={**joined.durations, **_prefixed(name, report.durations)},
            tiles=(*(joined.tiles or ()), *(f"{name}.{key}" for key in tiles)),
            # The findings of the manifest come before the details of extraction.
            sections=[*report.sections, *joined.sections],
        )
    return joined


def _prefixed(stage: str, values: dict[str, _Number]) -> dict[str, _Number]:
    return {f"{stage}.{key}": value for key, value in values.items()}


def _summary(report: Report) -> StageSummary:
    return StageSummary(
        status=report.status, seconds=report.seconds, bound=report.bound, bound_reason=report.bound_reason
    )

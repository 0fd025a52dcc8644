"""The run step: extraction, the manifest even if that failed, and publication; the most severe exit code wins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from jobs.gamedata.errors import NOTHING_EXTRACTED
from shared.disk import full_disk
from shared.errors import DataError, TelecineError, UsageError, most_severe
from shared.failure import Failure
from shared.report import Report, StageSummary
from shared.step.guard import exit_code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jobs.gamedata.settings import PublishSettings, RunSettings
    from shared.ledger import Run, StageRun
    from shared.progress import Progress

    StepRun = Callable[[RunSettings, StageRun], Report]
    PublishRun = Callable[[PublishSettings, StageRun], Report]

__all__ = ["merge", "publish_settings", "run", "run_stages"]

_EXTRACT: Final = ("extract", 2)
_MANIFEST: Final = ("manifest", 3)
_PUBLISH: Final = ("publish", 7)
# From best to worst.
_STATUSES: Final = ("skipped", "success", "partial", "failed")

_Number = TypeVar("_Number", int, float)
_log = logging.getLogger(__name__)


def run(settings: RunSettings, stage_run: StageRun) -> Report:
    """Run the stages selected by ``--stage``, and return one report.

    With ``both``, the manifest is also built after a failed extraction, from the committed results. With ``--publish``,
    the manifest is published if every stage succeeded. The most severe exit code counts.

    Args:
        settings: settings of both steps.
        stage_run: used for its run id and progress; each stage gets its own.

    Raises:
        UsageError: a parameter of a stage is wrong, ``--compute`` is not local, or nothing would be published.
        TelecineError: the only stage failed, or both failed and this is the more severe error.
        Stopped: a signal stopped the step.
    """
    from jobs.gamedata.compute.pool import require_local
    from jobs.gamedata.steps import extract, manifest, publish
    from jobs.gamedata.steps._parameters import check_run
    from shared.ledger import open_run

    require_local(settings.compute, "telecine gamedata run")
    if settings.publish and settings.stage == "extraction":
        raise UsageError(
            "--publish with --stage extraction: no manifest is built, so nothing would be published; expected --stage"
            " both or manifest"
        )
    check_run(settings)
    named = settings.model_copy(update={"run_id": stage_run.run_id})
    with open_run(named, "gamedata", command=stage_run) as ledger:
        report = run_stages(
            named, ledger, stage_run.progress, extract=extract.run, manifest=manifest.run, publish=publish.run
        )
    report.exit_code = most_severe(report.exit_code, ledger.exit_code)
    return report


def run_stages(
    settings: RunSettings,
    ledger: Run,
    progress: Progress | None,
    *,
    extract: StepRun,
    manifest: StepRun,
    publish: PublishRun,
) -> Report:
    """Run the stages and return their merged report; see :func:`run`."""
    reports: dict[str, Report] = {}
    errors: dict[str, Exception] = {}
    for (name, order), step in ((_EXTRACT, extract), (_MANIFEST, manifest)):
        if settings.stage not in ("both", "extraction" if name == "extract" else "manifest"):
            continue
        try:
            with ledger.stage(name, order, progress=progress) as stage_run, full_disk():
                report = _run_step(step, settings, stage_run, after="extract" in reports)
                stage_run.finish(report)
        except Exception as error:  # build the manifest of the committed results even after a bug
            if settings.stage != "both":
                raise
            errors[name] = error
            reports[name] = _failed(name, error)
        else:
            reports[name] = report
            _tell(name, report)
    worst = _worst(errors) if errors and len(errors) == len(reports) else None
    for name, failed in errors.items():
        # The command prints the raised error; "nothing extracted" is only a consequence of a failed extraction.
        follows = len(errors) > 1 and getattr(failed, "code", "") == NOTHING_EXTRACTED
        if failed is not worst and not follows and isinstance(failed, TelecineError):
            _log.error("%s: %s", name, failed)
    if worst is not None:
        raise worst
    if settings.publish and "manifest" in reports:
        reports |= _published(settings, ledger, progress, publish, before=reports.values())
    return merge(reports)


def _published(
    settings: RunSettings, ledger: Run, progress: Progress | None, publish: PublishRun, *, before: Iterable[Report]
) -> dict[str, Report]:
    """Publish the manifest if the stages before succeeded; return the report under the stage's name.

    An error becomes a report, because those of the other stages must not be lost.
    """
    if most_severe(*(report.exit_code for report in before)):
        _log.warning("the manifest is not published, because not every stage succeeded")
        return {}
    name, order = _PUBLISH
    own = publish_settings(settings)
    try:
        with ledger.stage(name, order, parameters=own.parameters(), progress=progress) as stage_run, full_disk():
            report = publish(own, stage_run)
            stage_run.finish(report)
    except Exception as error:  # noqa: BLE001 - the manifest has been written, even after a bug
        if isinstance(error, TelecineError):
            _log.error("%s: %s", name, error)
        return {name: _failed(name, error)}
    _tell(name, report)
    return {name: report}


def publish_settings(settings: RunSettings) -> PublishSettings:
    """Return the settings with which the manifest of a run is published."""
    from jobs.gamedata.settings import PublishSettings

    shared = PublishSettings.model_fields.keys() & settings.model_fields_set
    values = {name: getattr(settings, name) for name in shared}
    return PublishSettings(**{**values, "manifest": settings.output_path})


def _failed(name: str, error: Exception) -> Report:
    if not isinstance(error, TelecineError):
        _log.error("%s: %s", name, error, exc_info=error)
    return Report(
        status="failed",
        exit_code=exit_code_of(error),
        headline=f"{name} failed",
        failures=[Failure.of(f"gamedata {name}", error)],
    )


def _tell(name: str, report: Report) -> None:
    _log.info("%s", report.model_copy(update={"pipeline": "gamedata", "step": name}).summary())


def _run_step(step: StepRun, settings: RunSettings, stage_run: StageRun, *, after: bool) -> Report:
    """Run a stage; ``after`` extraction, replace the advice to run extract first."""
    try:
        return step(settings, stage_run)
    except DataError as error:
        if not after or error.code != NOTHING_EXTRACTED:
            raise
        raise DataError(
            "the manifest has no sessions, because extraction found no TAR; expected TARs in the source; check "
            "--source-bucket, --prefix and --task-list",
            code=NOTHING_EXTRACTED,
            **error.data,
        ) from error


def _worst(errors: dict[str, Exception]) -> Exception:
    """Return the most severe error, but not "nothing extracted", which is a consequence of the other one."""
    faults = [error for error in errors.values() if getattr(error, "code", "") != NOTHING_EXTRACTED]
    faults = faults or list(errors.values())
    worst = most_severe(*map(exit_code_of, faults))
    return next(error for error in faults if exit_code_of(error) == worst)


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

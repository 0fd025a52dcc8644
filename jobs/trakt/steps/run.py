"""The run step: ingest, model, publish and slo, each as a stage; slo measures even if another stage has failed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.ingest.run import check_titles
from jobs.trakt.modelling.environment import dbt_python, salt
from jobs.trakt.steps import ingest, model, publish, slo
from shared.disk import full_disk
from shared.errors import EXIT_BUG, EXIT_CONFIGURATION, TelecineError, UsageError, most_severe
from shared.failure import Failure
from shared.ledger import open_run
from shared.report import Report, StageSummary, Table
from shared.report.terminal import find_table, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from jobs.trakt.settings import RunSettings
    from shared.ledger import Run, StageRun
    from shared.step.contract import UnrecordedRun

__all__ = ["merge", "run", "show"]

_LOG: Final = logging.getLogger(__name__)

# Name and order of each stage; its order and its name in the ledger are those of the single commands.
_STAGES: Final = (("ingest", 5), ("model", 5), ("publish", 7), ("slo", 7))
_IN_LEDGER: Final = {"publish": "publish_trakt"}
_STEPS: Final[Mapping[str, Callable[[Any, Any], Report]]] = {
    "ingest": ingest.run,
    "model": model.run,
    "publish": publish.run,
    "slo": slo.run,
}
_STAGES_TABLE: Final = "Stages"
# From best to worst.
_STATUSES: Final = ("skipped", "success", "partial", "failed")
_TILES: Final = (
    *("ingest.titles", "ingest.pages_good", "ingest.pages_failed", "ingest.rows", "model.comments", "model.anomalies"),
    *("publish.rows", "slo.fresh_titles"),
)


def run(settings: RunSettings, stage_run: StageRun | UnrecordedRun) -> Report:
    """Run all stages, and return one report; with ``--report-dir``, that of each stage is in a folder of its name.

    After a failed ingest, what it had committed is modelled and published, except if an operator must act (exit code
    78): then both are skipped. If models fail, nothing is published. The service levels are measured in any case. The
    more severe exit code counts.

    Args:
        settings: settings of all stages.
        stage_run: used for its run id and progress; each stage gets one of its own.

    Raises:
        UsageError: the watch list is wrong, or bronze has rows of another source; no stage was started, or the ingest
            ended before it read a title.
        ConfigurationError: the key, the salt or dbt's environment is missing, users were erased with another salt, or
            the database is not migrated; no stage was started.
        Stopped: a signal stopped the step.
    """
    settings.key()
    salt(settings)
    dbt_python(settings)
    check_titles(settings)
    named = settings.model_copy(update={"run_id": stage_run.run_id})
    if settings.dry_run:
        return _STEPS["ingest"](named, stage_run)
    reports: dict[str, Report] = {}
    with open_run(named, "trakt", command=stage_run) as ledger:
        for name, order in _STAGES:
            if _is_due(name, reports):
                reports[name] = _run_stage(named, ledger, name, order)
    report = merge(reports)
    report.exit_code = most_severe(report.exit_code, ledger.exit_code)
    return report


def _is_due(name: str, reports: Mapping[str, Report]) -> bool:
    """Return whether a stage is run after those before it."""
    if name in ("model", "publish") and reports["ingest"].exit_code == EXIT_CONFIGURATION:
        return False
    # Without a new build, publish would publish the last one as if nothing had happened.
    return name != "publish" or "gold" in reports["model"].outputs


def _run_stage(settings: RunSettings, ledger: Run, name: str, order: int) -> Report:
    """Run a stage, and return its report; an error that does not concern the other stages is one of its failures."""
    began = time.monotonic()
    try:
        with ledger.stage(_IN_LEDGER.get(name, name), order) as stage, full_disk():
            report = _STEPS[name](settings, stage)
            stage.finish(report)
    except Exception as error:  # the service levels are measured also after a bug
        if name == "ingest" and isinstance(error, UsageError):
            raise
        if isinstance(error, TelecineError):
            _LOG.error("%s: %s", name, error)
        else:
            _LOG.exception("%s", name)
        report = Report(
            status="failed",
            exit_code=error.exit_code if isinstance(error, TelecineError) else EXIT_BUG,
            headline=f"{name} failed",
            failures=[Failure.of(f"trakt {name}", error)],
            seconds=time.monotonic() - began,
        )
    report.pipeline, report.step, report.run_id = "trakt", name, ledger.run_id
    _LOG.info("%s", report.summary())
    if settings.report_dir is not None:
        _write(settings, report)
    return report


def _write(settings: RunSettings, report: Report) -> None:
    from shared.report.write import write

    write(report, f"{settings.report_dir}/{report.step}", settings)


def merge(reports: Mapping[str, Report]) -> Report:
    """Return one report for several stages; names of counts get the stage's name as a prefix: ``ingest.titles``."""
    joined = Report(status="skipped", tiles=_TILES)
    for name, report in reports.items():
        joined = Report(
            status=max(joined.status, report.status, key=_STATUSES.index),
            exit_code=most_severe(joined.exit_code, report.exit_code),
            headline="; ".join(filter(None, (joined.headline, report.headline))),
            stages={**joined.stages, name: StageSummary(status=report.status, seconds=report.seconds)},
            items=max(joined.items, report.items),
            counts={**joined.counts, **_prefixed(name, report.counts)},
            bytes={**joined.bytes, **_prefixed(name, report.bytes)},
            rejects={**joined.rejects, **report.rejects},
            rates={**joined.rates, **_prefixed(name, report.rates)},
            failures=[*joined.failures, *report.failures],
            failures_truncated=joined.failures_truncated + report.failures_truncated,
            outputs={**joined.outputs, **report.outputs},
            durations={**joined.durations, **_prefixed(name, report.durations)},
            tiles=_TILES,
            sections=[*joined.sections, *report.sections],
        )
    rows: list[list[Any]] = [
        [name, report.status, round(report.seconds, 1), report.headline] for name, report in reports.items()
    ]
    joined.sections = [Table(_STAGES_TABLE, ["stage", "status", "seconds", "result"], rows), *joined.sections]
    return joined


def _prefixed(stage: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{stage}.{key}": value for key, value in values.items()}


def show(report: Report, console: Console) -> None:
    """Print what each stage did.

    Args:
        report: report of run.
        console: the terminal.
    """
    table = find_table(report, _STAGES_TABLE)
    if table is None:
        print_line(console, report.headline)
        return
    print_table(console, table.columns, table.rows, right={"seconds"})
    if file := report.outputs.get("duckdb"):
        print_line(console, f"DuckDB file: {file}")

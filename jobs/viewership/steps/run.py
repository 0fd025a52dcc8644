"""The run step: upload files, then normalize, match and load them, each phase as a stage of its own."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jobs.viewership.steps._stages import MATCH_CHART, PHASES, PHASES_TABLE, run_phase, waiting
from jobs.viewership.steps.upload import sections, take_files, upload_report
from shared.disk import full_disk
from shared.errors import most_severe
from shared.ledger import open_run
from shared.report import Report, StageSummary, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.phases.upload import Taken
    from jobs.viewership.settings.uploads import RunSettings
    from shared.ledger import StageRun
    from shared.report import Section

__all__ = ["merge", "run"]

_log = logging.getLogger(__name__)

_UPLOAD: Final = ("upload", 2)
_MB: Final = 1_000_000
# From best to worst.
_STATUSES: Final = ("skipped", "success", "partial", "failed")


def run(settings: RunSettings, stage_run: StageRun) -> Report:
    """Upload files and load their rows, and return one report.

    Uploads that an earlier run left unfinished are finished too. A file that is refused does not stop the others; the
    most severe exit code counts.

    Args:
        settings: settings of all phases.
        stage_run: used for its run id and progress; each phase gets a stage of its own.

    Raises:
        UsageError: the only named file does not exist, or a flag does not fit it.
        NotReady: the catalogue lacks deals or episodes; the uploads wait.
        TransientError: the store or the database cannot be reached.
    """
    named = settings.model_copy(update={"run_id": stage_run.run_id})
    reports: dict[str, Report] = {}
    with open_run(named, "viewership", command=stage_run) as ledger:
        with ledger.stage(*_UPLOAD, progress=stage_run.progress) as stage, full_disk():
            uploads = take_files(named, stage)
            reports["upload"] = upload_report(named, uploads)
            stage.finish(reports["upload"])
        if not _too_large(named, uploads.taken):
            for phase in PHASES.values():
                upload_ids = waiting(named, phase.waits)
                if not upload_ids:
                    continue
                with ledger.stage(phase.name, phase.order) as stage, full_disk():
                    reports[phase.name] = run_phase(phase, named, stage, upload_ids)
                    stage.finish(reports[phase.name])
    report = merge(reports)
    report.headline = report.headline or reports["upload"].headline
    report.sections = [*sections(named, uploads), *report.sections]
    report.counts["waiting"] = len(waiting(named, [status for phase in PHASES.values() for status in phase.waits]))
    report.exit_code = most_severe(report.exit_code, ledger.exit_code)
    return report


def _too_large(settings: RunSettings, taken: Sequence[Taken]) -> bool:
    if settings.one_pod_mb is None:
        return False
    size = sum(one.size_bytes for one in taken if one.outcome == "stored")
    if size <= settings.one_pod_mb * _MB:
        return False
    _log.info(
        "uploaded %.0f MB; the limit for one pod is %d MB, so later steps finish them",
        size / _MB,
        settings.one_pod_mb,
    )
    return True


def merge(reports: dict[str, Report]) -> Report:
    """Return one report for several phases; names of counts get the phase's name as a prefix: ``load.final``."""
    joined = Report(status="skipped", tiles=_TILES)
    for name, report in reports.items():
        joined = Report(
            status=max(joined.status, report.status, key=_STATUSES.index),
            exit_code=most_severe(joined.exit_code, report.exit_code),
            headline="; ".join(filter(None, (joined.headline, report.headline if report.items else ""))),
            stages={**joined.stages, name: StageSummary(status=report.status, seconds=report.seconds)},
            items=max(joined.items, report.items),
            counts={**joined.counts, **{f"{name}.{key}": value for key, value in report.counts.items()}},
            bytes={**joined.bytes, **report.bytes},
            rejects={**joined.rejects, **report.rejects},
            failures=[*joined.failures, *report.failures],
            failures_truncated=joined.failures_truncated + report.failures_truncated,
            durations={
                **joined.durations,
                **{f"{name}.{key}": value for key, value in report.durations.items()},
            },
            tiles=_TILES,
            sections=[*joined.sections, *report.sections],
        )
    joined.sections = _joined(joined.sections)
    return joined


def _joined(sections: Sequence[Section]) -> list[Section]:
    """Return the sections with all tables of phases merged into one, grouped by upload."""
    phases = [each for each in sections if isinstance(each, Table) and each.title == PHASES_TABLE]
    if not phases:
        return list(sections)
    rows = sorted((row for each in phases for row in each.rows), key=lambda row: row[0])
    # The bars of buckets by platform show the same rows as those of match by upload.
    others = [each for each in sections if getattr(each, "title", "") not in (PHASES_TABLE, MATCH_CHART)]
    total = sum(each.total or len(each.rows) for each in phases)
    return [*others, replace(phases[0], rows=rows, total=total)]


_TILES: Final = (
    *(
        "upload.files",
        "upload.rows",
        "upload.rejected",
        "normalize.scopes",
        "match.keys",
        "load.final",
        "load.review",
        "load.unmatched",
        "load.held",
    ),
    *("load.topline", "load.filtered"),
)

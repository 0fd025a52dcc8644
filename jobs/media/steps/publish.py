"""The publish step: write one index page of the stages of a run, from the ledger."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from shared.report import Link, Report, Span, Spans, StageSummary, Status, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.media.settings import PublishSettings
    from shared.failure import Failure
    from shared.ledger import StageRun
    from shared.ledger.history import StageRow
    from shared.report.sections import Section

__all__ = ["run"]

_SHOWN: Final = 50
_BYTES: Final = "bytes_"
_FINE: Final = frozenset({"success", "skipped", "partial"})


def run(settings: PublishSettings, stage_run: StageRun) -> Report:
    """Return the index of a run: its stages, their counts and first errors, and links to their reports.

    A failed stage is a row like any other; the workflow reports that the run failed. ``report.json`` has the same data
    for programs, under ``stages`` and ``counts``.

    Args:
        settings: settings with ``report_link``, the location of the reports.
        stage_run: the stage of this step; the other stages of its run are shown.

    Raises:
        DatabaseUnreachable: the database cannot be reached.
    """
    from shared.ledger.history import failed_items, show_run

    _, rows = show_run(settings, stage_run.run_id)
    stages = [row for row in rows if row.stage != stage_run.stage]
    stage_run.progress.start(len(stages), "stages")
    stage_run.progress.advance(len(stages))
    return Report(
        items=len(stages),
        headline=_headline(stages),
        stages={row.stage: _summary(row) for row in stages},
        counts=_counts(stages),
        bytes={
            f"{row.stage}.{name.removeprefix(_BYTES)}": value
            for row in stages
            for name, value in _whole(row).items()
            if name.startswith(_BYTES)
        },
        durations={row.stage: row.seconds for row in stages},
        sections=list(_sections(settings, stages, failed_items(settings, stage_run.run_id, limit=_SHOWN))),
    )


def _headline(stages: Sequence[StageRow]) -> str:
    if not stages:
        return "no stage of this run has started"
    statuses = Counter(row.status for row in stages)
    summary = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    return f"{len(stages)} {'stage' if len(stages) == 1 else 'stages'}: {summary}"


def _summary(row: StageRow) -> StageSummary:
    # A stage that is still running has no final status.
    status = row.status if row.status in get_args(Status) else "interrupted"
    return StageSummary(status=cast("Status", status), seconds=row.seconds)


def _counts(stages: Sequence[StageRow]) -> dict[str, int]:
    counts = {"stages": len(stages), "failed_stages": sum(row.status not in _FINE for row in stages)}
    for row in stages:
        named = {f"{row.stage}.{name}": value for name, value in _whole(row).items() if not name.startswith(_BYTES)}
        counts.update(named)
    return counts


def _whole(row: StageRow) -> dict[str, int]:
    return {name: value for name, value in row.counts.items() if isinstance(value, int)}


def _sections(settings: PublishSettings, stages: Sequence[StageRow], failures: Sequence[Failure]) -> Iterator[Section]:
    rows: list[list[Any]] = [
        [
            Link(row.stage, settings.report_link.replace("{step}", row.stage).replace("{pipeline}", row.pipeline)),
            row.pipeline,
            (row.status,),
            row.attempt,
            round(row.seconds, 1),
            row.failed_items,
            row.manifest_key,
            row.error_message,
        ]
        for row in stages
    ]
    columns = ["stage", "pipeline", "status", "attempt", "seconds", "errors", "wrote", "what happened"]
    if stages:
        spans = [Span(row.stage, row.status, row.started_at, row.seconds) for row in stages]
        yield Spans("When the stages ran", spans, note="Times are from the nodes' clocks.")
    yield Table("Stages", columns, rows, note="Each stage links to its report.")
    if failures:
        yield Table(
            "First errors",
            ["item", "code", "what happened"],
            [[failure.item, failure.code, failure.message] for failure in failures],
            total=sum(row.failed_items for row in stages),
            where="pipeline.item_errors",
        )

"""The steps ``ingest`` and ``backfill``: read titles, commit them to bronze, and report what became of each page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.schema import SCHEMA
from jobs.trakt.datasets import API, INGEST, bronze
from jobs.trakt.ingest.ledger import page_counts
from jobs.trakt.ingest.run import forecast, read_titles
from shared.errors import EXIT_DATA, EXIT_OK
from shared.lineage.event import Dataset
from shared.lineage.trace import trace
from shared.report import Report, Table
from shared.report.terminal import counted

if TYPE_CHECKING:
    from jobs.trakt.ingest.run import Run
    from jobs.trakt.settings.ingest import ReadSettings
    from shared.ledger import StageRun

__all__ = ["run"]


def run(settings: ReadSettings, stage_run: StageRun) -> Report:
    """Read the titles of the watch list, and return the report; with ``--dry-run``, only what would be asked for.

    Args:
        settings: settings of ``ingest`` or ``backfill``.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the watch list is wrong.
        ConfigurationError: the API accepts neither key nor account.
        TransientError: the API, the store or the database is out of reach; what had come by then is committed.
    """
    if settings.dry_run:
        return _forecast(settings)
    with trace(settings, INGEST, stage_run, inputs=[Dataset(API)]) as traced:
        done = read_titles(settings, stage_run)
        rows = sum(sum(load.rows.values()) for load in done.loads)
        columns = {column.name: str(column.type) for column in SCHEMA}
        traced.outputs.append(
            bronze(columns, version=max((load.version for load in done.loads), default=None), rows=rows)
        )
    return _report(settings, done, page_counts(settings, stage_run.run_id))


def _forecast(settings: ReadSettings) -> Report:
    found = forecast(settings)
    quota = settings.request_quota
    ends = f"the last could be sent at {found.ends:%Y-%m-%d %H:%M} UTC" if quota else "no quota limits them"
    unresolved = f"; {found.unresolved:,} names are not resolved yet, and may need more" if found.unresolved else ""
    return Report(
        status="skipped",
        headline=f"dry run: {counted(found.requests, 'request', 'requests')} for"
        f" {counted(found.titles, 'title', 'titles')} ({found.swept:,} to sweep, {found.rated:,} to rate); {ends}"
        f"{unresolved}; nothing was asked for",
        items=found.titles,
        counts={
            "titles": found.titles,
            "swept": found.swept,
            "rated": found.rated,
            "unresolved": found.unresolved,
            "requests": found.requests,
        },
    )


# Failed titles in the headline; the report has all.
_NAMED: Final = 3
_STATUSES: Final = ("good", "good_empty", "failed", "skipped")


def _report(settings: ReadSettings, done: Run, pages: Counter[tuple[str, str, str]]) -> Report:
    statuses: Counter[str] = Counter()
    for (_, status, _reason), number in pages.items():
        statuses[status] += number
    failed = len(done.failures)
    tried = done.planned + sum(failure.item not in {str(read.ref) for read in done.reads} for failure in done.failures)
    # As in other pipelines: without a limit, only a run of which nothing succeeded fails.
    limit = settings.max_failed if settings.max_failed is not None else max(tried - 1, 0)
    code = EXIT_DATA if failed > limit else EXIT_OK
    rows = sum(sum(load.rows.values()) for load in done.loads)
    counts = done.counts
    tally = done.tally
    return Report(
        status="failed" if code else "partial" if failed else "success",
        exit_code=code,
        headline=_headline(done, statuses, rows),
        items=done.planned,
        counts={
            "titles": done.titles,
            "planned": done.planned,
            "failed": failed,
            "busy": len(done.busy),
            **{name: counts[name] for name in ("swept", "complete", "ratings", "absent", "deleted", "missing", "gone")},
            "named": len(done.feed.named) if done.feed else 0,
            "comments": counts["comments"],
            "duplicates": counts["duplicates"],
            "replies": counts["replies"],
            **{f"pages_{name}": statuses[name] for name in _STATUSES},
            "recovered": done.recovered,
            "rows": rows,
            "dead_letters": sum(sum(load.bad.values()) for load in done.loads),
            "requests": tally.requests if tally else 0,
            "retries": tally.retries if tally else 0,
            "rate_limited": tally.statuses[429] if tally else 0,
        },
        bytes={"received": tally.bytes if tally else 0},
        rejects=dict(Counter(failure.code for failure in done.failures)),
        failures=done.failures,
        durations={"waited": tally.waited_s, "budget": tally.budget_s} if tally else {},
        sections=[_pages(pages)] if pages else [],
    )


def _headline(done: Run, statuses: Counter[str], rows: int) -> str:
    counts = done.counts
    swept = f"{counts['swept']:,} swept, {counts['complete']:,} of them completely"
    parts = [f"{counted(done.planned, 'title', 'titles')} of {done.titles:,}: {swept}"]
    if done.feed is not None:
        gap = "without a gap" if done.feed.reason is None else f"with a gap ({done.feed.reason})"
        parts.append(f"the feed named {len(done.feed.named):,} and was read {gap}")
    parts.append(f"{statuses['good'] + statuses['good_empty']:,} pages, {statuses['failed']:,} failed")
    if counts["deleted"]:
        parts.append(f"{counted(counts['deleted'], 'comment', 'comments')} deleted")
    if done.busy or done.feed_busy:
        parts.append(f"another ingest reads {counted(len(done.busy), 'title', 'titles')}")
    parts.append(f"{counted(rows, 'row', 'rows')} committed")
    if done.failures:
        named = ", ".join(f"{each.item} ({each.code})" for each in done.failures[:_NAMED])
        more = f" and {len(done.failures) - _NAMED:,} more" if len(done.failures) > _NAMED else ""
        parts.append(f"failed: {named}{more}")
    return "; ".join(parts)


def _pages(pages: Counter[tuple[str, str, str]]) -> Table:
    rows = [[resource, status, reason or None, number] for (resource, status, reason), number in sorted(pages.items())]
    return Table("Pages", ["resource", "status", "reason", "pages"], rows)

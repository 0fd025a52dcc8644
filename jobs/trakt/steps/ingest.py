"""The steps ``ingest`` and ``backfill``: read titles, commit them to bronze, and report what became of each page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.schema import SCHEMA
from jobs.trakt.datasets import API, INGEST, TMDB, bronze
from jobs.trakt.ingest.page_counts import missing_pages, page_counts
from jobs.trakt.ingest.run import forecast, read_titles
from jobs.trakt.settings.ingest import BackfillSettings, IngestSettings
from shared.errors import EXIT_DATA, EXIT_OK, TelecineError, most_severe
from shared.failure import Failure
from shared.lineage.event import Dataset
from shared.lineage.trace import trace
from shared.report import Amounts, Code, Part, Report, Shares, Table
from shared.report.terminal import counted, find_table, print_line, print_table
from shared.settings.next_command import next_command

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.trakt.ingest.page_counts import MissingPages
    from jobs.trakt.ingest.run import Run
    from jobs.trakt.settings.ingest import ReadSettings
    from shared.ledger import StageRun
    from shared.report import Section

__all__ = ["run", "show"]

_PAGES: Final = "Pages"
_MISSING: Final = "Missing pages"
_NEXT: Final = "Next step"
# Rows of the table of missing pages; the SLO page has all of them.
_SHOWN: Final = 100
# Failed titles in the headline; the report has all.
_NAMED: Final = 3


def run(settings: ReadSettings, stage_run: StageRun) -> Report:
    """Read the titles of the watch list, and return the report; with ``--dry-run``, only what would be asked for.

    An error of the API ends the reading: the report then has its exit code, and what had come is committed.

    Args:
        settings: settings of ``ingest`` or ``backfill``.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the watch list is wrong.
        ConfigurationError: the database or the store needs an operator.
        TransientError: the store or the database is out of reach; the next run commits what had come by then.
    """
    if settings.dry_run:
        return _forecast(settings)
    sites = [API] if settings.tmdb_token is None else [API, TMDB]
    done: Run | None = None
    try:
        with trace(settings, INGEST, stage_run, inputs=[Dataset(site) for site in sites]) as traced:
            done = read_titles(settings, stage_run)
            rows = sum(sum(load.rows.values()) for load in done.loads)
            columns = {column.name: str(column.type) for column in SCHEMA}
            traced.outputs.append(
                bronze(columns, version=max((load.version for load in done.loads), default=None), rows=rows)
            )
            if done.stopped is not None:
                raise done.stopped
    except TelecineError as error:
        # The report names the error of the API; lineage has recorded it.
        if done is None or error is not done.stopped:
            raise
    report = _report(settings, done, page_counts(settings, stage_run.run_id))
    if missing := missing_pages(settings, stage_run.run_id, _SHOWN):
        report.sections.append(_missing(missing, report))
    if done.stopped is not None:
        _end_early(report, done.stopped, settings)
    return report


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
        sections=[
            Amounts(
                "What would be read",
                "titles",
                _FORECAST,
                [
                    ("titles of the watch list", [found.titles]),
                    ("swept", [found.swept]),
                    ("rated", [found.rated]),
                    ("names to resolve", [found.unresolved]),
                ],
                note="A title can be both swept and rated.",
            )
        ],
    )


_STATUSES: Final = ("good", "good_empty", "failed", "skipped")
# Statuses of pages, as the chart of landed and planned pages shows them.
_PARTS: Final = (
    Part("good", "teal-2"),
    Part("good, empty", "teal-3"),
    Part("failed", "red"),
    Part("skipped", "light-gray"),
)
_FORECAST: Final = (Part("titles", "blue-2"),)


def _report(settings: ReadSettings, done: Run, pages: Counter[tuple[str, str, str]]) -> Report:
    statuses: Counter[str] = Counter()
    for (_, status, _reason), number in pages.items():
        statuses[status] += number
    failed = len(done.failures)
    tried = done.planned + sum(failure.item not in {str(read.ref) for read in done.reads} for failure in done.failures)
    # As in other pipelines: without a limit, a run fails only if nothing succeeded.
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
            **_metadata_counts(done),
        },
        bytes={"received": tally.bytes if tally else 0},
        rejects=dict(Counter(failure.code for failure in done.failures)),
        failures=done.failures,
        durations={"waited": tally.waited_s, "budget": tally.budget_s} if tally else {},
        sections=[*_charts(pages), *([_pages(pages)] if pages else []), *_warnings(done)],
    )


def _headline(done: Run, statuses: Counter[str], rows: int) -> str:
    counts = done.counts
    swept = f"{counts['swept']:,} swept, {counts['complete']:,} of them completely"
    parts = [f"{counted(done.planned, 'title', 'titles')} of {done.titles:,}: {swept}"]
    if done.feed is not None:
        gap = "without a gap" if done.feed.reason is None else f"with a gap ({done.feed.reason})"
        parts.append(f"the feed named {len(done.feed.named):,} and was read {gap}")
    good = counted(statuses["good"] + statuses["good_empty"], "page", "pages")
    parts.append(f"{good}, {statuses['failed']:,} failed")
    if counts["deleted"]:
        parts.append(f"{counted(counts['deleted'], 'comment', 'comments')} deleted")
    if done.busy or done.feed_busy:
        parts.append(f"another ingest reads {counted(len(done.busy), 'title', 'titles')}")
    if done.metadata.is_asked:
        parts.append(f"{counted(done.metadata.read, 'title', 'titles')} with metadata of TMDb")
    parts.append(f"{counted(rows, 'row', 'rows')} committed")
    # Missing metadata never fails a run, so the headline is where the warning is seen.
    parts += [
        f"warning: {counted(number, 'title', 'titles')} without metadata ({code}): {advice}"
        for code, number, advice in done.metadata.warnings
    ]
    if done.failures:
        named = ", ".join(f"{each.item} ({each.code})" for each in done.failures[:_NAMED])
        more = f" and {len(done.failures) - _NAMED:,} more" if len(done.failures) > _NAMED else ""
        parts.append(f"failed: {named}{more}")
    return "; ".join(parts)


def _metadata_counts(done: Run) -> dict[str, int]:
    """Return counts of TMDb, apart from those of Trakt; none without a token."""
    found = done.metadata
    if not found.is_asked:
        return {}
    return {
        "tmdb_read": found.read,
        "tmdb_missing": found.missing,
        "tmdb_failed": found.failed.total(),
        "tmdb_requests": found.requests,
    }


def _warnings(done: Run) -> list[Table]:
    rows = [[code, number, advice] for code, number, advice in done.metadata.warnings]
    return [Table("Warnings", ["code", "titles", "meaning and next step"], rows)] if rows else []


def _charts(pages: Counter[tuple[str, str, str]]) -> list[Section]:
    """Return bars of planned pages by what became of them, and of missing pages by reason; nothing without pages."""
    if not pages:
        return []
    resources: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for (resource, status, reason), number in sorted(pages.items()):
        resources.setdefault(resource, Counter())[status] += number
        if status not in ("good", "good_empty"):
            reasons[reason or status] += number
    bars = [(resource, [counts[status] for status in _STATUSES]) for resource, counts in resources.items()]
    charts: list[Section] = [Shares("Planned pages by resource and result", "pages", _PARTS, bars)]
    if reasons:
        missing = [(reason, [number]) for reason, number in reasons.most_common()]
        charts.append(Amounts("Missing pages by reason", "pages", [Part("pages", "red")], missing))
    return charts


def _pages(pages: Counter[tuple[str, str, str]]) -> Table:
    rows = [[resource, status, reason or None, number] for (resource, status, reason), number in sorted(pages.items())]
    return Table(_PAGES, ["resource", "status", "reason", "pages"], rows)


def _missing(missing: list[MissingPages], report: Report) -> Table:
    rows = [
        [each.name or ("the feed" if each.ref is None else str(each.ref)), each.resource, each.reason, each.pages]
        for each in missing
    ]
    every, listed = report.counts["pages_failed"] + report.counts["pages_skipped"], sum(each.pages for each in missing)
    note = f"{listed:,} of {every:,} missing pages shown; all are in trakt.pages." if every > listed else ""
    return Table(_MISSING, ["title", "resource", "reason", "pages"], rows, note)


def _end_early(report: Report, error: TelecineError, settings: ReadSettings) -> None:
    """Turn the report into that of a run that an API error ended."""
    report.status = "failed"
    report.exit_code = most_severe(error.exit_code, report.exit_code)
    model = BackfillSettings if isinstance(settings, BackfillSettings) else IngestSettings
    command = "trakt backfill" if model is BackfillSettings else "trakt ingest"
    again = next_command(command, model=model, settings=settings)
    report.headline = f"ended by {error.code}; {report.headline}"
    # Not in the headline, which Argo shows before the error: the flags of a watch list may be long.
    report.sections.insert(0, Table(_NEXT, ["to read the rest, run"], [[Code(again)]]))
    report.failures = [Failure.of(command, error), *report.failures]
    report.rejects = {**report.rejects, error.code: report.rejects.get(error.code, 0) + 1}


def show(report: Report, console: Console) -> None:
    """Print the failures, what is missing and the counts of pages.

    Args:
        report: report of ingest or backfill.
        console: the terminal.
    """
    if report.failures:
        rows = [[each.item, each.code, each.message] for each in report.failures]
        print_table(console, ["failed", "code", "why"], rows)
    for title in (_MISSING, _PAGES):
        table = find_table(report, title)
        if table is not None:
            print_table(console, table.columns, table.rows, right={"pages"})
    print_line(console, report.headline)
    if (table := find_table(report, _NEXT)) is not None:
        print_line(console, f"to read the rest, run: {table.rows[0][0].text}")
